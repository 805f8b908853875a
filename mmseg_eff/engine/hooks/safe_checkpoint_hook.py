"""Checkpoints that a kill, a full disk or a power cut cannot take away."""

from collections import deque
from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner, find_latest_checkpoint
from mmseg.registry import HOOKS

from ...errors import InputError
from ...files import check_regular, remove_leftovers, replacing
from ...reading import read_pth, reason_of

BACKEND = dict(backend='safe_checkpoint')


def damage(path: Path) -> str:
    """What is wrong with a checkpoint; empty if nothing is.

    Reads all of it: ``torch.save`` keeps a CRC-32 of each tensor, which ``torch.load`` ignores.
    """
    try:
        check_regular(path)
        read_pth(path, mmap=True)
    except FileNotFoundError:
        return 'there is no such file'
    except InputError as error:  # no regular file
        return str(error).removeprefix(f'{path}: ')
    except Exception as error:  # damage can make the reader raise anything
        return f'{reason_of(error)} ({path.stat().st_size} bytes)'
    return ''


@register_backend(BACKEND['backend'])
class SafeCheckpointBackend(LocalBackend):
    """Local files, of which ``put`` writes a checkpoint as a whole or not at all."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write to a temporary name, read back, wait for the disk, rename.

        Args:
            obj: What ``torch.save`` made.
            filepath: The checkpoint, which stays as it was if anything fails.

        Raises:
            InputError: If the file cannot be written, or not be read back.
        """
        path = Path(filepath)
        try:
            with replacing(path, durable=True) as temporary:
                temporary.write_bytes(obj)
                if reason := damage(temporary):
                    raise InputError(f'{path}: not saved, since read back it is {reason}')
        except OSError as error:
            raise InputError(
                f'{path}: cannot be written ({error.strerror}); earlier checkpoints are untouched'
            ) from error


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """mmengine's ``CheckpointHook``, with the same arguments, that never loses what it has.

    - A file gets its name when it is complete, was read back and is on the disk.
    - An older checkpoint goes after the new one and ``last_checkpoint`` stand; mmengine's hook
      removes it first. So there is room needed for ``max_keep_ckpts + 1``.
    - What a kill leaves over goes at the next start: temporary files, and a checkpoint that was
      about to go; only a best one stays.
    - A training does not resume from a damaged file; the error names one that is whole.

    It writes to local folders only. Copies by ``published_keys`` are mmengine's.
    """

    def before_run(self, runner: Runner) -> None:
        """Check the checkpoint to resume from, before anything of it is loaded.

        Raises:
            InputError: If it is missing or damaged.
        """
        if not runner._resume:
            return
        found = runner._load_from or find_latest_checkpoint(runner.work_dir)
        if found is None or '://' in str(found):
            return
        path = Path(found or Path(runner.work_dir, 'last_checkpoint'))  # which may be empty
        if not (reason := damage(path)):
            return
        others = path.parent.glob(self.filename_tmpl.format('*'))
        others = sorted(others, key=lambda other: other.stat().st_mtime, reverse=True)
        whole = next((str(other) for other in others if other != path and not damage(other)), None)
        advice = f'load_from={whole} is whole' if whole else f'{path.parent} has no other whole one'
        raise InputError(f'{path}: cannot be resumed from, {reason}; {advice}')

    def before_train(self, runner: Runner) -> None:
        """Choose the backend; remove what killed trainings left over.

        Raises:
            ValueError: If checkpoints are to go elsewhere than into a local folder.
        """
        is_remote = '://' in str(self.out_dir) or self.file_client_args is not None
        if is_remote or self.backend_args not in (None, BACKEND):
            raise ValueError(
                'SafeCheckpointHook writes to a local folder, without backend_args and '
                f'file_client_args; got out_dir={self.out_dir!r}, '
                f'backend_args={self.backend_args}, file_client_args={self.file_client_args}'
            )
        self.backend_args = BACKEND
        super().before_train(runner)
        if is_main_process():
            for folder in {runner.work_dir, self.out_dir}:
                remove_leftovers(Path(folder))

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        """Save a checkpoint, then ``last_checkpoint``, and then remove those that are too many."""
        outdated = []
        if self.max_keep_ckpts > 0:
            kept = [other for other in self.keep_ckpt_ids if other != step] + [step]
            # With one too many: mmengine removes it at the next start, if a kill comes before us.
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
            with replacing(Path(runner.work_dir, 'last_checkpoint'), durable=True) as temporary:
                temporary.write_text(self.last_ckpt)
            for other in outdated:
                Path(self.out_dir, self.filename_tmpl.format(other)).unlink(missing_ok=True)

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        """Save the best checkpoint as mmengine does, but remove its predecessor afterwards."""
        if not self.save_best:
            return
        outdated = []
        self.file_backend.remove = outdated.append  # mmengine's code removes before it writes
        super()._save_best_checkpoint(runner, metrics)
        del self.file_backend.remove
        best = {getattr(self, 'best_ckpt_path', None)}
        best.update(getattr(self, 'best_ckpt_path_dict', {}).values())
        for path in set(outdated) - best:
            self.file_backend.remove(path)
