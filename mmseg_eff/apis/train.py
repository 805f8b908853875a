"""Train a model from its config, as mmseg's own ``tools/train.py`` does, with checks before it."""

import ctypes

import torch
from mmengine.logging import print_log
from mmengine.runner import Runner

from ..converters import load_checkpoint
from ..converters.checkpoint import mismatch
from ..errors import InputError
from .cli import load_runner_config, runner_parser, tool
from .datasets import check_datasets

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # parameters of glibc's mallopt


def keep_freed_memory() -> bool:
    """Let glibc keep the memory that a training step frees for the next one.

    It hands large blocks back to the kernel at once, and every step pays for fresh pages: about a
    fifth of ESPNet's training time on a CPU. Returns whether this C library could be told.
    """
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    return bool(mallopt and mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, -1))


def check_start(runner: Runner) -> None:
    """Say what ``load_from`` gives to the network, and refuse a file of another backbone."""
    path = runner.cfg.get('load_from')
    if not path or runner.cfg.get('resume') or '://' in str(path):
        return
    state_dict = load_checkpoint(path)['state_dict']
    wanted = runner.model.state_dict()
    new = [
        name
        for name, value in wanted.items()
        if getattr(state_dict.get(name), 'shape', None) != value.shape
    ]
    backbone = {name for name in wanted if name.startswith('backbone.')} or set(wanted)
    fitting = len(backbone.difference(new))
    if fitting < len(backbone) / 2:
        raise InputError(
            f"{path}: holds only {fitting} of {len(backbone)} tensors of the config's backbone: "
            f'{mismatch(runner.model, state_dict)}; official files are converted by '
            'tools/convert_weights.py first'
        )
    listed = ', '.join(new[:3]) + (', …' if len(new) > 3 else '')
    loaded = f'{len(wanted) - len(new)} of {len(wanted)}'
    print_log(f'{path}: {loaded} tensors loaded; new: {listed or "none"}', logger='current')


@tool
def main(argv: list[str] | None = None) -> None:
    """Parse the arguments of ``tools/train.py`` and train."""
    parser = runner_parser('Train a segmentor')
    parser.add_argument(
        '--resume', action='store_true', help='go on from the last checkpoint in the work dir'
    )
    parser.add_argument('--amp', action='store_true', help='mixed precision (needs a GPU)')
    args = parser.parse_args(argv)

    config = load_runner_config(args)
    if args.amp:
        config.optim_wrapper.update(type='AmpOptimWrapper', loss_scale='dynamic')
    config.resume = config.get('resume', False) or args.resume
    check_datasets(config, 'train_dataloader', 'val_dataloader')
    if not torch.cuda.is_available():
        keep_freed_memory()
    runner = Runner.from_cfg(config)
    check_start(runner)
    runner.train()
