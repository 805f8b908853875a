"""The program that is exported: from the pixels of an image to their labels.

    image (N, h, w, C), uint8 BGR as a rule ─ [resize] ─ [normalise] ─ pad ─ network ─ cut
                                                   ─ [upsample ─ argmax] ─ labels uint8 (N, H, W)

Images of another depth than 8 bits enter as float32, with the values of the file. Above 256 labels
the output is int32. In the place of labels, the output can be scores (N, K, H, W), float32: the
upsampled logits or their probabilities.

What is in brackets can stay outside, with the runtime. If the resize does, the output takes its
size from a second input, ``original``: the image before it.
"""

import json
import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from types import MappingProxyType

import numpy as np
import torch
from mmseg.models.segmentors import EncoderDecoder
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.export import Dim
from torch.nn import functional as F

from ..errors import InputError
from ..models import optimize_for_inference
from ..models.layers import SubpixelConv
from ..models.segmentors.heads import num_labels
from ..models.segmentors.predict_labels import predicts_as_mmseg
from ..models.segmentors.tta import has_sigmoid_outputs
from .description import describe, find_resize, normalization
from .runtime_checks import OUTPUTS
from .runtime_images import resized_size
from .trace_ops import label_type, upsampled_argmax, whole_factor

PARTS = ('resize', 'normalise', 'labels')
BGR = np.zeros((1, 1, 3), np.uint8)


class SegmentationGraph(nn.Module):
    """A segmentor between pixels and labels, simplified; the segmentor given is not changed.

    Args:
        model: Segmentor in evaluation mode, with ``cfg`` (see ``init_model``).
        inside: What the graph does itself, of ``PARTS``; ``labels`` stands for the last step, also
            where the result is scores.
        size: Height and width of the images if they all have one; any size without.
        batch: Number of images at once; any number with ``None``.
        result: What an image becomes, of ``OUTPUTS``.
        image: An image as the config loads it, (H, W) or (H, W, C): all have its channels and
            depth. Only these are taken from it; the default is 8-bit BGR.
        origin: What is known of the weights, for ``describe``.

    Attributes:
        inputs: Names of the inputs.
        output: Name of the output: ``result``, or ``logits`` (N, K, h, w) at the size of the image
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
        batch: int | None = 1,
        result: str = 'labels',
        image: NDArray = BGR,
        origin: Mapping = MappingProxyType({}),
    ) -> None:
        super().__init__()
        self.channels, self.dtype = image.shape[2] if image.ndim == 3 else 1, image.dtype
        if unknown := set(inside) - set(PARTS):
            raise InputError(f'parts inside must be of {PARTS}, got {sorted(unknown)}')
        if result not in OUTPUTS:
            raise InputError(f'output must be one of {", ".join(OUTPUTS)}, got {result!r}')
        if model.test_cfg.get('mode', 'whole') != 'whole':
            raise InputError(
                f'test_cfg.mode must be whole, got {model.test_cfg.mode}: an export takes the '
                'image in one piece; set model.test_cfg.mode=whole by --cfg-options'
            )
        self.inside = tuple(part for part in PARTS if part in inside)
        self.size, self.batch, self.result, self.origin = size, batch, result, dict(origin)
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
        self.output = result if 'labels' in inside else 'logits'

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

    @property
    def is_sigmoid(self) -> bool:
        """Whether the probabilities are the sigmoid of each logit, not their softmax."""
        return self.threshold is not None or has_sigmoid_outputs(self.model)

    def describe(self) -> dict:
        """What the runtime must know and what a reader wants to, as plain data."""
        return describe(self)

    @property
    def metadata(self) -> dict[str, str]:
        """What a file of the network can hold of that: JSON texts by key."""
        meta = getattr(self.model, 'dataset_meta', {})
        facts = {key: meta[key] for key in ('classes', 'palette') if key in meta}
        return {key: json.dumps(fact) for key, fact in {**facts, **self.describe()}.items()}

    @property
    def free_axes(self) -> tuple[dict[int, Dim], ...] | None:
        """For each input, the axes that an export leaves free; ``None`` if there is none."""
        axes = ([] if self.batch else [0]) + ([] if self.size else [1, 2])
        return tuple(dict.fromkeys(axes, Dim.DYNAMIC) for _ in self.inputs) if axes else None

    def example(self, size: tuple[int, int]) -> tuple[Tensor, ...]:
        """Inputs to trace with, for images of a size (H, W) before any resize."""
        batch = self.batch or 2  # a free axis must not be 1
        dtype = torch.uint8 if self.dtype == np.uint8 else torch.float32
        original = torch.randint(256, (batch, *size, self.channels)).to(dtype)
        resized = size
        if self.resize and 'resize' not in self.inside:
            resized = resized_size(*size, self.resize)
        image = torch.randint(256, (batch, *resized, self.channels)).to(dtype)
        if 'normalise' not in self.inside:
            image = image.float()
        return (image, original)[: len(self.inputs)]

    def forward(self, image: Tensor, original: Tensor | None = None) -> Tensor:
        """The output, as ``output`` names it, of images (N, h, w, C)."""
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
        padded = x.shape[2:]
        if self.is_resized_once((height, width), size):
            # as the head gives them; ESPNet's are larger for images of odd size
            logits = self.model._forward(x)[..., : padded[0], : padded[1]]
            align_corners = self.model.decode_head.align_corners
            if factor := whole_factor(logits.shape[2:], padded):
                return upsampled_argmax(logits, factor, align_corners)[:, :height, :width]
            logits = F.interpolate(logits, padded, mode='bilinear', align_corners=align_corners)
        else:
            logits = self.model.encode_decode(x, [dict(img_shape=padded, pad_shape=padded)])
        logits = logits[..., :height, :width]
        if 'labels' not in self.inside:
            return logits
        if self.output != 'labels':
            return self.scores(logits, size)
        align_corners, factor = self.model.align_corners, whole_factor(logits.shape[2:], size)
        if factor and self.threshold is None:
            return upsampled_argmax(logits, factor, align_corners)
        logits = F.interpolate(logits, size, mode='bilinear', align_corners=align_corners)
        if self.threshold is not None:
            return (logits[:, 0] > self.threshold).to(torch.uint8)
        return logits.argmax(1).to(label_type(self.num_labels))

    def is_resized_once(self, given: Sequence[int], size: Sequence[int]) -> bool:
        """Whether labels (H, W) come from the head's logits by one resize, of fixed sizes.

        Args:
            given: Size of the network's input before it is padded.
            size: Size of the labels.
        """
        return (
            self.output == 'labels'
            and self.size is not None
            and tuple(given) == tuple(size)
            and predicts_as_mmseg(self.model)
        )

    def scores(self, logits: Tensor, size: Sequence[int]) -> Tensor:
        """Logits or probabilities (N, K, H, W) of logits (N, C, h, w).

        K is C, but a single logit has two probabilities: of label 0 and of label 1.
        """
        align_corners = self.model.align_corners
        logits = F.interpolate(logits, size, mode='bilinear', align_corners=align_corners)
        if self.output == 'logits':
            return logits
        if not self.is_sigmoid:
            return logits.softmax(1)
        probabilities = logits.sigmoid()
        if self.threshold is None:
            return probabilities
        return torch.cat([1 - probabilities, probabilities], dim=1)

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
        """Labels (N, H, W), for which the last layer takes the maximum before its shuffle."""
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
