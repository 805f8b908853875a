"""ESPNet: Efficient Spatial Pyramid of Dilated Convolutions for Semantic Segmentation
(Mehta et al., ECCV 2018), https://arxiv.org/abs/1803.06815.

Fig. 1 -> ESPBlock, Fig. 4a-c -> VARIANTS and ESPNet; the decoder (Fig. 4d) is ``ESPNetHead``.

Paper K -> num_branches, alpha_2 and alpha_3 (p, q) -> num_blocks, n -> kernel_size.

    image ─ stem ─ c1 (1/2) ─ strided ESP ─ p ESPs ─ c2 (1/4) ─ strided ESP ─ q ESPs ─ c3 (1/8)

A joins nothing; B concatenates the strided ESP's map to the last ESP's at 1/4 and 1/8; C also joins
the image, pooled to 1/2 and 1/4, to the maps there.
"""

from itertools import accumulate
from typing import NamedTuple

import torch
import torch.nn as nn
from mmseg.registry import MODELS
from torch import Tensor

from ..layers import Backbone, check_out_indices, norm_act, stem_with_pool

STEM_CHANNELS, LEVEL2_CHANNELS, LEVEL3_CHANNELS = 16, 64, 128
SKIPS = ('level1_image', 'level1')


class Variant(NamedTuple):
    use_concat: bool  # share the strided ESP's map with the last ESP block's
    use_image: bool  # reinforce levels 1 and 2 with the pooled image


VARIANTS = {  # Fig. 4 a, b, c
    'A': Variant(use_concat=False, use_image=False),
    'B': Variant(use_concat=True, use_image=False),
    'C': Variant(use_concat=True, use_image=True),
}


