"""Evaluate a checkpoint on the test data of a config."""

import logging
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.logging import print_log
from numpy.typing import NDArray

from ..checkpoint.io import load_weights
from ..checkpoint.preprocessing import preprocessing_differences
from ..config.load import as_config
from ..config.run_settings import prepare_run
from ..dataset_check.listing import hand_over
from ..dataset_check.sample import check_datasets
from ..dataset_check.settle_labels import settle_labels
from ..datasets.image_reader import ImageReader, inference_pipeline
from ..engine.hooks.label_files_hook import LabelFilesHook
from ..engine.isolated_run import isolated_run
from ..engine.runner import network_of
from ..engine.start_log import build_runner
from ..errors import InputError
from ..evaluation.augmentation import augment
from ..evaluation.evaluators import (
    add_confusion_matrix,
    check_format_only,
    give_output_dirs,
    keep_class_iou,
    labels_suffice,
)
from ..hub import resolve
from ..inference.dense_crf import DenseCRF, refine_predictions
from ..models import predict_labels_only
from ..utils.output_folder import output_folder
from ..utils.user_errors import on_interrupt
from ..visualization.confusion_matrix import write_confusion_matrix

NEEDED = ('test_dataloader', 'test_evaluator', 'test_cfg')


@dataclass(frozen=True)
class Evaluation:
    """Result of an evaluation. Of several processes, the main one alone has more than metrics.

    Attributes:
        metrics: Metrics of the config's evaluator by name, such as ``mIoU`` in percent.
        class_iou: IoU of each class in percent, NaN for one that does not occur; ``None`` without
            an IoU metric that reports it.
        confusion_matrix: Pixels (C + 1, C + 1), int64; rows are the ground truth, the last one
            ignored pixels, and columns the predictions, the last one outputs beyond the classes.
            ``None`` if it was not asked for.
        labels: Folder of the label PNGs; ``None`` if they were not asked for.
    """

    metrics: dict[str, float]
    class_iou: dict[str, float] | None
    confusion_matrix: NDArray[np.int64] | None
    labels: Path | None


def evaluate(
    config: str | Path | Config,
    checkpoint: str | Path,
    *,
    work_dir: str | Path | None = None,
    out: str | Path | None = None,
    confusion_matrix: bool | str | Path = False,
    tta: bool = False,
    crf: DenseCRF | None = None,
    launcher: str = 'none',
    local_rank: int = 0,
    deterministic: bool = False,
    options: Mapping[str, object] | None = None,
) -> Evaluation:
    """Evaluate a checkpoint on the test data of a config, as ``mmseg-eff test`` does.

    Warns where the checkpoint was trained with another preprocessing than the config's.

    Args:
        config: Config, its file, ``mmseg_eff::espnet/….py``, or the bare name of a config. It is
            left as it is.
        checkpoint: Checkpoint of this network, or ``hub:NAME``.
        work_dir: Folder of logs; the config's, or ``work_dirs/NAME``.
        out: Folder for label PNGs (H, W) of class indices, named as ``predict`` names them.
        confusion_matrix: ``True``, or a folder for ``confusion_matrix.json`` and ``.png``.
        tta: Test-time augmentation of the config.
        crf: CRF that refines the labels of a single view.
        launcher: What has started several processes: ``'pytorch'``, ``'slurm'`` or ``'mpi'``.
        local_rank: Index of this process on its machine, unless ``LOCAL_RANK`` is set.
        deterministic: Equal runs on equal machines, from the config's seed or from 0.
        options: Settings of the config to override, by dotted key.

    Returns:
        The metrics, and what else was asked for.

    Raises:
        InputError: If the config lacks what a test needs, data or checkpoint are wrong, or ``crf``
            and ``tta`` are given together.

    Example:
        >>> result = mmseg_eff.evaluate('mmseg_eff::espnet/….py', 'hub:espnet-p2q3_cityscapes')
        >>> result.metrics['mIoU'], result.class_iou['road']
    """
    if crf and tta:
        raise InputError('--crf and --tta exclude each other: the CRF refines a single view')
    settings, file = as_config(config, options), resolve(str(checkpoint))
    name = settings.filename or 'the config'
    prepare_run(
        settings, work_dir, launcher=launcher, local_rank=local_rank, deterministic=deterministic
    )
    for key in NEEDED:
        if settings.get(key) is None:
            raise InputError(f'{name}: has no {key}')
    settings.load_from, settings.resume = None, False
    labels = None if out is None else Path(out)
    if labels:
        give_output_dirs(settings.test_evaluator, labels)
    network = settings.model
    if tta:
        augment(settings, name)
    settle_labels(settings, 'test_dataloader')
    datasets = check_datasets(settings, 'test_dataloader')
    with isolated_run():
        runner = build_runner(settings)
        hand_over(runner, *datasets.popitem())
        model = network_of(runner)
        if tta:
            model = model.get_submodule('module')
        for difference in preprocessing_differences(load_weights(model, file), network):
            print_log(f'{checkpoint}: {difference}', logger='current', level=logging.WARNING)
        loop = runner.test_loop
        check_format_only(loop.evaluator, labels)
        class_iou = keep_class_iou(loop.evaluator)
        matrix = add_confusion_matrix(loop.evaluator) if confusion_matrix else None
        if labels:
            num_outputs = getattr(model, 'out_channels', None)
            runner.register_hook(LabelFilesHook(labels, loop.dataloader.dataset, num_outputs))
        if crf:
            refine_predictions(model, crf, ImageReader(inference_pipeline(settings)))
        elif not tta and labels_suffice(runner):
            predict_labels_only(model)
        kept = f'the labels written so far are kept in {labels}' if labels else 'nothing is kept'
        held = output_folder(labels) if labels else nullcontext()
        with held, on_interrupt(f'no metric; {kept}; start the command again'):
            metrics = runner.test()
    counts = None if matrix is None else matrix.matrix
    if matrix and counts is not None and not isinstance(confusion_matrix, bool):
        write_confusion_matrix(counts, matrix.dataset_meta['classes'], Path(confusion_matrix))
    return Evaluation(
        metrics={key: float(value) for key, value in (metrics or {}).items()},
        class_iou=class_iou or None,
        confusion_matrix=None if counts is None else counts.numpy(),
        labels=labels,
    )
