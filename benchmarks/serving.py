"""Requests a second and waiting time of a server, against the network in this process:

    python benchmarks/serving.py MODEL CONFIG CHECKPOINT --image FILE [--triton .venv-triton]

MODEL is a folder of ``mmseg-eff export --layout triton-python``; `make test-triton` makes the
environment of a real Triton. Each of 1, 4 and 16 clients sends the image again and again; the ways
take turns, and the table has the median of the rounds. For other servers see ``clients.compare``.
"""

import argparse
import os
import tempfile
from pathlib import Path

import mmseg_eff  # isort: split

import cv2
import numpy as np
import torch
from clients import CLIENTS, compare, infer, table
from mmengine.config import DictAction
from triton_server import triton_server


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('model', type=Path, help='REPOSITORY/NAME')
    parser.add_argument('config')
    parser.add_argument('checkpoint')
    parser.add_argument('--image', type=Path, required=True)
    parser.add_argument('--triton', type=Path, default='.venv-triton', help='its environment')
    parser.add_argument('--clients', type=int, nargs='+', default=CLIENTS)
    parser.add_argument('--requests', type=int, default=32, help='of all clients, each round')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='as exported with')
    args = parser.parse_args()
    model = mmseg_eff.load_model(
        args.config, args.checkpoint, device='cpu', options=args.cfg_options
    )
    image = cv2.imread(str(args.image))
    (expected,) = mmseg_eff.predict(model, image)

    def in_process() -> None:
        next(mmseg_eff.predict(model, image))

    before = os.getloadavg()[0]
    with (
        tempfile.TemporaryDirectory() as work,
        triton_server(args.triton, args.model.parent, Path(work)) as server,
    ):
        url = f'{server.url}/v2/models/{args.model.name}'
        share = np.mean(infer(url, image) == expected.labels)
        ways = {'torch in this process': in_process, 'Triton': lambda: infer(url, image)}
        loads = compare(ways, clients=args.clients, requests=args.requests, rounds=args.rounds)
        names = ('nv_inference_request_success', 'nv_inference_exec_count')
        served, batches = (server.metric(name, args.model.name) for name in names)
        after = os.getloadavg()[0]
    print(table(loads))
    print(
        f'{image.shape[0]}x{image.shape[1]}, {torch.get_num_threads()} threads of torch; '
        f'{share:.4%} of the labels equal; {served:.0f} requests in {batches:.0f} batches; '
        f'load average {before:.2f} before, {after:.2f} after'
    )


if __name__ == '__main__':
    main()
