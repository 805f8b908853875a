"""A chain of trainings and other tools, stage by stage, that goes on where it was stopped."""

import argparse
import ctypes
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

from mmengine.config import Config

from .. import compat
from ..errors import InputError
from ..safe_config.reader import read_data
from ..utils.atomic_io import replacing
from ..utils.json_files import read_json
from ..utils.signals import Terminated

STATE = 'state.json'
DEATH_SIGNAL = 1  # of Linux's prctl: what a process gets when its parent has ended
PATIENCE = 5  # seconds for a stage to end by itself


def start(command: list[str]) -> int:
    """Run a program and return its exit status; what ends this process ends it, too."""
    call = getattr(ctypes.CDLL(None), 'prctl', None) if os.name == 'posix' else None
    arguments = dict(preexec_fn=lambda: call(DEATH_SIGNAL, signal.SIGTERM)) if call else {}
    with subprocess.Popen(command, **arguments) as process:
        try:
            return process.wait()
        except KeyboardInterrupt as error:
            if isinstance(error, Terminated):
                process.terminate()
            try:  # Ctrl-C the program has too, unless it was sent to this process
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.terminate()
            raise


def cpu_seconds() -> float:
    """CPU time of the finished processes that this one started, and of theirs."""
    times = os.times()
    return times.children_user + times.children_system


def leaves(value: object, name: str = '') -> Iterator[tuple[str, object]]:
    """The settings in a config, each by its name as in ``--cfg-options``."""
    if not (isinstance(value, dict | list | tuple) and value):
        yield name, value
        return
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        yield from leaves(item, f'{name}.{key}' if name else str(key))


def refuse_changes(path: Path, old: dict, new: dict) -> None:
    """Raise an ``InputError`` for the first setting in which ``new`` differs from the file."""
    old, new = dict(leaves(old)), dict(leaves(new))
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            raise InputError(
                f'{path}: the chain began with {name}={old.get(name)!r}, now it is '
                f'{new.get(name)!r}; choose another --work-dir'
            )


def read_state(path: Path) -> dict:
    """The state of a chain.

    Raises:
        InputError: If it is none.
    """
    state = read_json(path)
    try:
        is_state = isinstance(state['options'], dict) and all(
            isinstance(record['finished'], bool)
            and isinstance(record['seconds'] + record['cpu_seconds'], int | float)
            for record in state['stages'].values()
        )
    except (AttributeError, LookupError, TypeError):
        is_state = False
    if not is_state:
        raise InputError(f'{path}: no state of a chain; choose another --work-dir')
    return state


class Chain:
    """The stages in a folder; processes of their own give each a fresh start.

    ``state.json`` holds the options and, of each stage begun, the time and whether it is finished;
    ``{stage}.py`` is the whole config of a training.

    Args:
        folder: Where everything goes.
        args: Arguments of the tool.

    Raises:
        InputError: If the folder holds a chain with other options.
    """

    def __init__(self, folder: Path, args: argparse.Namespace) -> None:
        self.folder = folder
        self.best = args.best
        self.launch = [sys.executable]
        flags = ('safe_config', 'allow_download')
        self.common = [f'--{flag.replace("_", "-")}' for flag in flags if getattr(args, flag)]
        if args.processes > 1:
            self.launch += ['-m', 'torch.distributed.run', '--standalone']
            self.launch += ['--local-addr', '127.0.0.1', '--nproc-per-node', str(args.processes)]
            self.common += ['--launcher', 'pytorch']
        options = dict(
            pretrain=bool(args.pretrain),
            best=args.best,
            processes=args.processes,
            pseudo_options=' '.join(args.pseudo_options),
            from_teacher=args.from_teacher or None,
        )
        self.state = dict(options=options, stages={})
        path = folder / STATE
        if path.is_file():
            self.state = read_state(path)
            refuse_changes(path, self.state['options'], options)
        self.write()

    def write(self) -> None:
        with replacing(self.folder / STATE) as temporary:
            temporary.write_text(json.dumps(self.state, indent=1) + '\n')

    def write_config(self, stage: str, config: Config) -> None:
        """Write the config of a training; one that is there is compared as data and never run.

        Raises:
            InputError: If the chain began with another one, or it holds more than data.
        """
        path = self.folder / f'{stage}.py'
        if not path.is_file():
            with replacing(path) as temporary:
                temporary.write_text(config.pretty_text)
        else:
            refuse_changes(path, read_data(path)[0], config.to_dict())

    def run(self, stage: str, name: str, arguments: list[str]) -> None:
        """Run a tool as a stage, unless that is finished.

        Args:
            stage: Name of the stage.
            name: File name of the tool.
            arguments: Those of this stage alone.

        Raises:
            InputError: If the tool fails.
        """
        record = dict(finished=False, seconds=0.0, cpu_seconds=0.0)
        record = self.state['stages'].setdefault(stage, record)
        if record['finished']:
            print(f'{stage}: finished', flush=True)
            return
        print(f'{stage}: tools/{name} {shlex.join(arguments)}', flush=True)
        path = compat.PACKAGE_ROOT / '.mim/tools' / name
        begin, cpu_begin = time.perf_counter(), cpu_seconds()
        try:
            status = start([*self.launch, str(path), *arguments, *self.common])
            record['finished'] = status == 0
        finally:
            record['seconds'] += time.perf_counter() - begin
            record['cpu_seconds'] += cpu_seconds() - cpu_begin
            self.write()
        if status:
            raise InputError(
                f'{stage}: tools/{name} ended with status {status}, for the reason above; the same '
                'command goes on from here'
            )

    def train(self, stage: str) -> str:
        """Train, or go on with a training that was stopped.

        Args:
            stage: Name of the stage, which has a config.

        Returns:
            Its checkpoint: the last one, as the best one is chosen on the images that the result
            is measured on; or, with ``--best``, that one if the config keeps it. Where
            ``EMAHook`` runs, both hold the averaged weights.

        Raises:
            InputError: If the tool fails or saves nothing.
        """
        work_dir = self.folder / stage
        last = work_dir / 'last_checkpoint'
        arguments = [str(self.folder / f'{stage}.py'), '--work-dir', str(work_dir)]
        self.run(stage, 'train.py', [*arguments, '--resume'])
        best = sorted(work_dir.glob('best_mIoU_*.pth')) if self.best else []
        if best:
            return str(best[-1])
        if not last.is_file():
            raise InputError(f'{work_dir}: the training has saved no checkpoint')
        return last.read_text().strip()


def move_labels(config: Config, folder: Path) -> Config:
    """A copy of a student's config whose pseudo labels lie in another folder.

    Args:
        config: Its variable ``pseudo_labels`` is the folder of the labels, with which
            ``data_prefix.seg_map_path`` of the data sets that have such labels begins.
        folder: The folder to take instead.

    Raises:
        InputError: If there is no such variable or data set.
    """
    config = deepcopy(config)
    old = config.get('pseudo_labels')
    datasets = config.train_dataloader.dataset.get('datasets', [])
    prefixes = [dataset.get('data_prefix', {}) for dataset in datasets]
    prefixes = [
        prefix
        for prefix in prefixes
        if old and Path(prefix.get('seg_map_path', '')).is_relative_to(old)
    ]
    if not prefixes:
        raise InputError(
            f'{config.filename}: expected a variable pseudo_labels, a folder, and below it '
            'data_prefix.seg_map_path of one of train_dataloader.dataset.datasets; '
            f'got pseudo_labels={old!r}'
        )
    for prefix in prefixes:
        prefix.seg_map_path = str(folder / Path(prefix.seg_map_path).relative_to(old))
    config.pseudo_labels = str(folder)
    return config
