"""Run trainings and labelling as stages in processes of their own, resumable."""

import ctypes
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config

from .. import compat
from ..errors import InputError
from ..safe_config.reader import read_data
from ..utils.atomic_io import replacing
from ..utils.signals import Terminated
from .chain_state import read_state, refuse_changes

STATE = 'state.json'
DEATH_SIGNAL = 1  # of Linux's prctl: what a process gets when its parent has ended
PATIENCE = 5  # seconds for a stage to end by itself

OnStage = Callable[[str], None]  # takes a line for each stage


@dataclass(frozen=True)
class ChainOptions:
    """How all stages run.

    Attributes:
        pretrain: Whether there is a stage before the teacher's.
        from_teacher: Start students from the weights of their teacher.
        processes: Processes of each stage.
        best: Take the checkpoint that is best in validation instead of the last.
        pseudo_options: Command-line options of ``tools/pseudo_label.py``.
        safe_config: Read the configs as data, in every stage.
        allow_download: With ``safe_config``, fetch weights from URLs in the configs.
    """

    pretrain: bool = False
    from_teacher: bool = False
    processes: int = 1
    best: bool = False
    pseudo_options: Sequence[str] = ()
    safe_config: bool = False
    allow_download: bool = False

    def recorded(self) -> dict[str, object]:
        """The options that must not change, as ``state.json`` holds them."""
        return dict(
            pretrain=self.pretrain,
            best=self.best,
            processes=self.processes,
            pseudo_options=' '.join(self.pseudo_options),
            from_teacher=self.from_teacher or None,  # chains of earlier versions have no such key
        )

    def launch(self) -> list[str]:
        """The beginning of a stage's command, up to the tool."""
        if self.processes == 1:
            return [sys.executable]
        torchrun = ['-m', 'torch.distributed.run', '--standalone', '--local-addr', '127.0.0.1']
        return [sys.executable, *torchrun, '--nproc-per-node', str(self.processes)]

    def common(self) -> list[str]:
        """The arguments that every tool gets."""
        flags = {'--safe-config': self.safe_config, '--allow-download': self.allow_download}
        launcher = ['--launcher', 'pytorch'] if self.processes > 1 else []
        return [*(flag for flag, is_set in flags.items() if is_set), *launcher]


def start(command: list[str]) -> int:
    """Run a program and return its exit status; what ends this process ends it, too."""
    call = getattr(ctypes.CDLL(None), 'prctl', None) if os.name == 'posix' else None
    end_with_parent = (lambda: call(DEATH_SIGNAL, signal.SIGTERM)) if call else None
    with subprocess.Popen(command, preexec_fn=end_with_parent) as process:
        try:
            return process.wait()
        except KeyboardInterrupt as error:
            if isinstance(error, Terminated):
                process.terminate()
            try:  # Ctrl-C reaches the program, too, unless it was sent to this process alone
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.terminate()
            raise


def cpu_seconds() -> float:
    """CPU time of the finished processes that this one started, and of theirs."""
    times = os.times()
    return times.children_user + times.children_system


class Chain:
    """The stages in a folder; each runs in processes of its own, so it begins afresh.

    ``state.json`` holds the options and, for each stage begun, its time and whether it is finished;
    ``{stage}.py`` is the whole config of a training.

    Args:
        folder: Folder of all stages.
        options: How the stages run.
        on_stage: Called with a line as a stage begins, or is found finished.

    Raises:
        InputError: If the folder holds a chain with other options.
    """

    def __init__(self, folder: Path, options: ChainOptions, on_stage: OnStage) -> None:
        self.folder, self.options, self.on_stage = folder, options, on_stage
        self.state: dict[str, dict] = dict(options=options.recorded(), stages={})
        path = folder / STATE
        if path.is_file():
            self.state = read_state(path)
            refuse_changes(path, self.state['options'], options.recorded())
        self.write()

    def write(self) -> None:
        """Write ``state.json``."""
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
            arguments: Arguments of this stage alone.

        Raises:
            InputError: If the tool fails.
        """
        record = dict(finished=False, seconds=0.0, cpu_seconds=0.0)
        record = self.state['stages'].setdefault(stage, record)
        if record['finished']:
            self.on_stage(f'{stage}: finished')
            return
        self.on_stage(f'{stage}: tools/{name} {shlex.join(arguments)}')
        path = compat.PACKAGE_ROOT / '.mim/tools' / name
        begin, cpu_begin = time.perf_counter(), cpu_seconds()
        try:
            command = [*self.options.launch(), str(path), *arguments, *self.options.common()]
            status = start(command)
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
        """Train, or resume a training that was stopped.

        Args:
            stage: Name of the stage, which has a config.

        Returns:
            Its checkpoint: the last one, because the best one is chosen on the images that the
            result is measured on; or, with ``best``, that one if the config keeps it. Where
            ``EMAHook`` runs, both hold the averaged weights.

        Raises:
            InputError: If the tool fails or saves nothing.
        """
        work_dir = self.folder / stage
        last = work_dir / 'last_checkpoint'
        arguments = [str(self.folder / f'{stage}.py'), '--work-dir', str(work_dir)]
        self.run(stage, 'train.py', [*arguments, '--resume'])
        best = sorted(work_dir.glob('best_mIoU_*.pth')) if self.options.best else []
        if best:
            return str(best[-1])
        if not last.is_file():
            raise InputError(f'{work_dir}: the training has saved no checkpoint')
        return last.read_text().strip()
