"""The program that is exported: from the pixels of an image to their labels.

    image (1, h, w, C), uint8 BGR as a rule ─ [resize] ─ [normalise] ─ pad ─ network ─ cut
                                                   ─ [upsample ─ argmax] ─ labels uint8 (1, H, W)

Images of another depth than 8 bits enter as float32, with the values of the file. Above 256 labels
the output is int32.

What is in brackets can stay outside, with the runtime. If the resize does, the labels take their
size from a second input, ``original``: the image before it.
"""

import math
from collections.abc import Sequence
from copy import deepcopy

import numpy as np
import torch
from mmengine.config import ConfigDict
from mmseg.models import SegDataPreProcessor
from mmseg.models.segmentors import EncoderDecoder
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ..datasets.image_reader import class_name, split_pipeline
from ..errors import InputError
from ..models import optimize_for_inference
from ..models.layers import SubpixelConv
from ..models.segmentors.heads import num_labels
from .runtime import resized_size
from .trace_ops import label_type, upsampled_argmax, whole_factor

PARTS = ('resize', 'normalise', 'labels')
PASSIVE = ('PackSegInputs', 'ScoreAtInputSize')  # leave an image without labels as it is
BGR = np.zeros((1, 1, 3), np.uint8)


def find_resize(pipeline: Sequence[ConfigDict]) -> dict | None:
    """The resize of a test pipeline: scale (W, H) or a factor, keep_ratio and backend.

    Raises:
        InputError: If the pipeline changes images in another way.
    """
    resize = None
    for transform in split_pipeline(pipeline)[1]:
        name = class_name(transform)
        if name in PASSIVE:
            continue
        if name != 'Resize' or resize or transform.get('interpolation', 'bilinear') != 'bilinear':
            raise InputError(
                f'test_pipeline: cannot export {dict(transform)}; one bilinear Resize is allowed'
            )
        scale = transform.get('scale') or transform['scale_factor']
        if isinstance(scale, int):
            scale = (scale, scale)
        resize = dict(
            scale=scale if isinstance(scale, float) else list(scale),
            keep_ratio=transform.get('keep_ratio', False),
            backend=transform.get('backend', 'cv2'),
        )
    return resize


