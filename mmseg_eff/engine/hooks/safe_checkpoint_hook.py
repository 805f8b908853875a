"""Hook that saves checkpoints atomically: a kill, a full disk or a power cut loses none."""

import re
import stat
from collections import deque
from pathlib import Path, PurePosixPath, PureWindowsPath

from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from ...errors import InputError, OutputError
from ...utils.atomic_io import remove_leftovers, replacing
from ..checkpoints import LAST, damage, is_step, number_in, pattern_of
from ..differences import shorten
from .resume_check_hook import ResumeCheckHook

BACKEND = dict(backend='safe_checkpoint')


@register_backend(BACKEND['backend'])
class SafeCheckpointBackend(LocalBackend):
    """Local files, with atomic writes of checkpoints by ``put``."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write to a temporary name, read back, wait for the disk, rename.

        Args:
            obj: What ``torch.save`` made.
            filepath: The checkpoint, which stays as it was if anything fails.

        Raises:
            OutputError: If the file cannot be written.
            InputError: If it cannot be read back.
        """
        path = Path(filepath)
        try:
            with replacing(path, durable=True) as temporary:
                temporary.write_bytes(obj)
                if reason := damage(temporary):
                    raise InputError(f'{path}: not saved, since read back it is {reason}')
        except OutputError as error:
            raise OutputError(f'{error}; earlier checkpoints are untouched') from error


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """mmengine's ``CheckpointHook``, with the same arguments, that never loses a checkpoint.

    - A file gets its name when it is complete, was read back and is on the disk.
    - An older checkpoint is removed after the new one and ``last_checkpoint`` are written;
      mmengine's hook removes it first. So the disk needs room for ``max_keep_ckpts + 1``.
    - The next start removes what a kill has left: temporary files and outdated checkpoints, except
      best ones.
    - It removes only files in its own folder that match its names and have the mark of this
      training, whatever the checkpoint resumed from says; see ``ResumeCheckHook``, which it calls.
    - A training does not resume from a damaged file; the error names one that is complete.

    It writes to local folders only. Copies by ``published_keys`` are mmengine's.
    """

    backend_args: dict | None
    keep_ckpt_ids: deque[int]

    def before_run(self, runner: Runner) -> None:
        """Choose and check the checkpoint to resume from, before anything of it is loaded.

        Raises:
            InputError: See ``ResumeCheckHook``.
        """
        self.check = ResumeCheckHook()
        self.written: set[str] = set()  # by this process: no need to look for the mark
        self.check.before_run(runner)

    def before_train(self, runner: Runner) -> None:
        """Set the backend; remove what killed trainings have left.

        Raises:
            ValueError: If checkpoints are not to be saved to a local folder.
        """
        is_remote = '://' in str(self.out_dir) or self.file_client_args is not None
        if is_remote or self.backend_args not in (None, BACKEND):
            raise ValueError(
                'SafeCheckpointHook writes to a local folder, without backend_args and '
                f'file_client_args; got out_dir={self.out_dir!r}, '
                f'backend_args={self.backend_args}, file_client_args={self.file_client_args}'
            )
        if number_in(self.filename_tmpl.format(1), self.filename_tmpl) != 1 or not is_name(
            self.filename_tmpl
        ):
            raise ValueError(
                "filename_tmpl must be a file's name with one {}, such as 'iter_{}.pth', got "
                f'{self.filename_tmpl!r}'
            )
        self.backend_args = BACKEND
        outdated = self.drop_outdated(runner.message_hub.runtime_info)
        super().before_train(runner)
        self.take_over_best(runner)
        if is_main_process():
            for folder in {runner.work_dir, self.out_dir}:
                remove_leftovers(Path(folder))
            for step in outdated:
                self.remove(self.filename_tmpl.format(step))
        self.check.before_train(runner)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Mark a checkpoint as one of this training."""
        self.check.before_save_checkpoint(runner, checkpoint)

    def drop_outdated(self, info: dict) -> list[int]:
        """Remove the excess steps from ``keep_ckpt_ids``: mmengine would delete their files.

        Returns:
            Those steps. Values that are no steps are dropped.
        """
        if self.max_keep_ckpts <= 0 or 'keep_ckpt_ids' not in info:
            return []
        steps = info['keep_ckpt_ids']
        steps = [step for step in steps if is_step(step)] if isinstance(steps, list) else []
        info['keep_ckpt_ids'] = steps[-self.max_keep_ckpts :]
        return steps[: -self.max_keep_ckpts]

    def take_over_best(self, runner: Runner) -> None:
        """Keep the best checkpoints of the resumed run that are in this folder, by their names.

        mmengine removes and publishes the files that the message hub names, wherever they are.
        """
        info = runner.message_hub.runtime_info
        for key in [key for key in info if re.match('best_ckpt|last_ckpt$', str(key))]:
            name, old = last_part(info[key]), info[key]
            info[key] = str(Path(self.out_dir, name)) if self.is_own(name) else None
            if old and info[key] is None and key != 'last_ckpt':
                print_log(
                    f'the best checkpoint that the run resumed names, {shorten(old)}, is none of '
                    f'its own in {self.out_dir} and stays as it is',
                    logger='current',
                )
        if not self.save_best:
            return
        if len(self.key_indicators) == 1:
            self.best_ckpt_path = info.get('best_ckpt')
        else:
            keys = self.key_indicators
            self.best_ckpt_path_dict = {key: info.get(f'best_ckpt_{key}') for key in keys}

    def is_own(self, name: str) -> bool:
        """Whether a file in the folder is a checkpoint of this training, by its name and mark."""
        if not is_name(name) or not re.fullmatch(
            f'(best_.+_)?{pattern_of(self.filename_tmpl)}', name
        ):
            return False
        path = Path(self.out_dir, name)
        try:
            is_file = stat.S_ISREG(path.lstat().st_mode)
        except (OSError, ValueError):  # the latter for a name with a null
            return False
        return is_file and (name in self.written or self.check.mark_of(path) == self.check.run)

    def remove(self, name: str) -> None:
        """Remove a checkpoint of this training; anything else stays."""
        if self.is_own(name):
            Path(self.out_dir, name).unlink(missing_ok=True)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        """Save a checkpoint, then ``last_checkpoint``, and then remove the oldest ones."""
        outdated: list[int] = []
        if self.max_keep_ckpts > 0:
            kept = [other for other in self.keep_ckpt_ids if other != step] + [step]
            # Includes one too many: the next start removes it if this process is killed before.
            runner.message_hub.update_info('keep_ckpt_ids', kept)
            outdated = kept[: -self.max_keep_ckpts]
            self.keep_ckpt_ids = deque(kept, self.max_keep_ckpts)
        name = self.filename_tmpl.format(step)
        self.last_ckpt = self.file_backend.join_path(self.out_dir, name)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        runner.save_checkpoint(
            self.out_dir,
            name,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )
        if is_main_process():
            self.written.add(name)
            with replacing(Path(runner.work_dir, LAST), durable=True) as temporary:
                temporary.write_text(self.last_ckpt)
            for other in outdated:
                self.remove(self.filename_tmpl.format(other))

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        """Save the best checkpoint as mmengine does, but remove its predecessor afterwards."""
        if not self.save_best:
            return
        outdated: list[str] = []
        self.file_backend.remove = outdated.append  # mmengine's code removes before it writes
        self.file_backend.rmtree = outdated.append
        super()._save_best_checkpoint(runner, metrics)
        del self.file_backend.remove, self.file_backend.rmtree
        best = {getattr(self, 'best_ckpt_path', None)}
        best.update(getattr(self, 'best_ckpt_path_dict', {}).values())
        self.written.update(Path(path).name for path in best if path)
        for path in set(outdated) - best:
            self.remove(Path(path).name)

    def _publish_model(self, runner: Runner, ckpt_path: str | None) -> None:
        """Publish a checkpoint, if there is one."""
        if ckpt_path:
            super()._publish_model(runner, ckpt_path)


def last_part(path: object) -> str:
    """The file name in a path of any operating system; empty for anything but text."""
    return PureWindowsPath(PurePosixPath(path).name).name if isinstance(path, str) else ''


def is_name(text: str) -> bool:
    """Whether a text names a file directly in a folder."""
    return text not in ('', '.', '..') and last_part(text) == text
