"""What mining hard pixels adds to a cross-entropy, forward and backward:

    python benchmarks/ohem.py [--size H W] [--threads N]

For the logits of a fresh network, where the threshold is the limit, and for those of a trained
one, where the limit has to be selected. Both losses run in turn in one process; prints the median
times.
"""

import argparse
from collections.abc import Callable
from functools import partial

import torch
from timing import interleaved
from torch import Tensor
from torch.nn import functional as F

from mmseg_eff.models.losses.ohem_cross_entropy import OHEMCrossEntropy
from mmseg_eff.utils.printing import quiet_warnings

MARGINS = {'fresh': (0, 0), 'trained': (12, 4)}  # of the true class: mean and deviation


def make_batch(shape: tuple[int, int, int, int], mean: float, deviation: float) -> tuple:
    """Logits ``(N, C, H, W)`` and labels ``(N, H, W)``, a tenth of them ignored."""
    logits = torch.randn(shape)
    target = torch.randint(shape[1], (shape[0], *shape[2:]))
    margin = torch.normal(float(mean), float(deviation), target.shape)
    logits.scatter_add_(1, target[:, None], margin[:, None])
    target[torch.rand(target.shape) < 0.1] = 255
    return logits.requires_grad_(), target


def step(criterion: Callable[[Tensor, Tensor], Tensor], logits: Tensor, target: Tensor) -> None:
    """A forward and a backward pass."""
    logits.grad = None
    criterion(logits, target).backward()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--size', type=int, nargs=2, default=(512, 1024), metavar=('H', 'W'))
    parser.add_argument('--batch', type=int, default=2)
    parser.add_argument('--classes', type=int, default=19)
    parser.add_argument('--min-kept', type=int, default=131072)
    parser.add_argument('--weighted', action='store_true', help='with class weights')
    parser.add_argument('--repeats', type=int, default=21)
    parser.add_argument('--threads', type=int, default=2)
    args = parser.parse_args()
    torch.manual_seed(0)
    quiet_warnings()

    weights = torch.rand(args.classes).tolist() if args.weighted else None
    ohem = OHEMCrossEntropy(min_kept=args.min_kept, class_weight=weights)

    def plain(logits: Tensor, target: Tensor) -> Tensor:
        weight = None if weights is None else logits.new_tensor(weights)
        return F.cross_entropy(logits, target, weight, ignore_index=255)

    criteria = dict(plain=plain, ohem=ohem)
    for name, margins in MARGINS.items():
        batch = make_batch((args.batch, args.classes, *args.size), *margins)
        seconds = interleaved(
            {key: partial(step, criterion, *batch) for key, criterion in criteria.items()},
            repeats=args.repeats,
            threads=args.threads,
        )
        base, mined = (1000 * value for value in seconds.values())
        print(
            f'{name}: cross-entropy {base:.1f} ms, OHEM {mined:.1f} ms, '
            f'{100 * (mined / base - 1):+.1f} % (limit {ohem.limit:.4f}, '
            f'{100 * ohem.kept_share:.1f} % kept)'
        )


if __name__ == '__main__':
    main()
