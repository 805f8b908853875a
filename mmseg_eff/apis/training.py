"""Train the network of a config, with checks of data, weights and settings before."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.logging import print_log
from torch import nn

from ..config.load import as_config
from ..config.run_settings import prepare_run
from ..dataset_check.listing import hand_over
from ..dataset_check.sample import check_datasets
from ..dataset_check.settle_labels import settle_labels
from ..engine.isolated_run import isolated_run
from ..engine.runner import network_of, register_checks
from ..engine.start_log import build_runner
from ..training.first_lines import first_lines
from ..training.memory import keep_freed_memory
from ..training.outcome import best_checkpoint, last_checkpoint, last_metrics
from ..training.resume import set_resume
from ..training.start_checks import check_optimizer, check_pretrained, check_start
from ..training.work_dir import kept_by, one_training_in
from ..utils.user_errors import on_interrupt

LOADERS = ('train_dataloader', 'val_dataloader')


@dataclass(frozen=True)
class Training:
    """What a training has left.

    Attributes:
        work_dir: Folder of its logs and checkpoints.
        last_checkpoint: Its last checkpoint; ``None`` if it saved none.
        best_checkpoint: That of its best validation, by the first metric of ``save_best``; ``None``
            where the config keeps none.
        metrics: Metrics of its last validation by name, such as ``mIoU`` in percent; empty without
            a validation.
    """

    work_dir: Path
    last_checkpoint: Path | None
    best_checkpoint: Path | None
    metrics: dict[str, float]


def train(
    config: str | Path | Config,
    *,
    work_dir: str | Path | None = None,
    resume: bool | str | Path = False,
    amp: bool = False,
    launcher: str = 'none',
    local_rank: int = 0,
    deterministic: bool = False,
    options: Mapping[str, object] | None = None,
    log_setup: bool = False,
) -> Training:
    """Train the network of a config, as ``mmseg-eff train`` does.

    Before the first iteration, datasets, weights and settings are checked against each other. The
    log goes to stdout and into the work dir. One process may train several times in turn; on a CPU
    it keeps its memory for the next step, and so for the next training.

    Args:
        config: Config, its file, ``mmseg_eff::espnet/….py``, or the bare name of a config. It is
            left as it is.
        work_dir: Folder of logs and checkpoints; the config's, or ``work_dirs/NAME``.
        resume: Go on from the last checkpoint in the work dir, where there is one, or from the
            checkpoint of this path. The config's ``load_from`` then matters to a beginning only.
        amp: Mixed precision; needs a GPU.
        launcher: What has started several processes: ``'pytorch'``, ``'slurm'`` or ``'mpi'``.
        local_rank: Index of this process on its machine, unless ``LOCAL_RANK`` is set.
        deterministic: Equal runs on equal machines, from the config's seed or from 0.
        options: Settings of the config to override, by dotted key.
        log_setup: Log environment, config and hooks as mmengine does. Without it, the log begins
            with data, network, weights, length, device and folder.

    Returns:
        Where the checkpoints are, and the metrics of the last validation.

    Raises:
        InputError: If the config, a dataset, or weights to begin with are wrong or do not fit each
            other; or if another training has the work dir.

    Example:
        >>> training = mmseg_eff.train('mmseg_eff::espnet/….py', work_dir='work', resume=True)
        >>> training.metrics['mIoU'], training.last_checkpoint
    """
    settings = as_config(config, options)
    prepare_run(
        settings, work_dir, launcher=launcher, local_rank=local_rank, deterministic=deterministic
    )
    if amp:
        settings.optim_wrapper.update(type='AmpOptimWrapper', loss_scale='dynamic')
    set_resume(settings, resume)
    check_optimizer(settings)
    notes = settle_labels(settings, *LOADERS)
    datasets = check_datasets(settings, *LOADERS)
    if not torch.cuda.is_available():
        keep_freed_memory()
    kept = partial(kept_by, settings.work_dir)
    with one_training_in(settings), on_interrupt(kept), isolated_run():
        runner = build_runner(settings, log_setup=log_setup)
        begins = []
        if isinstance(runner.model, nn.Module):  # FlexibleRunner builds it later
            begins = check_start(runner)
        print_log(first_lines(runner, datasets, begins), logger='current')
        for note in notes:
            print_log(note, logger='current')
        while datasets:  # which need much memory if they are large
            hand_over(runner, *datasets.popitem())
        if isinstance(runner.model, nn.Module):
            check_pretrained(network_of(runner), settings.model)
        register_checks(runner)
        runner.train()
        return Training(
            work_dir=Path(settings.work_dir),
            last_checkpoint=last_checkpoint(runner),
            best_checkpoint=best_checkpoint(runner),
            metrics=last_metrics(runner),
        )
