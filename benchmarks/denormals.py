"""What the denormal weights of an official ESPNet file cost on a CPU:

    python benchmarks/denormals.py espnet_p_2_q_8.pth

Both networks run in turn in one process; prints the median times, their ratio, and whether the
logits are equal to the bit.
"""

import argparse
import os
import statistics
import time

import torch
from torch import nn

from mmseg_eff.apis.cli import quiet_warnings
from mmseg_eff.converters import convert_espnet, load_checkpoint, zero_denormals
from mmseg_eff.converters.espnet import build_espnet


def build(state_dict: dict, model: dict) -> nn.Sequential:
    """The network of a converted state dict, in evaluation mode."""
    network = build_espnet(model)
    network.load_state_dict(state_dict)
    return nn.Sequential(network['backbone'], network['decode_head']).eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('file', help='official ESPNet weights')
    parser.add_argument('--size', type=int, nargs=2, default=(512, 1024), metavar=('H', 'W'))
    parser.add_argument('--repeats', type=int, default=7)
    parser.add_argument('--threads', type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    quiet_warnings()

    converted, meta = convert_espnet(load_checkpoint(args.file)['state_dict'])
    networks = dict(official=build(converted, meta['model']))
    count = zero_denormals(converted)
    networks['cleaned'] = build(converted, meta['model'])
    x = torch.randn(1, 3, *args.size) * 0.01  # the scale of the official preprocessing
    times = {name: [] for name in networks}
    logits = {}
    with torch.inference_mode():
        for repeat in range(args.repeats + 1):
            for name, network in networks.items():
                begin = time.perf_counter()
                logits[name] = network(x)
                if repeat:  # the first is the warm-up
                    times[name].append(time.perf_counter() - begin)
    median = {name: statistics.median(values) for name, values in times.items()}
    equal = torch.equal(logits['official'], logits['cleaned'])
    print(
        f'{count} values set to zero; {args.threads} threads, load average {os.getloadavg()[0]:.2f}'
    )
    print(f'official {median["official"]:.3f} s, cleaned {median["cleaned"]:.3f} s per image')
    print(f'ratio {median["official"] / median["cleaned"]:.1f}; bit-identical logits: {equal}')


if __name__ == '__main__':
    main()
