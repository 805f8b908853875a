"""Mean IoU near the borders of objects, the trimap experiment (Kohli et al., IJCV 2009).

DeepLab v1, https://arxiv.org/abs/1412.7062, Fig. 5, and v3+, https://arxiv.org/abs/1802.02611,
Sec. 4.4 and Fig. 5: the void labels, which in VOC lie along the borders, are dilated by n pixels,
and only pixels in this band are evaluated. The papers do not name the shape; here it is a disc.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from mmengine.logging import MMLogger, print_log
from mmseg.registry import METRICS
from numpy.typing import NDArray
from prettytable import PrettyTable
from scipy.ndimage import find_objects  # type: ignore[import-untyped]
from torch import Tensor

from .protocol_iou_metric import PROTOCOLS, ProtocolIoUMetric, total

AROUND = ('void', 'labels')


@METRICS.register_module()
class TrimapIoUMetric(ProtocolIoUMetric):
    """``ProtocolIoUMetric`` that also reports ``mIoU_trimap_1`` and so on, in one run.

    Void pixels are always ignored. An image without a border adds nothing. A class that the bands
    miss is not in the mean; without any pixel in a band, as where there is no void, it is NaN.

    Args:
        widths: Widths n of the bands, in pixels of the label map.
        around: ``'void'`` is the papers': pixels at most n from a void one. ``'labels'``, for data
            without void borders: at most n from a pixel of another label, void included.
        kwargs: Arguments of ``ProtocolIoUMetric``.

    Raises:
        ValueError: If an argument is none of the values allowed.
    """

    def __init__(
        self,
        *,
        widths: Sequence[int] = (1, 2, 4, 8, 16, 24, 32, 40),
        around: str = 'void',
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        given = widths if isinstance(widths, Sequence) else ()
        are_whole = all(isinstance(width, int) and width >= 1 for width in given)
        if not given or not are_whole or len(set(given)) < len(given):
            raise ValueError(
                f'widths must be one or more different whole numbers of 1 or more, got {widths!r}'
            )
        if around not in AROUND:
            raise ValueError(f'around must be one of {AROUND}, got {around!r}')
        self.widths = sorted(widths)
        self.around = around

    def intersect_and_union(
        self, pred_label: Tensor, label: Tensor, num_classes: int, ignore_index: int
    ) -> tuple[Tensor, ...]:
        """Confusion matrices (n + 1, C + 1, C + 1) of one image, int64, added up at the end.

        The first is of the narrowest band, each other one of what its band adds, the last of the
        pixels beyond all bands. Arguments and errors are those of ``ProtocolIoUMetric``.
        """
        cells = self.cells(pred_label, label, num_classes, ignore_index)
        distance = border_distance(label.cpu().numpy(), ignore_index, self.around)
        bands = torch.from_numpy(np.searchsorted(self.widths, distance)).to(cells)
        size, count = num_classes + 1, len(self.widths) + 1
        cells = cells + size * size * bands
        counts = torch.bincount(cells.flatten(), minlength=count * size * size)
        return (counts.view(count, size, size).cpu(),)

    def compute_metrics(self, results: list[tuple[Tensor, ...]]) -> dict[str, np.floating]:
        """Metrics of ``ProtocolIoUMetric`` and the mean IoU in percent within each width.

        Args:
            results: Matrices of ``intersect_and_union``, summed or not.
        """
        if self.format_only:
            return super().compute_metrics(results)
        size = len(self.dataset_meta['classes']) + 1
        *within, whole = total(results, len(self.widths) + 1, size, size).cumsum(0)
        metrics = super().compute_metrics([(whole,)])
        table = PrettyTable(['Trimap width', 'mIoU', 'Share of the pixels'])
        for width, matrix in zip(self.widths, within, strict=True):
            mean, _ = self.mean_iou(matrix, PROTOCOLS['standard'])
            share = matrix[:-1].sum() / whole[:-1].sum()
            table.add_row([width, f'{mean:.2f}', f'{100 * share:.2f} %'])
            metrics[f'mIoU_trimap_{width}'] = mean
        print_log(f'\n{table}', logger=MMLogger.get_current_instance())
        return metrics


def border_distance(
    label: NDArray[np.integer], ignore_index: int, around: str
) -> NDArray[np.float32]:
    """Distance (H, W) of each pixel of a label map (H, W) from a border; huge without any.

    Args:
        label: Label map.
        ignore_index: Label of void pixels.
        around: ``'void'``: the distance from the nearest void pixel, 0 for those; ``'labels'``:
            from the nearest pixel of another label.
    """
    if around == 'void':
        return distance_inside(label != ignore_index)
    # The nearest pixel of another label touches the region: no more than its box, and a pixel
    # around it, has to be looked at.
    distance = np.empty(label.shape, np.float32)
    regions = np.unique(label, return_inverse=True)[1].reshape(label.shape)
    for index, box in enumerate(find_objects(regions + 1)):
        box = tuple(slice(max(side.start - 1, 0), side.stop + 1) for side in box)
        same = regions[box] == index
        distance[box][same] = distance_inside(same)[same]
    return distance


def distance_inside(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Euclidean distance (H, W) to the nearest pixel outside of a mask; 0 outside."""
    distance = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # mmseg squeezes one row to (W,), for which OpenCV gives (W, 1)
    return np.asarray(distance, np.float32).reshape(mask.shape)
