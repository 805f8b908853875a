"""Train a model from its config, as mmseg's own ``tools/train.py`` does, with checks before it."""

import ctypes
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from difflib import get_close_matches
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmseg.registry import OPTIMIZERS, RUNNERS
from torch import nn

from ..converters import load_checkpoint
from ..converters.checkpoint import mismatch
from ..converters.foreign import WRAPPERS
from ..engine import register_checks
from ..engine.checkpoints import has_checkpoint, named_by
from ..errors import InputError
from ..files import lock
from ..hub import resolve
from .cli import load_runner_config, network_of, runner_parser, tool
from .datasets import check_datasets
from .label_rules import settle_labels
from .user_errors import known_types, on_interrupt

LOCK = '.lock'
RANKS = dict(pytorch='RANK', slurm='SLURM_PROCID', mpi='OMPI_COMM_WORLD_RANK')  # by launcher
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
    state_dict = load_checkpoint(resolve(path), prefixes=WRAPPERS)['state_dict']  # mmengine's, too
    model = network_of(runner)
    wanted = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    given = {name: tuple(value.shape) for name, value in state_dict.items()}
    fitting = {name for name in wanted if given.get(name) == wanted[name]}
    backbone = {name for name in wanted if name.startswith('backbone.')} or set(wanted)
    taken = len(backbone & fitting)
    if taken < len(backbone) / 2:
        raise InputError(
            f"{path}: holds only {taken} of {len(backbone)} tensors of the config's backbone: "
            f'{mismatch(model, state_dict)}; official files are converted by '
            'tools/convert_weights.py first'
        )
    report = [f'{path}: {len(fitting)} of {len(wanted)} tensors loaded', *parts(wanted, given)]
    print_log('\n  '.join(report), logger='current')


def parts(
    wanted: Mapping[str, tuple[int, ...]], given: Mapping[str, tuple[int, ...]]
) -> Iterator[str]:
    """A line on each part of a network: how many tensors are given and which are not.

    Args:
        wanted: Shapes of the network's tensors by name, in its order.
        given: Those in a file.
    """
    for part, group in groupby(wanted, lambda name: name.partition('.')[0]):
        names = list(group)
        missing = [name for name in names if name not in given]
        other = [name for name in names if name in given and given[name] != wanted[name]]
        line = f'{part}: {len(names) - len(missing) - len(other)} of {len(names)}'
        shapes = [f'{name} {given[name]} for {wanted[name]}' for name in other]
        for reason, listed in (('of another shape', shapes), ('missing', missing)):
            if listed:
                first = ', '.join(name.removeprefix(f'{part}.') for name in listed[:3])
                line += f'; {len(listed)} {reason}: {first}{", …" if len(listed) > 3 else ""}'
        yield line


def check_pretrained(model: nn.Module, config: ConfigDict) -> None:
    """Refuse a ``Pretrained`` file of another network, of which mmengine would load what fits.

    Warns where the record of a converted file differs from the config.

    Args:
        model: The network, before its weights are loaded.
        config: Its config, with ``data_preprocessor`` and ``backbone``.

    Raises:
        InputError: If a tensor of a part is missing in its file or has another shape there.
    """
    for name, module in model.named_modules():
        configs = getattr(module, 'init_cfg', None) or []
        for init in [configs] if isinstance(configs, dict) else configs:
            path = str(init.get('checkpoint', ''))
            if init.get('type') != 'Pretrained' or '://' in path:
                continue
            checkpoint = load_checkpoint(resolve(path), prefixes=WRAPPERS)
            prefix = init.get('prefix') or ''
            given = {
                key.removeprefix(prefix): value
                for key, value in checkpoint['state_dict'].items()
                if key.startswith(prefix)
            }
            names = module.state_dict().keys() & given.keys()  # it may have more stages
            reason = mismatch(module, {key: given[key] for key in names})
            if reason:
                raise InputError(f'{path}: does not fit {type(module).__name__}: {reason}')
            if name == 'backbone':
                for warning in differences(checkpoint['meta'], config):
                    print_log(f'{path}: {warning}', logger='current', level=logging.WARNING)


def differences(meta: dict, config: ConfigDict) -> list[str]:
    """Where a model's config differs from what a converted file was trained with."""
    record = {**meta.get('preprocessing', {}), **meta.get('model', {})}
    norm_cfg = config.backbone.get('norm_cfg')
    used = dict(
        mean=config.data_preprocessor.get('mean'),
        std=config.data_preprocessor.get('std'),
        padding=config.backbone.get('padding', 'same'),
        bn_eps=norm_cfg and norm_cfg.get('eps', 1e-5),
    )
    return [
        f'was trained with {name} {record[name]}, the config has {value}'
        for name, value in used.items()
        if name in record and value is not None and not np.array_equal(record[name], value)
    ]


def check_optimizer(config: Config) -> None:
    """Raise an ``InputError`` for an unknown optimizer, which mmengine does not name."""
    optimizer = (config.get('optim_wrapper') or {}).get('optimizer') or {}
    name = optimizer.get('type')
    if isinstance(name, str) and OPTIMIZERS.get(name) is None:
        near = get_close_matches(name, known_types(OPTIMIZERS), 1)
        hint = f'; did you mean {near[0]}?' if near else ''
        raise InputError(f'{name} is not in the optimizer registry{hint}')


def kept_by(work_dir: str) -> str:
    """What an interrupted training leaves, and how to go on with it."""
    checkpoint = named_by(work_dir)
    if checkpoint:
        return f'{checkpoint} is kept; go on with --resume --work-dir {work_dir}'
    return f'no checkpoint yet; the log is kept in {work_dir}; start the command again'


def one_training_in(config: Config) -> AbstractContextManager[None]:
    """Lock the work dir for the main process of a training; the others belong to it.

    Raises:
        InputError: If another training has it.
    """
    rank = os.environ.get(RANKS.get(config.launcher, ''), '0')
    if rank != '0':
        return nullcontext()
    return lock(Path(config.work_dir, LOCK), f'work dir {config.work_dir}')


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
    if args.resume and 'load_from' not in (args.cfg_options or {}):
        hook = (config.get('default_hooks') or {}).get('checkpoint') or {}
        if has_checkpoint(config.work_dir, hook):
            config.load_from = None  # or mmengine would resume from that file
        else:
            config.resume = False  # nothing to resume: begin, from load_from
    check_optimizer(config)
    for note in settle_labels(config, 'train_dataloader', 'val_dataloader'):
        print_log(note)
    check_datasets(config, 'train_dataloader', 'val_dataloader')
    if not torch.cuda.is_available():
        keep_freed_memory()
    with one_training_in(config), on_interrupt(partial(kept_by, config.work_dir)):
        runner = RUNNERS.build(config)
        if isinstance(runner.model, nn.Module):  # FlexibleRunner builds it later
            check_start(runner)
            check_pretrained(network_of(runner), config.model)
        register_checks(runner)
        runner.train()
