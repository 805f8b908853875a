"""ESPNetv2: A Light-weight, Power Efficient, and General Purpose Convolutional Neural Network
(Mehta et al., CVPR 2019), https://arxiv.org/abs/1811.11431.

Fig. 1c -> EESP, Fig. 2 -> StridedEESP, Table 1 -> WIDTHS and ESPNetv2; as in the authors' final
code (EdgeNets). The decoder is the neck ``EPP``.

Paper K -> num_branches, s -> width_multiplier.
"""

from collections.abc import Sequence
from itertools import accumulate

import torch
import torch.nn as nn
from mmcv.cnn import build_norm_layer
from mmseg.registry import MODELS
from torch import Tensor

from ..layers import KAIMING_FAN_OUT, Backbone, PReLU, check_out_indices, norm_act, stem_with_pool

WIDTHS = {  # Table 1: s -> channels of levels 1 to 5
    0.5: (16, 32, 64, 128, 256),
    1.0: (32, 64, 128, 256, 512),
    1.25: (32, 80, 160, 320, 640),
    1.5: (32, 96, 192, 384, 768),
    2.0: (32, 128, 256, 512, 1024),
}
NUM_BRANCHES = 4
# Levels 2 to 5: dilations of the strided unit, EESP blocks after it and their dilations. They
# follow from the limits on the receptive field in the official code.
LEVELS = (
    ((1, 2, 3, 4), 0, ()),
    ((1, 2, 3, 4), 3, (1, 2, 3, 4)),
    ((1, 2, 3, 4), 7, (1, 1, 2, 3)),
    ((1, 1, 2, 3), 3, (1, 1, 1, 2)),
)
NUM_LEVELS_WITH_IMAGE = 4  # level 5 has no shortcut from the image
BN = dict(type='BN')


class EESP(nn.Module):
    """Extremely efficient spatial pyramid of depth-wise dilated convolutions (Fig. 1c).

    Grouped 1x1 reduction, ``K`` dilated depth-wise convolutions, hierarchical feature fusion over
    all of them (the first included, unlike ESPNet), grouped 1x1 expansion. Stride 1 adds the input
    if it can; stride 2 ends with the normalisation, as ``StridedEESP`` needs it.

    Args:
        in_channels: Channels of the input ``(N, C, H, W)``; divisible by ``K``.
        out_channels: Channels of the output; divisible by ``K ** 2``.
        dilations: Dilation of each branch; their number is ``K``.
        stride: 1 or 2, of the depth-wise convolutions.
        norm_cfg: Config of the normalisation layers.

    Raises:
        ValueError: If the channels cannot be divided so.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        dilations: Sequence[int] = (1, 2, 3, 4),
        *,
        stride: int = 1,
        norm_cfg: dict | None = None,
    ) -> None:
        super().__init__()
        num = len(dilations)
        if in_channels % num or out_channels % num**2:
            raise ValueError(
                f'in_channels must be divisible by {num} and out_channels by {num**2}, got '
                f'{in_channels} and {out_channels}'
            )
        norm_cfg = norm_cfg or BN
        width = out_channels // num
        self.reduce = nn.Sequential(
            nn.Conv2d(in_channels, width, 1, groups=num, bias=False), norm_act(width, norm_cfg)
        )
        self.branches = nn.ModuleList(
            nn.Conv2d(width, width, 3, stride, d, d, groups=width, bias=False) for d in dilations
        )
        self.norm_act = norm_act(out_channels, norm_cfg)
        self.expand = nn.Sequential(
            nn.Conv2d(out_channels, out_channels, 1, groups=num, bias=False),
            build_norm_layer(norm_cfg, out_channels)[1],
        )
        self.act = PReLU(out_channels)
        self.ends_linear = stride > 1
        self.use_residual = stride == 1 and in_channels == out_channels
        if self.ends_linear:  # in the official files, but used by nothing: DDP must not wait for it
            self.act.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        reduced = self.reduce(x)
        fused = accumulate(branch(reduced) for branch in self.branches)
        out = self.expand(self.norm_act(torch.cat(list(fused), dim=1)))
        if self.ends_linear:
            return out
        return self.act(out + x if self.use_residual else out)


class StridedEESP(nn.Module):
    """Strided EESP with a shortcut from the image (Fig. 2): half the size, more channels.

    Args:
        in_channels: Channels of the input ``(N, C, H, W)``.
        out_channels: Channels of the output ``(N, out_channels, ceil(H / 2), ceil(W / 2))``.
        dilations: Dilation of each branch.
        image_channels: Channels of the image; 0 for no shortcut.
        norm_cfg: Config of the normalisation layers.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        dilations: Sequence[int],
        *,
        image_channels: int = 3,
        norm_cfg: dict | None = None,
    ) -> None:
        super().__init__()
        norm_cfg = norm_cfg or BN
        self.pool = nn.AvgPool2d(3, stride=2, padding=1)
        self.eesp = EESP(
            in_channels, out_channels - in_channels, dilations, stride=2, norm_cfg=norm_cfg
        )
        if image_channels:
            self.reinforce = nn.Sequential(
                nn.Conv2d(image_channels, image_channels, 3, padding=1, bias=False),
                norm_act(image_channels, norm_cfg),
                nn.Conv2d(image_channels, out_channels, 1, bias=False),
                build_norm_layer(norm_cfg, out_channels)[1],
            )
        self.act = PReLU(out_channels)

    def forward(self, x: Tensor, image: Tensor | None = None) -> Tensor:
        """Halve ``x``; ``image`` is the network's input pooled to the size of the output."""
        out = torch.cat([self.pool(x), self.eesp(x)], dim=1)
        if image is not None:
            out = out + self.reinforce(image)
        return self.act(out)


