"""What the denormal weights of an official ESPNet file cost on a CPU:

    python benchmarks/denormals.py espnet_p_2_q_8.pth

Both networks run in turn in one process; prints the median times, their ratio, and whether the
logits are equal to the bit.
"""

import argparse
from functools import partial

import torch
from timing import interleaved
from torch import nn

from mmseg_eff.converters import convert_espnet, load_checkpoint, zero_denormals
from mmseg_eff.converters.espnet import build_espnet
from mmseg_eff.utils.printing import quiet_warnings


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
    quiet_warnings()

    converted, meta = convert_espnet(load_checkpoint(args.file)['state_dict'])
    networks = dict(official=build(converted, meta['model']))
    count = zero_denormals(converted)
    networks['cleaned'] = build(converted, meta['model'])
    x = torch.randn(1, 3, *args.size) * 0.01  # the scale of the official preprocessing
    logits = {}

    def run(name: str) -> None:
        logits[name] = networks[name](x)

    print(f'{count} values set to zero')
    with torch.inference_mode():
        median = interleaved(
            {name: partial(run, name) for name in networks},
            repeats=args.repeats,
            threads=args.threads,
        )
    equal = torch.equal(logits['official'], logits['cleaned'])
    print(f'official {median["official"]:.3f} s, cleaned {median["cleaned"]:.3f} s per image')
    print(f'ratio {median["official"] / median["cleaned"]:.1f}; bit-identical logits: {equal}')


if __name__ == '__main__':
    main()
