"""Load images and labels with errors that name the file, and refuse wrong labels."""

import io
import os

import cv2
import mmcv
import numpy as np
from mmcv.transforms import BaseTransform, LoadImageFromFile
from mmengine import fileio
from mmseg.datasets.transforms import LoadAnnotations
from mmseg.registry import TRANSFORMS
from PIL import Image

from ..errors import InputError
from ..utils.file_limit import check_local_file
from ..utils.pixel_limit import open_limited, pixel_limit, too_large
from .bit_depth import warn_of_dark_image
from .label_rules import (
    DROPPED,
    MAX_LABELS,
    format_fault,
    range_fault,
    settled_label_map,
    size_fault,
)

DECODE_ERRORS = (  # of OpenCV and Pillow
    MemoryError,
    OSError,
    SyntaxError,
    ValueError,
    cv2.error,
    Image.DecompressionBombError,
)


def undecodable(path: str) -> InputError:
    """The error of a file that is no image, with its size where it is a local file."""
    size = f' ({os.path.getsize(path)} bytes)' if os.path.isfile(path) else ''
    return InputError(f'{path}: cannot be decoded as an image{size}{too_large(path)}')


@TRANSFORMS.register_module()
class LoadCheckedImage(LoadImageFromFile):
    """mmcv's ``LoadImageFromFile`` whose errors name the file; arguments are the same.

    Warns once of 16-bit files that are nearly black when read as 8 bits.
    """

    def transform(self, results: dict) -> dict | None:
        """Add ``img`` (H, W, C) and its shapes; ``None`` if ``ignore_empty`` allows it.

        Raises:
            InputError: If the file is missing or cannot be decoded.
        """
        path = results['img_path']
        check_local_file(path)
        try:
            results = super().transform(results)
        except FileNotFoundError as error:
            raise InputError(f'{path}: no such image file') from error
        except (AssertionError, *DECODE_ERRORS) as error:  # mmcv asserts that there is an image
            raise undecodable(path) from error
        if results:
            warn_of_dark_image(path, results['img'])
        return results


@TRANSFORMS.register_module()
class LoadCheckedAnnotations(LoadAnnotations):
    """mmseg's ``LoadAnnotations`` whose errors name the file and the value.

    Checks the pixel format, the size against the image (``ori_shape``) and, after ``label_map`` and
    ``reduce_zero_label``, the values against the number of classes. Without a ``seg_map_path`` it
    does nothing, so mmseg's inference functions run pipelines that hold it.

    Labels that the dataset drops become its ``ignore_index``, which each sample has, as well as the
    number of classes (see ``compat.complete_data_lists``); mmseg's own transform always writes 255.

    Args:
        num_classes: Allowed labels are ``0 … num_classes - 1`` and the dataset's ``ignore_index``;
            ``None`` takes the number of the dataset's classes, and allows all labels where there is
            no dataset.
        kwargs: Arguments of ``LoadAnnotations``.
    """

    def __init__(self, num_classes: int | None = None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.num_classes = num_classes

    def transform(self, results: dict) -> dict:
        """Add ``gt_seg_map`` (H, W), uint8.

        Raises:
            InputError: If the file is missing, damaged or not a label map of this dataset.
        """
        path = results.get('seg_map_path')
        if path is None:
            return results
        fault = format_fault(read_mode(path, self.backend_args))
        if fault:
            raise InputError(f'{path}: {fault}')
        ignored = results.get('ignore_index', DROPPED)
        reduces = results.get('reduce_zero_label', self.reduce_zero_label)
        label_map = settled_label_map(results.get('label_map'), bool(reduces), ignored)
        results = {**results, 'label_map': label_map}
        try:
            with pixel_limit():
                results = super().transform(results)
        except DECODE_ERRORS as error:
            reason = str(error) or 'does not fit into memory'
            raise InputError(f'{path}: cannot be decoded ({reason})') from error
        labels = results['gt_seg_map']
        fault = size_fault(labels.shape, tuple(results.get('ori_shape', labels.shape)))
        if not fault:
            pixels = np.bincount(labels.ravel(), minlength=256)
            num_classes = self.num_classes or results.get('num_classes') or MAX_LABELS
            fault = range_fault(pixels, num_classes, ignored)
        if fault:
            raise InputError(f'{path}: {fault}')
        return results


def read_mode(path: str, backend_args: dict | None = None) -> str:
    """Pillow's pixel mode of an image file, from its header.

    Raises:
        InputError: If the file is missing or no image.
    """
    check_local_file(path)
    try:
        data = io.BytesIO(fileio.get(path, backend_args=backend_args))
        with open_limited(data) as image:
            return image.mode
    except FileNotFoundError as error:
        raise InputError(f'{path}: no such label file') from error
    except Image.DecompressionBombError as error:
        raise InputError(f'{path}: {error}') from error
    except DECODE_ERRORS as error:
        raise InputError(f'{path}: cannot be decoded as an image') from error


@TRANSFORMS.register_module()
class ScoreAtInputSize(BaseTransform):
    """Resize the labels to the current size of the image, so that mmseg scores at that size.

    For a test pipeline, after ``Resize`` and the loading of labels. The ESPNetv2 authors validate
    so during training (EdgeNets). Without labels it does nothing: inference keeps the image's size.
    """

    def transform(self, results: dict) -> dict:
        """Set ``gt_seg_map`` (H, W), uint8, and ``ori_shape`` to the size of ``img`` (H, W, C)."""
        if 'gt_seg_map' in results:
            height, width = results['img'].shape[:2]
            # Pillow as in EdgeNets: OpenCV's nearest neighbour is off by up to half a pixel
            results['gt_seg_map'] = mmcv.imresize(
                results['gt_seg_map'], (width, height), interpolation='nearest', backend='pillow'
            )
            results['ori_shape'] = (height, width)
        return results
