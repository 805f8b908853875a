"""Train a model from its config, as mmseg's own ``tools/train.py`` does, with checks before it."""

import argparse
from functools import partial

import torch
from mmengine.logging import print_log
from mmseg.registry import RUNNERS
from torch import nn

from ..dataset_check.build import check_datasets
from ..dataset_check.settle_labels import settle_labels
from ..engine import register_checks
from ..engine.checkpoints import has_checkpoint
from ..engine.runner import network_of
from ..training.memory import keep_freed_memory
from ..training.start_checks import check_optimizer, check_pretrained, check_start
from ..training.work_dir import kept_by, one_training_in
from ..utils.user_errors import on_interrupt
from ._arguments import ToolParser
from ._cli import add_runner_arguments, command, read_runner_config_of


def add_arguments(parser: ToolParser) -> None:
    """Add the arguments of ``mmseg-eff train``."""
    add_runner_arguments(parser)
    parser.add_argument(
        '--resume', action='store_true', help='go on from the last checkpoint in the work dir'
    )
    parser.add_argument('--amp', action='store_true', help='mixed precision (needs a GPU)')


@command(add_arguments)
def main(args: argparse.Namespace) -> None:
    """Parse the arguments of ``tools/train.py`` and train."""
    config = read_runner_config_of(args)
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
