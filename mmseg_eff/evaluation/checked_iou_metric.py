"""mmseg's mean IoU with an error for labels out of range, which mmseg ignores silently."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS
from torch import Tensor

from ..datasets.label_rules import out_of_range
from ..errors import InputError

METRIC_NAMES = ('mIoU', 'mDice', 'mFscore')


@METRICS.register_module()
class CheckedIoUMetric(IoUMetric):
    """mmseg's ``IoUMetric``, with an error that names the file where a label is out of range.

    ``IoUMetric`` takes histograms from 0 to C - 1: a pixel labelled C is in none of them, and the
    wrong result looks plausible. Arguments and results are those of ``IoUMetric``.
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        given = [self.metrics] if isinstance(self.metrics, str) else self.metrics
        if not given or not set(given) <= set(METRIC_NAMES):  # mmseg notices after the test
            raise ValueError(f'iou_metrics must be of {METRIC_NAMES}, got {given}')
        self.image_of: dict[str, str] = {}  # by the name of its PNG

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Count the pixels of each sample and write its PNG, if there is an ``output_dir``.

        Raises:
            InputError: If a label is neither a class nor ignored, the sizes differ, there is no
                label to compare with, or two images would have one PNG.
        """
        for sample in data_samples:
            if not self.format_only and 'gt_sem_seg' not in sample:
                raise InputError(
                    f'{sample.get("img_path")}: no ground truth to compare with; load it in the '
                    'pipeline, or set format_only=True of the metric'
                )
            self.claim_file(sample)
            try:
                super().process(data_batch, [sample])
            except InputError as error:
                path = sample.get('seg_map_path') or sample.get('img_path')
                raise InputError(f'{path}: {error}' if path else str(error)) from error
            self.fold_results()

    def fold_results(self) -> None:
        """Add all results but the last to the first, and replace them by empty tuples.

        mmseg keeps those of each image, so that memory grows with images times classes. A sampler
        repeats images to give all processes equally many; ``BaseMetric.evaluate`` drops these by
        their place, the last of a process. So the last must not be in the sum yet.
        """
        if len(self.results) > 2:
            for total, added in zip(self.results[0], self.results[-2], strict=True):
                total += added
            self.results[-2] = ()

    def claim_file(self, sample: dict) -> None:
        """Raise an ``InputError`` if another image has the same PNG in ``output_dir``."""
        if self.output_dir is None:
            return
        path = sample['img_path']
        name = Path(path).stem
        other = self.image_of.setdefault(name, path)
        if other != path:
            raise InputError(
                f'{self.output_dir}/{name}.png: {other} and {path} would both become this file; '
                '--out of tools/test.py keeps the folders'
            )

    def compute_metrics(self, results: list[tuple[Tensor, ...]]) -> dict[str, np.floating]:
        """The figures of ``IoUMetric``; none with ``format_only``."""
        if self.format_only and self.output_dir is None:
            return {}
        return super().compute_metrics([result for result in results if result])

    def intersect_and_union(
        self, pred_label: Tensor, label: Tensor, num_classes: int, ignore_index: int
    ) -> tuple[Tensor, ...]:
        """Areas of ``IoUMetric`` (C,) of one image.

        Args:
            pred_label: Predicted classes (H, W).
            label: Ground truth (H, W).
            num_classes: Number of classes C of the dataset.
            ignore_index: Label of the ignored pixels.

        Raises:
            InputError: See ``process``.
        """
        check_labels(pred_label, label, num_classes, ignore_index)
        return super().intersect_and_union(pred_label, label, num_classes, ignore_index)


def check_labels(pred_label: Tensor, label: Tensor, num_classes: int, ignore_index: int) -> None:
    """Raise an ``InputError`` for a label (H, W) of another size or with a value out of range."""
    if pred_label.shape != label.shape:
        raise InputError(
            f'prediction of size {tuple(pred_label.shape)} for a label map of size '
            f'{tuple(label.shape)} (height, width)'
        )
    bad = label[(label != ignore_index) & ((label < 0) | (label >= num_classes))]
    if len(bad):
        raise InputError(out_of_range(bad.unique().tolist(), num_classes, ignore_index))
