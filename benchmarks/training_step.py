"""What the fast training step saves on a CPU, data loader included:

    python benchmarks/training_step.py CONFIG [--batch-size 4] [--crop-size 352 480]

Two processes train the same network on the same batches from the same weights, in turn: a plain one
(NCHW, ``nn.PReLU``, the C library's own memory management) and a fast one (channels-last, the
``PReLU`` of this package, freed memory kept). Prints the images a second of both and the largest
relative difference of the first losses, which rounding grows into step by step: with ``--double``
they say whether the mathematics is the same. ``--against CHECKOUT`` adds a third process, the fast
one of another checkout of this repository, with its own file CONFIG. ``--profile`` prints the
operators of a fast step.
"""

import argparse
import logging
import multiprocessing
import statistics
import sys
from multiprocessing.connection import Connection
from pathlib import Path

import torch
from mmengine.config import Config, DictAction
from mmengine.model import revert_sync_batchnorm
from mmengine.runner import Runner
from timing import seconds_of
from torch import nn

from mmseg_eff.engine.hooks.channels_last_hook import ChannelsLastHook
from mmseg_eff.models.layers import PReLU
from mmseg_eff.training.memory import keep_freed_memory
from mmseg_eff.utils.printing import quiet_warnings  # first: stock mmseg needs it

from mmengine.optim import build_optim_wrapper  # isort: skip
from mmengine.registry import init_default_scope  # isort: skip
from mmseg.registry import MODELS  # isort: skip


def read_config(args: argparse.Namespace) -> Config:
    """The config with one crop size and batch size, and random weights unless others are wanted."""
    config = Config.fromfile(args.config)
    config.merge_from_dict(args.cfg_options or {})
    config.train_dataloader.batch_size = args.batch_size
    for step in config.train_dataloader.dataset.pipeline:
        if step.type == 'RandomCrop':
            step.crop_size = tuple(args.crop_size)
    preprocessor = config.model.data_preprocessor
    preprocessor.pop('batch_sizes', None)
    if 'size' in preprocessor:
        preprocessor.size = tuple(args.crop_size)
    if not args.pretrained:
        config.model.backbone.init_cfg = None
    return config


class Training:
    """A training as the runner does it, without hooks."""

    def __init__(self, args: argparse.Namespace, is_fast: bool) -> None:
        init_default_scope('mmseg')
        torch.set_num_threads(args.threads)
        torch.manual_seed(0)
        config = read_config(args)
        model = revert_sync_batchnorm(MODELS.build(config.model)).train()
        model.init_weights()
        if is_fast:
            keep_freed_memory()
            ChannelsLastHook.convert(model)
        else:
            for module in model.modules():
                if isinstance(module, PReLU):
                    module.__class__ = nn.PReLU
        if args.double:
            model.double()
            model.data_preprocessor.register_forward_hook(batch_to_double)
        loader = Runner.build_dataloader(config.train_dataloader, seed=0)
        self.model, self.batches = model, iter(loader)
        self.optim_wrapper = build_optim_wrapper(model, config.optim_wrapper)
        self.losses = []

    def step(self) -> None:
        """Train on the next batch."""
        log = self.model.train_step(next(self.batches), self.optim_wrapper)
        self.losses.append(log['loss'].item())


def batch_to_double(module: nn.Module, args: tuple, batch: dict) -> dict:
    """Forward hook of a data preprocessor: ``batch['inputs']`` in double precision."""
    return {**batch, 'inputs': batch['inputs'].double()}


def work(pipe: Connection, args: argparse.Namespace, is_fast: bool) -> None:
    """Train as many steps as received and send their seconds; at 0, send the losses."""
    quiet_warnings()
    logging.disable(logging.INFO)  # mmengine's, of every parameter
    training = Training(args, is_fast)
    while count := pipe.recv():
        pipe.send([seconds_of(training.step) for _ in range(count)])
    pipe.send(training.losses)
    if is_fast and args.profile:
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            training.step()
        print(profile.key_averages().table('self_cpu_time_total', row_limit=12))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    parser.add_argument('--batch-size', type=int, default=4)
    parser.add_argument('--crop-size', type=int, nargs=2, default=(352, 480), metavar=('H', 'W'))
    parser.add_argument('--repeats', type=int, default=8, help='turns of each')
    parser.add_argument('--steps', type=int, default=3, help='in a turn')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument(
        '--pretrained', action='store_true', help="begin with the config's weights of the backbone"
    )
    parser.add_argument('--double', action='store_true')
    parser.add_argument('--profile', action='store_true')
    parser.add_argument('--against', metavar='CHECKOUT', help='folder of an earlier version')
    args = parser.parse_args()

    names = ['plain', 'fast'] if args.against is None else ['plain', 'against', 'fast']
    context = multiprocessing.get_context('spawn')
    pipes = {}
    for name in names:
        pipes[name], end = context.Pipe()
        path, config = list(sys.path), args.config
        if name == 'against':  # a spawned process takes over the path, and imports anew
            sys.path.insert(0, args.against)
            args.config = str(Path(args.against, config))
        context.Process(target=work, args=(end, args, name != 'plain')).start()
        args.config = config
        sys.path[:] = path
    seconds = {name: [] for name in names}
    for turn in range(args.repeats):
        for name, pipe in pipes.items():
            pipe.send(args.steps)
            turn_seconds = pipe.recv()
            if turn:  # the first warms up
                seconds[name] += turn_seconds
    losses = {}
    for name, pipe in pipes.items():
        pipe.send(0)
        losses[name] = pipe.recv()
    rates = {name: args.batch_size / statistics.median(seconds[name]) for name in names}
    for name in names[:-1]:
        ratio = rates['fast'] / rates[name]
        print(f'{name} {rates[name]:.2f}, fast {rates["fast"]:.2f} images a second: {ratio:.2f}')
        pairs = list(zip(losses[name], losses['fast'], strict=True))
        for count in (1, min(20, len(pairs))):
            difference = max(abs(a - b) / abs(a) for a, b in pairs[:count])
            print(f'  first {count} losses: largest relative difference {difference:.1e}')


if __name__ == '__main__':
    main()