class ESPBlock(nn.Module):
    """Efficient spatial pyramid: reduce, split, transform, merge (Sec. 3.1).

    A convolution reduces to ``d = N // K`` channels, ``K`` dilated convolutions (dilation
    ``1, 2, …, 2 ** (K-1)``) work on it side by side, and hierarchical feature fusion adds them up
    before the concatenation (Fig. 1b). As in the official code the first branch takes the
    remainder ``N - (K-1) d`` and stays out of the sums. Its effective receptive field is
    ``[(n-1) 2 ** (K-1) + 1] ** 2`` (Sec. 3.1).

    Args:
        in_channels: Channels ``M`` of the input ``(N, M, H, W)``.
        out_channels: Channels of the output; at least ``num_branches``.
        num_branches: The width divider ``K``.
        kernel_size: Odd kernel size ``n`` of the dilated convolutions.
        stride: 1, or 2 for the strided ESP, whose reduction is a 3x3 convolution; then the output
            is ``(N, out_channels, ceil(H / 2), ceil(W / 2))``.
        use_residual: Add the input before the normalisation; needs equal shapes.
        norm_cfg: Config of the normalisation layer.

    Raises:
        ValueError: If a branch would have no channel, or a residual cannot be added.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        num_branches: int = 5,
        *,
        kernel_size: int = 3,
        stride: int = 1,
        use_residual: bool = True,
        norm_cfg: dict | None = None,
    ) -> None:
        super().__init__()
        if not 1 <= num_branches <= out_channels:
            raise ValueError(
                f'num_branches must be 1 to out_channels={out_channels}, got {num_branches}'
            )
        if use_residual and (stride != 1 or in_channels != out_channels):
            raise ValueError(
                'use_residual needs stride 1 and in_channels == out_channels, got stride '
                f'{stride} and {in_channels} -> {out_channels}'
            )
        width = out_channels // num_branches
        reduce_size = 1 if stride == 1 else 3
        self.reduce = nn.Conv2d(
            in_channels, width, reduce_size, stride, padding=reduce_size // 2, bias=False
        )
        self.branches = nn.ModuleList(
            nn.Conv2d(
                width,
                width if k else out_channels - (num_branches - 1) * width,
                kernel_size,
                padding=2**k * (kernel_size // 2),
                dilation=2**k,
                bias=False,
            )
            for k in range(num_branches)
        )
        self.use_residual = use_residual
        self.norm_act = norm_act(out_channels, norm_cfg or dict(type='BN', eps=1e-3))

    def forward(self, x: Tensor) -> Tensor:
        reduced = self.reduce(x)
        first, *dilated = (branch(reduced) for branch in self.branches)
        out = torch.cat([first, *accumulate(dilated)], dim=1)  # hierarchical feature fusion
        if self.use_residual:
            out = out + x
        return self.norm_act(out)


@MODELS.register_module()
class ESPNet(Backbone):
    """ESPNet-A, -B or -C without its classifier: maps at strides 2, 4 and 8 for any image size.

    Args:
        arch: Key of ``VARIANTS``. The decoder network that the paper calls ESPNet is ``'C'`` here
            followed by ``ESPNetHead``.
        num_blocks: ESP blocks at 1/4 and 1/8, the paper's alpha_2 and alpha_3 (p and q).
        num_branches: Parallel dilated convolutions of each block, the width divider K.
        in_channels: Channels of the image.
        out_indices: Levels to return; level ``i`` has stride ``2 ** (i + 1)`` and
            ``ceil`` sizes.
        skip: What level 0 returns: ``'level1_image'``, the map that level 1 passes on (with the
            pooled image in C), as the official training code hands it to the decoder; or
            ``'level1'``, the stem's own 16 channels, as the official test code and all released
            Cityscapes decoders have it. Both are the same map in A and B.
        norm_cfg: Config of all normalisation layers.
        frozen_stages: Last stage not to train, from 0 (the stem) to 2 (1/8); see ``Backbone``.
        norm_eval: See ``Backbone``.
        with_cp: See ``Backbone``.
        init_cfg: Initialisation config of mmengine; layers keep torch's defaults without it.

    Attributes:
        out_channels: Channels of the levels returned.
    """

    def __init__(
        self,
        arch: str = 'C',
        num_blocks: tuple[int, int] = (2, 8),
        num_branches: int = 5,
        in_channels: int = 3,
        out_indices: tuple[int, ...] = (0, 1, 2),
        *,
        skip: str = 'level1_image',
        norm_cfg: dict | None = None,
        frozen_stages: int = -1,
        norm_eval: bool = False,
        with_cp: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(
            frozen_stages=frozen_stages, norm_eval=norm_eval, with_cp=with_cp, init_cfg=init_cfg
        )
        if arch not in VARIANTS:
            raise ValueError(f'arch must be one of {sorted(VARIANTS)}, got {arch!r}')
        if skip not in SKIPS:
            raise ValueError(f'skip must be one of {SKIPS}, got {skip!r}')
        if len(num_blocks) != 2 or min(num_blocks) < 1:
            raise ValueError(f'num_blocks must be two positive numbers (p, q), got {num_blocks}')
        self.use_concat, self.use_image = VARIANTS[arch]
        self.skip = skip
        self.out_indices = check_out_indices(out_indices, 3)
        norm_cfg = norm_cfg or dict(type='BN', eps=1e-3)
        image_channels = in_channels if self.use_image else 0
        c1 = STEM_CHANNELS + image_channels
        c2 = LEVEL2_CHANNELS * (2 if self.use_concat else 1) + image_channels
        c3 = LEVEL3_CHANNELS * (2 if self.use_concat else 1)
        channels = (STEM_CHANNELS if skip == 'level1' else c1, c2, c3)
        self.out_channels = [channels[i] for i in self.out_indices]

        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, STEM_CHANNELS, 3, stride=2, padding=1, bias=False),
            norm_act(STEM_CHANNELS, norm_cfg),
        )
        # Zeros outside the image count in the mean, as in the official code: its border darkens.
        self.pool = nn.AvgPool2d(3, stride=2, padding=1)

        def stage(in_channels: int, channels: int, num: int) -> tuple[nn.Module, nn.Module]:
            down = ESPBlock(
                in_channels,
                channels,
                num_branches,
                stride=2,
                use_residual=False,
                norm_cfg=norm_cfg,
            )
            blocks = (
                ESPBlock(channels, channels, num_branches, norm_cfg=norm_cfg) for _ in range(num)
            )
            return down, nn.Sequential(*blocks)

        self.down2, self.blocks2 = stage(c1, LEVEL2_CHANNELS, num_blocks[0])
        self.down3, self.blocks3 = stage(c2, LEVEL3_CHANNELS, num_blocks[1])
        if self.use_image:
            self.fuse1 = norm_act(c1, norm_cfg)
        if self.use_concat:
            self.fuse2 = norm_act(c2, norm_cfg)
            self.fuse3 = norm_act(c3, norm_cfg)
        self.folded_stem: nn.Sequential | None = None  # of fold()
        self.freeze()

    def parts(self) -> list[list[nn.Module]]:
        parts: list[list[nn.Module]] = [
            [self.stem],
            [self.down2, self.blocks2],
            [self.down3, self.blocks3],
        ]
        if self.use_image:
            parts[0].append(self.fuse1)
        if self.use_concat:
            parts[1].append(self.fuse2)
            parts[2].append(self.fuse3)
        return parts

    def fold(self) -> None:
        """Join the stem and the image's first pooling for inference, in place."""
        if self.use_image:
            self.folded_stem = stem_with_pool(self.stem)
            if self.folded_stem is not None:
                del self.stem

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        if self.folded_stem is not None:
            both = self.folded_stem(image)
            stem, image2 = both.tensor_split([STEM_CHANNELS], dim=1)
        else:
            stem = self.stem(image)  # (N, 16, H / 2, W / 2)
            image2 = self.pool(image)
            both = torch.cat([stem, image2], dim=1)
        c1 = self.fuse1(both) if self.use_image else stem

        down = self.run(self.down2, c1)  # (N, 64, H / 4, W / 4)
        c2 = self.run(self.blocks2, down)
        if self.use_concat:
            maps = [c2, down, self.pool(image2)] if self.use_image else [c2, down]
            c2 = self.fuse2(torch.cat(maps, dim=1))

        down = self.run(self.down3, c2)  # (N, 128, H / 8, W / 8)
        c3 = self.run(self.blocks3, down)
        if self.use_concat:  # the other order than at 1/4, and no image, as in the official code
            c3 = self.fuse3(torch.cat([down, c3], dim=1))

        levels = (stem if self.skip == 'level1' else c1, c2, c3)
        return tuple(levels[i] for i in self.out_indices)
