"""Collect the confusion matrix of a test."""

import numpy as np
from mmseg.registry import METRICS
from torch import Tensor

from .protocol_iou_metric import ProtocolIoUMetric, total


@METRICS.register_module()
class ConfusionMatrix(ProtocolIoUMetric):
    """Count every pixel in ``matrix`` (C + 1, C + 1), int64, and report no metric.

    Rows are the ground truth, the last one ignored pixels; columns are the predictions, the last
    one outputs beyond the classes. ``matrix`` is ``None`` until the evaluation has ended, and on
    all processes but the main one. Arguments are those of ``ProtocolIoUMetric``.
    """

    matrix: Tensor | None = None

    def compute_metrics(self, results: list[tuple[Tensor, ...]]) -> dict[str, np.floating]:
        """Keep the sum of the images' matrices; the evaluator adds no metric."""
        size = len(self.dataset_meta['classes']) + 1
        self.matrix = total(results, size, size)
        return {}