class SegmentationGraph(nn.Module):
    """A segmentor between pixels and labels, simplified; the segmentor given is not changed.

    Args:
        model: Segmentor in evaluation mode, with ``cfg`` (see ``init_model``).
        inside: What the graph does itself, of ``PARTS``.
        size: Height and width of the images if they all have one; any size without.
        image: An image as the config loads it, (H, W) or (H, W, C): all have its channels and
            depth. Only these are taken from it; the default is 8-bit BGR.

    Attributes:
        inputs: Names of the inputs.
        output: Name of the output: ``labels``, or ``logits`` (1, C, h, w) at the size of the image
            after the resize.

    Raises:
        InputError: If the parts do not go together or the segmentor cannot be exported.
    """

    def __init__(
        self,
        model: EncoderDecoder,
        *,
        inside: Sequence[str] = ('normalise', 'labels'),
        size: tuple[int, int] | None = None,
        image: NDArray = BGR,
    ) -> None:
        super().__init__()
        self.channels, self.dtype = image.shape[2] if image.ndim == 3 else 1, image.dtype
        if unknown := set(inside) - set(PARTS):
            raise InputError(f'parts inside must be of {PARTS}, got {sorted(unknown)}')
        if model.test_cfg.get('mode', 'whole') != 'whole':
            raise InputError(
                f'test_cfg.mode must be whole, got {model.test_cfg.mode}: an export takes the '
                'image in one piece; set model.test_cfg.mode=whole by --cfg-options'
            )
        self.inside = tuple(part for part in PARTS if part in inside)
        self.size = size
        self.resize = find_resize(model.cfg.test_pipeline)
        if 'resize' in inside:
            self.check_resize()
        self.model = optimize_for_inference(deepcopy(model))
        self.preprocessor = self.model.data_preprocessor
        self.constants = normalization(self.preprocessor, self.channels)
        # buffers: LiteRT cannot convert tensors made in forward()
        mean, std = (torch.tensor(self.constants[key]).view(-1, 1, 1) for key in ('mean', 'std'))
        self.mean = nn.Buffer(mean, persistent=False)
        self.std = nn.Buffer(std, persistent=False)
        needs_original = self.resize and size is None and 'labels' in inside
        self.inputs = ('image', 'original') if needs_original else ('image',)
        self.output = 'labels' if 'labels' in inside else 'logits'

    def check_resize(self) -> None:
        """Refuse a resize that cannot be a part of the graph."""
        if not self.resize:
            raise InputError('resize cannot be inside: the test pipeline has none')
        if self.size is None or 'normalise' not in self.inside:
            raise InputError('resize inside needs a fixed size of the images, and normalise inside')
        if self.resize['backend'] != 'cv2':
            raise InputError(f'resize by {self.resize["backend"]} cannot be inside, only by cv2')
        if self.dtype.kind != 'u':
            raise InputError(f'resize cannot be inside: it rounds, and images are {self.dtype}')

    @property
    def num_labels(self) -> int:
        """How many labels the output tells apart."""
        return num_labels(self.model)

    @property
    def threshold(self) -> float | None:
        """What a single logit must exceed for label 1; ``None`` for several classes."""
        head = self.model.decode_head
        if head.out_channels > 1:
            return None
        return math.log(head.threshold / (1 - head.threshold))

    def describe(self) -> dict:
        """What the runtime must know, as plain data."""
        return dict(
            size=self.size and list(self.size),
            inside=self.inside,
            inputs=self.inputs,
            resize=self.resize,
            input=dict(channels=self.channels, dtype=self.dtype.name),
            num_labels=self.num_labels,
            normalise=self.constants,
            align_corners=self.model.align_corners,
            threshold=self.threshold,
        )

    def example(self, size: tuple[int, int]) -> tuple[Tensor, ...]:
        """Inputs to trace with, for images of a size (H, W) before any resize."""
        dtype = torch.uint8 if self.dtype == np.uint8 else torch.float32
        original = torch.randint(256, (1, *size, self.channels)).to(dtype)
        resized = size
        if self.resize and 'resize' not in self.inside:
            resized = resized_size(*size, self.resize)
        image = torch.randint(256, (1, *resized, self.channels)).to(dtype)
        if 'normalise' not in self.inside:
            image = image.float()
        return (image, original)[: len(self.inputs)]

    def forward(self, image: Tensor, original: Tensor | None = None) -> Tensor:
        """Labels (1, H, W) or logits (1, C, h, w) of an image (1, h, w, 3)."""
        size = self.size or (image if original is None else original).shape[1:3]
        x = image.permute(0, 3, 1, 2).float()
        if self.resize and 'resize' in self.inside:
            # rounded, because OpenCV resizes to whole grey levels
            height, width = image.shape[1:3]
            x = F.interpolate(x, resized_size(height, width, self.resize), mode='bilinear').round()
        if 'normalise' in self.inside:
            x = self.normalize(x)
        height, width = x.shape[2:]
        x = self.pad(x)
        if self.output == 'labels' and self.is_subpixel(x.shape[2:], size):
            labels = self.subpixel_labels(x)
            if labels.shape[1:] == size:  # smaller if the finest map's stride is not 2
                return labels.to(label_type(self.num_labels))
        meta = dict(img_shape=x.shape[2:], pad_shape=x.shape[2:])
        logits = self.model.encode_decode(x, [meta])[..., :height, :width]
        if self.output == 'logits':
            return logits
        align_corners, factor = self.model.align_corners, whole_factor(logits.shape[2:], size)
        if factor and self.threshold is None:
            return upsampled_argmax(logits, factor, align_corners)
        logits = F.interpolate(logits, size, mode='bilinear', align_corners=align_corners)
        if self.threshold is not None:
            return (logits[:, 0] > self.threshold).to(torch.uint8)
        return logits.argmax(1).to(label_type(self.num_labels))

    def is_subpixel(self, given: Sequence[int], size: Sequence[int]) -> bool:
        """Whether the head's last layer may give each pixel of the image (H, W) its logits."""
        layer = getattr(self.model.decode_head, 'conv_seg', None)
        sides = (*given, *size)
        return (
            isinstance(layer, SubpixelConv)
            and self.threshold is None
            and all(isinstance(side, int) and side % 2 == 0 for side in sides)
            and tuple(given) == tuple(size)
        )

    def subpixel_labels(self, x: Tensor) -> Tensor:
        """Labels (1, H, W), for which the last layer takes the maximum before its shuffle."""
        layer = self.model.decode_head.conv_seg
        layer.forward = layer.argmax
        try:
            return self.model._forward(x)
        finally:
            del layer.forward

    def normalize(self, x: Tensor) -> Tensor:
        """Channel order, mean and standard deviation, as in the data preprocessor."""
        if self.constants['to_rgb']:
            x = x.flip(1)
        return (x - self.mean) / self.std

    def pad(self, x: Tensor) -> Tensor:
        """At the bottom and right, as in the data preprocessor's test."""
        padding = self.preprocessor.test_cfg or {}
        height, width = x.shape[2:]
        if divisor := padding.get('size_divisor'):
            bottom, right = -height % divisor, -width % divisor
        elif size := padding.get('size'):
            bottom = torch.sym_max(size[0] - height, 0)
            right = torch.sym_max(size[1] - width, 0)
        else:
            return x
        return F.pad(x, (0, right, 0, bottom), value=self.preprocessor.pad_val)


def normalization(preprocessor: SegDataPreProcessor, channels: int) -> dict:
    """Mean, standard deviation and channel order of a data preprocessor, as plain data.

    Args:
        preprocessor: It changes the order of three channels only.
        channels: Of the image.
    """
    is_enabled = preprocessor._enable_normalize
    # the name in mmseg, or in its fork
    to_rgb = getattr(preprocessor, 'channel_conversion', None)
    if to_rgb is None:
        to_rgb = preprocessor._channel_conversion
    return dict(
        mean=preprocessor.mean.flatten().tolist() if is_enabled else [0.0] * channels,
        std=preprocessor.std.flatten().tolist() if is_enabled else [1.0] * channels,
        to_rgb=bool(to_rgb) and channels == 3,
    )
