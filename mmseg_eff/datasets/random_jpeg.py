"""Compress training images as cameras do, so that a network learns to see past the artefacts."""

from collections.abc import Sequence

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from ..errors import InputError

CHANNELS = (1, 3)  # what JPEG stores


@TRANSFORMS.register_module()
class RandomJPEG(BaseTransform):
    """Encode and decode images as JPEG of a random quality.

    Networks trained on PNG alone lose accuracy on the JPEG files and video frames that they meet
    in use. For a training pipeline, after the transforms that change size and colours.

    Args:
        prob: Share of the images that are compressed, 0 to 1.
        quality: Lowest and highest quality of the encoder, 1 to 100; all are equally likely.

    Raises:
        InputError: If an argument is out of range.
    """

    def __init__(self, prob: float = 0.5, quality: Sequence[int] = (30, 95)) -> None:
        if not 0 <= prob <= 1:
            raise InputError(f'RandomJPEG: prob is {prob}; 0 to 1 is allowed')
        if len(quality) != 2 or not 1 <= quality[0] <= quality[1] <= 100:
            raise InputError(
                f'RandomJPEG: quality is {quality}; two numbers from 1 to 100 are allowed, '
                'the lower one first'
            )
        self.prob = prob
        self.quality = tuple(quality)

    def transform(self, results: dict) -> dict:
        """Replace ``img`` (H, W) or (H, W, C), uint8, by what the decoder makes of it.

        Raises:
            InputError: If ``img`` is not 8-bit, or has neither one channel nor three.
        """
        image = results['img']
        channels = image.shape[2] if image.ndim == 3 else 1
        if image.dtype != np.uint8 or channels not in CHANNELS:
            raise InputError(
                f'RandomJPEG: the image has {channels} channels of {image.dtype}; '
                'JPEG has one or three of uint8'
            )
        if np.random.rand() < self.prob:
            low, high = self.quality
            quality = int(np.random.randint(low, high + 1))
            _, data = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, quality])
            decoded = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
            assert decoded is not None  # it was encoded just now
            results['img'] = decoded.reshape(image.shape)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(prob={self.prob}, quality={self.quality})'
