"""Mean IoU by the protocols of several papers, from one confusion matrix.

Rows are the ground truth, the last one void; columns are the predictions, the last one all outputs
of the network beyond the classes of the dataset:

                 class 0 … C-1 | other outputs
    class 0      .             | .                 'standard', 'outputs': the rows of the classes
    …            .             | .
    void         .             | .                 'void_counted', 'with_void': this row too
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger, print_log
from mmseg.registry import METRICS
from prettytable import PrettyTable
from torch import Tensor

from ..errors import InputError
from .checked_iou_metric import CheckedIoUMetric, check_labels


class Protocol(NamedTuple):
    """How a mean IoU is computed from the confusion matrix."""

    void_pixels: bool  # whether predictions on void pixels are false positives
    void_class: bool  # whether void is one more class, predicted by the other outputs
    all_outputs: bool  # whether the mean is taken over all outputs


PROTOCOLS = {
    'standard': Protocol(void_pixels=False, void_class=False, all_outputs=False),  # mmseg
    'void_counted': Protocol(void_pixels=True, void_class=False, all_outputs=False),  # ESPNet
    'outputs': Protocol(void_pixels=False, void_class=False, all_outputs=True),  # EdgeNets
    'with_void': Protocol(void_pixels=True, void_class=True, all_outputs=False),
}


@METRICS.register_module()
class ProtocolIoUMetric(CheckedIoUMetric):
    """mmseg's ``IoUMetric`` with further protocols, reported as ``mIoU_void_counted`` and so on.

    - ``standard``: the result of ``IoUMetric``, always reported. Void pixels are ignored; another
      output predicted on a class is a false negative.
    - ``void_counted``: a class predicted on a void pixel is a false positive of it; the mean of the
      classes. ESPNet's result on CamVid is measured so: mIoU is 55.65 with the official weights,
      and 57.17 by ``standard``.
    - ``outputs``: the mean over all outputs of the network, as the ESPNetv2 authors' training
      prints it. An output that is no class, or a class that is absent, has IoU 0: with 20 outputs
      for 19 classes, 19/20 of the standard mean.
    - ``with_void``: void is one more class, all outputs beyond the classes predict it.

    Args:
        protocols: Keys of ``PROTOCOLS`` to report.
        num_outputs: Number of outputs of the network, for ``outputs``.
        kwargs: Arguments of ``IoUMetric``.
    """

    def __init__(
        self,
        *,
        protocols: Sequence[str] = ('standard',),
        num_outputs: int | None = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.protocols = (protocols,) if isinstance(protocols, str) else tuple(protocols)
        self.num_outputs = num_outputs
        unknown = [name for name in self.protocols if name not in PROTOCOLS]
        if unknown:
            raise ValueError(f'protocols must be of {sorted(PROTOCOLS)}, got {unknown}')
        if num_outputs is None and 'outputs' in self.protocols:
            raise ValueError("protocol 'outputs' needs num_outputs, the outputs of the network")

    @BaseMetric.dataset_meta.setter
    def dataset_meta(self, dataset_meta: dict) -> None:
        """Meta information of the dataset.

        Raises:
            ValueError: If it has more classes than the network has outputs.
        """
        num_classes = len(dataset_meta['classes'])
        if self.num_outputs is not None and self.num_outputs < num_classes:
            raise ValueError(
                f'num_outputs must be {num_classes} (the classes of the dataset) or more, '
                f'got {self.num_outputs}'
            )
        BaseMetric.dataset_meta.fset(self, dataset_meta)

    def intersect_and_union(
        self, pred_label: Tensor, label: Tensor, num_classes: int, ignore_index: int
    ) -> tuple[Tensor, ...]:
        """Confusion matrix (C + 1, C + 1) of one image, int64; ``IoUMetric.process`` keeps it.

        Args:
            pred_label: Predicted outputs (H, W).
            label: Ground truth (H, W).
            num_classes: Number of classes C of the dataset.
            ignore_index: Label of void pixels.

        Raises:
            InputError: See ``process``; also if an output exceeds ``num_outputs``.
        """
        cells = self.cells(pred_label, label, num_classes, ignore_index)
        size = num_classes + 1
        matrix = torch.bincount(cells.flatten(), minlength=size * size).view(size, size).cpu()
        return (matrix,)

    def cells(
        self, pred_label: Tensor, label: Tensor, num_classes: int, ignore_index: int
    ) -> Tensor:
        """Cell (H, W) of the confusion matrix that each pixel counts in, numbered row by row.

        Arguments and errors are those of ``intersect_and_union``.
        """
        check_labels(pred_label, label, num_classes, ignore_index)
        if self.num_outputs is not None and pred_label.max() >= self.num_outputs:
            raise InputError(
                f'output {int(pred_label.max())} predicted; num_outputs={self.num_outputs} allows '
                f'0 to {self.num_outputs - 1}'
            )
        void = label == ignore_index
        other = (pred_label < 0) | (pred_label >= num_classes)
        rows = label.long().masked_fill(void, num_classes)
        columns = pred_label.long().masked_fill(other, num_classes)
        return (num_classes + 1) * rows + columns

    def compute_metrics(self, results: list[tuple[Tensor, ...]]) -> dict[str, np.floating]:
        """Metrics of ``IoUMetric`` and the mean IoU in percent of each further protocol.

        Args:
            results: Matrices of ``intersect_and_union``, summed or not.
        """
        if self.format_only:
            return super().compute_metrics(results)
        size = len(self.dataset_meta['classes']) + 1
        matrix = total(results, size, size)
        metrics = super().compute_metrics([areas(matrix, PROTOCOLS['standard'])])
        table = PrettyTable(['Reading', 'mIoU', 'Classes averaged'])
        for name in self.protocols:
            mean, count = self.mean_iou(matrix, PROTOCOLS[name])
            table.add_row([name, f'{mean:.2f}', count])
            if name != 'standard':
                metrics[f'mIoU_{name}'] = mean
        if set(self.protocols) - {'standard'}:
            print_log(f'\n{table}', logger=MMLogger.get_current_instance())
        return metrics

    def mean_iou(self, matrix: Tensor, protocol: Protocol) -> tuple[np.floating, int]:
        """Mean IoU in percent, and the number of classes in the mean (absent ones are not)."""
        iou = self.total_area_to_metrics(*areas(matrix, protocol), ['mIoU'], self.nan_to_num)['IoU']
        if protocol.all_outputs:
            assert self.num_outputs is not None  # such a protocol needs it
            iou = np.pad(np.nan_to_num(iou), (0, self.num_outputs - len(iou)))
        return np.round(np.nanmean(iou) * 100, 2), int(np.count_nonzero(~np.isnan(iou)))


def total(results: Iterable[tuple[Tensor, ...]], *size: int) -> Tensor:
    """Sum of the matrices of all images, int64; zeros of ``size`` where there is none."""
    return sum(chain.from_iterable(results), start=torch.zeros(size, dtype=torch.int64))


def areas(matrix: Tensor, protocol: Protocol) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Pixels of intersection, union, prediction and ground truth, each (classes,), float32.

    Args:
        matrix: Confusion matrix (C + 1, C + 1), int64.
        protocol: Says which rows count and whether void is a class.
    """
    num_classes = len(matrix) - 1 + protocol.void_class
    scored = matrix if protocol.void_pixels else matrix[:-1]
    intersect = matrix.diagonal()[:num_classes]
    pred = scored.sum(0)[:num_classes]
    label = matrix.sum(1)[:num_classes]
    return intersect.float(), (pred + label - intersect).float(), pred.float(), label.float()
