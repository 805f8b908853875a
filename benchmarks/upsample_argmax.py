"""Labels from small logits, beside ``F.interpolate(…).argmax(1)``:

    python benchmarks/upsample_argmax.py [--classes 19 150] [--size H W] [--threads N]

Logits at 1/8 of the size, of two kinds: those of a drawn street (scores by the share of each class
in 8x8 pixels, and smooth noise) as a trained network's are, and pure noise, the worst case. Prints
the median times, the ratio, the labels that differ and the most memory that the calls took.
"""

import argparse
import gc
from functools import partial

import numpy as np
import torch
from timing import interleaved
from torch import Tensor
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile

from mmseg_eff.datasets.toy_street import IGNORED, Scene
from mmseg_eff.models.layers import upsample_argmax
from mmseg_eff.utils.printing import quiet_warnings


def street_logits(num_classes: int, size: tuple[int, int]) -> Tensor:
    """Logits (1, num_classes, H / 8, W / 8) of a drawn street; classes it has not are unlikely."""
    label = torch.from_numpy(Scene(np.random.default_rng(0), *size).label.astype(np.int64))
    label[label == IGNORED] = 0
    shares = F.avg_pool2d(F.one_hot(label, num_classes).permute(2, 0, 1)[None].float(), 8)
    noise = F.avg_pool2d(torch.randn(shares.shape), 5, stride=1, padding=2)
    return 10 * shares + 3 * noise


def plain(logits: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(logits, size, mode='bilinear').argmax(1)


def peak_memory(function: partial) -> float:
    """Most megabytes that torch held during a call, beyond what it held before."""
    gc.collect()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        function()
    held = most = 0
    events = [e for e in profiler.profiler.kineto_results.events() if e.name() == '[memory]']
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    return most / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--classes', type=int, nargs='+', default=[19, 150])
    parser.add_argument('--size', type=int, nargs=2, default=(1024, 2048), metavar=('H', 'W'))
    parser.add_argument('--repeats', type=int, default=7)
    parser.add_argument('--threads', type=int, default=2)
    args = parser.parse_args()
    quiet_warnings()
    torch.manual_seed(0)
    size = tuple(args.size)
    for num_classes in args.classes:
        street = street_logits(num_classes, size)
        for kind, logits in (('street', street), ('noise', torch.randn_like(street))):
            calls = dict(plain=partial(plain, logits, size))
            calls['fused'] = partial(upsample_argmax, logits, size)
            seconds = interleaved(calls, repeats=args.repeats, threads=args.threads)
            differ = int((calls['plain']() != calls['fused']()).sum())
            memory = {name: peak_memory(call) for name, call in calls.items()}
            print(
                f'{num_classes} classes, {kind}: {1e3 * seconds["plain"]:.0f} -> '
                f'{1e3 * seconds["fused"]:.0f} ms, ratio {seconds["plain"] / seconds["fused"]:.1f}'
                f'; {differ} labels differ; {memory["plain"]:.0f} -> {memory["fused"]:.0f} MB'
            )


if __name__ == '__main__':
    main()
