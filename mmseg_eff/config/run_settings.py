"""Settings that mmengine's runner needs of a config: work dir, launcher, randomness."""

import os
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import init_default_scope

from ..engine.runner import SegRunner


def prepare_run(
    config: Config,
    work_dir: str | Path | None = None,
    *,
    launcher: str = 'none',
    local_rank: int = 0,
    deterministic: bool = False,
) -> None:
    """Set what the runner needs, in place; ``SegRunner`` runs it unless it names another one.

    Args:
        config: Config of a training or a test.
        work_dir: Folder of logs and checkpoints; the config's own, or ``work_dirs/NAME``.
        launcher: ``'none'``, ``'pytorch'``, ``'slurm'`` or ``'mpi'``.
        local_rank: Index of this process on its machine, unless ``LOCAL_RANK`` is set.
        deterministic: Equal runs on equal machines, from the config's seed or from 0.
    """
    os.environ.setdefault('LOCAL_RANK', str(local_rank))
    config.setdefault('runner_type', SegRunner.__name__)
    config.launcher = launcher
    if deterministic:
        os.environ.setdefault('CUBLAS_WORKSPACE_CONFIG', ':4096:8')  # read when cuBLAS starts
        randomness = config.get('randomness', {})
        seed = randomness.get('seed') or 0
        config.randomness = {**randomness, 'seed': seed, 'deterministic': True}
    default = Path('work_dirs', Path(config.filename or 'config').stem)
    config.work_dir = str(work_dir or config.get('work_dir') or default)
    init_default_scope(config.get('default_scope', 'mmseg'))
