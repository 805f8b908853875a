"""Loading of label files that refuses what would train silently on wrong labels."""

import io

import numpy as np
from mmengine import fileio
from mmseg.datasets.transforms import LoadAnnotations
from mmseg.registry import TRANSFORMS
from PIL import Image

from ..errors import InputError

INDEX_MODES = ('1', 'L', 'P')  # Pillow's modes of one 8-bit value (or less) a pixel


@TRANSFORMS.register_module()
class LoadCheckedAnnotations(LoadAnnotations):
    """mmseg's ``LoadAnnotations`` whose errors name the file and the value.

    Checks the pixel format, the size against the image (``ori_shape``) and, after ``label_map`` and
    ``reduce_zero_label``, the values against the number of classes. Without a ``seg_map_path`` it
    does nothing, so mmseg's inference functions run pipelines that hold it.

    Args:
        num_classes: Allowed labels are ``0 … num_classes - 1`` and 255.
        kwargs: Arguments of ``LoadAnnotations``.
    """

    def __init__(self, num_classes: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.num_classes = num_classes

    def transform(self, results: dict) -> dict:
        """Add ``gt_seg_map`` (H, W), uint8.

        Raises:
            InputError: If the file is missing, damaged or not a label map of this data set.
        """
        path = results.get('seg_map_path')
        if path is None:
            return results
        mode = read_mode(path, self.backend_args)
        if mode not in INDEX_MODES:
            raise InputError(
                f'{path}: label file of pixel format {mode!r}; expected one 8-bit class index a '
                f'pixel ({", ".join(INDEX_MODES)})'
            )
        try:
            results = super().transform(results)
        except OSError as error:
            raise InputError(f'{path}: cannot be decoded ({error})') from error
        labels = results['gt_seg_map']
        size = tuple(results.get('ori_shape', labels.shape))
        if labels.shape != size:
            raise InputError(
                f'{path}: label size {labels.shape} differs from image size {size} (height, width)'
            )
        bad = np.flatnonzero(np.bincount(labels.ravel(), minlength=256)[self.num_classes : 255])
        if len(bad):
            values = ', '.join(str(value + self.num_classes) for value in bad[:8])
            raise InputError(
                f'{path}: label value {values} out of range; allowed are 0 to '
                f'{self.num_classes - 1} and 255 (ignored)'
            )
        return results


def read_mode(path: str, backend_args: dict | None = None) -> str:
    """Pillow's pixel mode of an image file, from its header.

    Raises:
        InputError: If the file is missing or no image.
    """
    try:
        with Image.open(io.BytesIO(fileio.get(path, backend_args=backend_args))) as image:
            return image.mode
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        reason = 'no such label file' if missing else 'cannot be decoded as an image'
        raise InputError(f'{path}: {reason}') from error
