"""Lock the work dir of a training, and say what an interrupted one leaves."""

import os
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from mmengine.config import Config

from ..engine.checkpoints import named_by
from ..utils.atomic_io import lock

LOCK = '.lock'

RANKS = dict(pytorch='RANK', slurm='SLURM_PROCID', mpi='OMPI_COMM_WORLD_RANK')  # by launcher


def kept_by(work_dir: str | Path) -> str:
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
