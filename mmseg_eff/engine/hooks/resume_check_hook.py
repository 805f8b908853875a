"""Find the checkpoint to resume from, and compare it with the settings of the training."""

import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from ...errors import InputError
from ..checkpoints import (
    find_checkpoint,
    is_step,
    meta_of,
    places_of,
    read_whole,
    saved_in,
)
from ..differences import compare, is_known, state_differences
from ..fingerprint import fingerprint
from .run_record_hook import data_record

RUN, FINGERPRINT = 'run', 'fingerprint'  # keys of a checkpoint's meta
LEVELS = dict(warning=logging.WARNING, note=logging.INFO)
DIGITS = 16  # of a hash
SHOWN = 3  # names of checkpoints in a line


@HOOKS.register_module()
class ResumeCheckHook(Hook):
    """Find the checkpoint that a training resumes from, and compare the training with it.

    Each checkpoint gets ``meta['fingerprint']``, with what must be equal, and ``meta['run']``, a
    mark that all checkpoints of a training have, those after a resumption, too. A training that
    resumes is compared with its checkpoint: ``differences.TABLE`` says what is an error. The last
    line before the first iteration says where the training begins.

    ``SafeCheckpointHook`` includes it; ``SegRunner`` and ``tools/train.py`` register it otherwise.
    """

    priority = 'VERY_LOW'  # after EMAHook has made its average

    def __init__(self) -> None:
        self.run = os.urandom(8).hex()
        self.source: Path | None = None  # what the training goes on from
        self.source_mark: object = None  # of that checkpoint
        self.fingerprint: dict[str, object] = {}
        self.data: dict[str, object] = {}

    def before_run(self, runner: Runner) -> None:
        """Choose the checkpoint and compare, before anything of it is loaded.

        Raises:
            InputError: If the checkpoint is damaged, or the training cannot go on from it.
        """
        self.folders, template = places_of(runner)
        self.saved = [path.name for path in saved_in(self.folders, template)]
        if not runner._resume or isinstance(runner._resume, str) or '://' in str(runner._load_from):
            return  # a path is FlexibleRunner's
        if runner._load_from is None:
            found = find_checkpoint(runner.work_dir, self.folders, template)
        else:
            found = read_whole(Path(runner._load_from), self.folders, template)
        if found is None:
            runner._resume = False  # mmengine would look for itself
            return
        self.source = found.path
        runner._load_from = str(found.path)
        self.take_over(runner, found.content if isinstance(found.content, Mapping) else {})
        if hasattr(runner, 'keep_checkpoint'):  # a SegRunner; mmengine's reads again
            runner.keep_checkpoint(runner._load_from, found.content)

    def take_over(self, runner: Runner, checkpoint: Mapping) -> None:
        """Compare the runner with a checkpoint; go on under the mark of its training."""
        meta = checkpoint.get('meta')
        meta = meta if isinstance(meta, dict) else {}
        self.source_mark = meta.get(RUN)
        if not (is_step(meta.get('iter')) and is_step(meta.get('epoch'))):
            raise InputError(
                f'{self.source}: cannot be resumed from, since it does not say at which iteration '
                f'and epoch; for a new training from its weights: load_from={self.source} without '
                '--resume'
            )
        if isinstance(meta.get(RUN), str) and re.fullmatch('[0-9a-f]{16}', meta[RUN]):
            self.run = meta[RUN]
        if not isinstance(runner, Runner):
            return  # FlexibleRunner, which has built nothing yet
        new = {**fingerprint(runner), **self.data_of(runner)}
        if runner._randomness_cfg.get('seed') is None:  # mmengine takes the checkpoint's
            del new['seed']
        old = meta.get(FINGERPRINT)
        found = [*state_differences(runner, checkpoint), *compare(old, new)]
        if errors := [str(item) for item in found if item.row.level == 'error']:
            raise InputError(
                f'{self.source}: cannot be resumed from by this config: {"; ".join(errors)}. '
                'Resume with the settings of before, or begin a training from its weights, '
                f'without --resume and in another work dir: load_from={self.source}'
            )
        if not is_known(old):
            text = 'has no fingerprint of this version: only its states are compared'
            print_log(f'{self.source}: {text}', logger='current')
        for item in found:
            print_log(f'{self.source}: {item}', logger='current', level=LEVELS[item.row.level])

    def before_train(self, runner: Runner) -> None:
        """Take the fingerprint, now that what is resumed is loaded, and say where it begins."""
        if isinstance(runner, Runner):
            self.fingerprint = {**fingerprint(runner), **self.data_of(runner)}
        self.announce(runner)

    def announce(self, runner: Runner) -> None:
        """The last line before the first iteration."""
        if self.source or runner.iter:
            text = f'training goes on from {self.source or "a checkpoint"}, at iteration '
            print_log(f'{text}{runner.iter}', logger='current')
            return
        begin = 'training begins at iteration 0'
        if runner._load_from:
            begin += f', with weights of {runner._load_from}'
        folder = self.folders[0]
        if not self.saved:
            print_log(f'no checkpoint in {folder}: {begin}', logger='current')
            return
        names = ', '.join(self.saved[:SHOWN]) + ', …' * (len(self.saved) > SHOWN)
        print_log(
            f'{folder} holds {names} of another training, which this one will replace where names '
            f'are equal (--resume goes on from there): {begin}',
            logger='current',
            level=logging.WARNING,
        )

    def data_of(self, runner: Runner) -> dict[str, object]:
        """``data_record`` of the training data, as an item; in the main process alone."""
        if not self.data and is_main_process():
            record = data_record(runner.train_loop.dataloader.dataset)
            self.data = dict(data=record and {**record, 'hash': record['hash'][:DIGITS]})
        return self.data

    def mark_of(self, path: Path) -> object:
        """The mark of a checkpoint, which has been read if the training goes on from it."""
        return self.source_mark if path == self.source else meta_of(path).get(RUN)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Add mark and fingerprint."""
        checkpoint['meta'].update({RUN: self.run, FINGERPRINT: self.fingerprint})