@MODELS.register_module()
class ESPNetv2(Backbone):
    """ESPNetv2 without its classifier: maps at strides 2 to 16, or to 32, for any image size.

    Args:
        width_multiplier: The paper's s, a key of ``WIDTHS``.
        in_channels: Channels of the image.
        out_indices: Levels to return; level ``i`` has stride ``2 ** (i + 1)`` and ``ceil`` sizes.
            Segmentation uses 0 to 3; level 4 is the classifier's last and built only if asked for.
        norm_cfg: Config of all normalisation layers.
        frozen_stages: Last stage not to train, 0 is the stem; see ``Backbone``.
        norm_eval: See ``Backbone``.
        with_cp: See ``Backbone``.
        init_cfg: Initialisation config of mmengine; the authors' Kaiming initialisation without it.

    Attributes:
        out_channels: Channels of the levels returned.
    """

    def __init__(
        self,
        width_multiplier: float = 1.0,
        in_channels: int = 3,
        out_indices: tuple[int, ...] = (0, 1, 2, 3),
        *,
        norm_cfg: dict | None = None,
        frozen_stages: int = -1,
        norm_eval: bool = False,
        with_cp: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(
            frozen_stages=frozen_stages,
            norm_eval=norm_eval,
            with_cp=with_cp,
            init_cfg=init_cfg or KAIMING_FAN_OUT,
        )
        if width_multiplier not in WIDTHS:
            raise ValueError(
                f'width_multiplier must be one of {sorted(WIDTHS)}, got {width_multiplier}'
            )
        norm_cfg = norm_cfg or BN
        widths = WIDTHS[width_multiplier]
        self.out_indices = check_out_indices(out_indices, 5)
        self.out_channels = [widths[i] for i in self.out_indices]
        self.pool = nn.AvgPool2d(3, stride=2, padding=1)
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, widths[0], 3, stride=2, padding=1, bias=False),
            norm_act(widths[0], norm_cfg),
        )
        self.downs, self.stages = nn.ModuleList(), nn.ModuleList()
        for level in range(1, max(self.out_indices) + 1):
            strided, num_blocks, dilations = LEVELS[level - 1]
            self.downs.append(
                StridedEESP(
                    widths[level - 1],
                    widths[level],
                    strided,
                    image_channels=in_channels if level < NUM_LEVELS_WITH_IMAGE else 0,
                    norm_cfg=norm_cfg,
                )
            )
            blocks = (
                EESP(widths[level], widths[level], dilations, norm_cfg=norm_cfg)
                for _ in range(num_blocks)
            )
            self.stages.append(nn.Sequential(*blocks))
        self.folded_stem: nn.Sequential | None = None  # of fold()
        self.freeze()

    def parts(self) -> list[list[nn.Module]]:
        return [[self.stem], *map(list, zip(self.downs, self.stages, strict=True))]

    def fold(self) -> None:
        """Join the stem and the image's first pooling for inference, in place."""
        self.folded_stem = stem_with_pool(self.stem)
        if self.folded_stem is not None:
            del self.stem

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        if self.folded_stem is not None:
            x, pooled = self.folded_stem(image).tensor_split([-image.shape[1]], dim=1)
        else:
            x = self.stem(image)  # (N, C_0, H / 2, W / 2)
            pooled = self.pool(image)
        levels = [x]
        for level, (down, stage) in enumerate(zip(self.downs, self.stages, strict=True), start=1):
            has_image = level < NUM_LEVELS_WITH_IMAGE
            pooled = self.pool(pooled) if has_image else None
            x = self.run(stage, self.run(down, x, pooled))
            levels.append(x)  # (N, C_level, H / 2**(level+1), W / 2**(level+1))
        return tuple(levels[i] for i in self.out_indices)
