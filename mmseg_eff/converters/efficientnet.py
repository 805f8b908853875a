"""ImageNet weights of EfficientNet (timm, torchvision, EfficientNet-PyTorch) -> our names.

Which network it is follows from the shapes. How it pads and its batch norm's eps do not:
torchvision and EfficientNet-PyTorch (lukemelas's, and ml-illustrated's for Lite) have one way each,
timm has two. The head's convolution and the classifier are left out.
"""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..checkpoint.io import mismatch, rename
from ..errors import InputError
from ..models import EfficientNet
from ..models.backbones.efficientnet import ARCHS, PADDINGS, scale


class Layout(NamedTuple):
    """How a library names the tensors."""

    stem: str  # a key that all its files have and the other libraries' have not
    head: str  # pattern of the names that are left out
    renames: tuple[tuple[str, str | Callable[[re.Match], str]], ...]  # of module names
    padding: str | None  # None: files of both kinds are about


LAYOUTS = {
    'timm': Layout(
        'conv_stem.weight',
        r'(conv_head|bn2|classifier)\.',
        (
            (r'^conv_stem\.', 'stem.conv.'),
            (r'^bn1\.', 'stem.bn.'),
            (r'^blocks\.', 'stages.'),
            (r'^(stages\.0\.\d+)\.bn2\.', r'\1.project.bn.'),  # stage 0 has no expansion
            (r'^(stages\.0\.\d+)\.bn1\.', r'\1.depthwise.bn.'),
            (r'^(stages\.0\.\d+)\.conv_pw\.', r'\1.project.conv.'),
            (r'\.conv_pw\.', '.expand.conv.'),
            (r'\.bn1\.', '.expand.bn.'),
            (r'\.conv_dw\.', '.depthwise.conv.'),
            (r'\.bn2\.', '.depthwise.bn.'),
            (r'\.se\.conv_(reduce|expand)\.', r'.se.\1.'),
            (r'\.conv_pwl\.', '.project.conv.'),
            (r'\.bn3\.', '.project.bn.'),
        ),
        None,
    ),
    'torchvision': Layout(
        'features.0.0.weight',
        r'(features\.8|classifier)\.',
        (
            (r'^features\.0\.', 'stem.'),
            (r'^features\.(\d)\.', lambda m: f'stages.{int(m[1]) - 1}.'),
            # Without an expansion, in stage 0, the block's parts are numbered from one less.
            (r'^(stages\.0\.\d+\.block)\.(\d)\.', lambda m: f'{m[1]}.{int(m[2]) + 1}.'),
            (r'\.block\.0\.', '.expand.'),
            (r'\.block\.1\.', '.depthwise.'),
            (r'\.block\.2\.fc1\.', '.se.reduce.'),
            (r'\.block\.2\.fc2\.', '.se.expand.'),
            (r'\.block\.3\.', '.project.'),
            (r'(stem|expand|depthwise|project)\.0\.', r'\1.conv.'),
            (r'(stem|expand|depthwise|project)\.1\.', r'\1.bn.'),
        ),
        'symmetric',
    ),
    'EfficientNet-PyTorch': Layout(
        '_conv_stem.weight',
        r'_(conv_head|bn1|fc)\.',
        (
            (r'^_conv_stem\.', 'stem.conv.'),
            (r'^_bn0\.', 'stem.bn.'),
            (r'^_blocks\.', 'blocks.'),  # numbered through all stages
            (r'\._(expand|depthwise|project)_conv\.', r'.\1.conv.'),
            (r'\._bn0\.', '.expand.bn.'),
            (r'\._bn1\.', '.depthwise.bn.'),
            (r'\._bn2\.', '.project.bn.'),
            (r'\._se_(reduce|expand)\.', r'.se.\1.'),
        ),
        'same',
    ),
}
IMAGENET = dict(bgr_to_rgb=True, mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))
# (library, is Lite, padding) -> of the RGB pixels, where all such files agree
PREPROCESSING: dict[tuple[str, bool, str | None], dict] = {
    ('timm', True, 'same'): dict(bgr_to_rgb=True, mean=(127.5,) * 3, std=(127.5,) * 3),
    ('timm', True, 'symmetric'): IMAGENET,
    ('torchvision', False, 'symmetric'): IMAGENET,
    # EfficientNet-Lite's own; AdvProp's files of B0 to B7 are scaled to [-1, 1], the others not.
    ('EfficientNet-PyTorch', True, 'same'): dict(
        bgr_to_rgb=True, mean=(127.0,) * 3, std=(128.0,) * 3
    ),
}
EXPECTED = (
    'expected ImageNet weights of EfficientNet b0 to b7 or lite0 to lite4 from timm, torchvision '
    'or EfficientNet-PyTorch'
)


def block_widths(arch: str) -> dict[str, int]:
    """Our name of every block of an ``arch``, in order, and its output channels."""
    _, stages = scale(ARCHS[arch], None, None)
    return {
        f'stages.{index}.{block}.': stage.out_channels
        for index, stage in enumerate(stages)
        for block in range(stage.num_blocks)
    }


def find_arch(state_dict: Mapping[str, Tensor]) -> str | None:
    """First key of ``ARCHS`` with the blocks of renamed weights; ``None`` if there is none."""
    pattern = re.compile(r'\w+\.(\d+(?:\.\d+)?)\.project\.conv\.weight')
    found = {
        tuple(map(int, match[1].split('.'))): len(value)
        for key, value in state_dict.items()
        if (match := pattern.fullmatch(key))
    }
    widths = [found[position] for position in sorted(found)]
    kind = 'mbconv' if any('.se.' in key for key in state_dict) else 'lite'
    for arch in ARCHS:
        if ARCHS[arch].kind == kind and widths == list(block_widths(arch).values()):
            return arch
    return None


def convert_efficientnet(
    state_dict: Mapping[str, Tensor], padding: str | None = None
) -> tuple[dict[str, Tensor], dict]:
    """Convert the ImageNet weights of an EfficientNet or EfficientNet-Lite.

    Args:
        state_dict: Weights of timm, torchvision or EfficientNet-PyTorch.
        padding: ``'same'`` or ``'symmetric'``, needed for timm's files only: ``'same'`` for
            ``tf_efficientnet_*``, ``'symmetric'`` for ``efficientnet_*``.

    Returns:
        The state dict with ``backbone.*`` of an ``EfficientNet``, and its meta data: ``model``
        with what the config must say (``arch``, ``padding``, the eps of its norm and, if not 3,
        ``in_channels``), and ``preprocessing`` if it is the same for all files of this kind.

    Raises:
        ValueError: If ``padding`` is neither of the two.
        InputError: If it is not such a state dict, complete to the last tensor of the backbone, or
            ``padding`` is missing or not this library's.
    """
    if padding not in (None, *PADDINGS):
        raise ValueError(f'padding must be one of {PADDINGS}, got {padding!r}')
    library = next((name for name in LAYOUTS if LAYOUTS[name].stem in state_dict), None)
    if library is None:
        raise InputError(f'not an EfficientNet file: it has no known stem; {EXPECTED}')
    layout = LAYOUTS[library]
    renamed = {
        rename(key, layout.renames): value.clone()
        for key, value in state_dict.items()
        if not re.match(layout.head, key)
    }
    arch = find_arch(renamed)
    if arch is None:
        raise InputError(f'not an EfficientNet file: it has other blocks; {EXPECTED}')

    by_number = {f'blocks.{index}.': name for index, name in enumerate(block_widths(arch))}
    converted = {}
    for key, value in renamed.items():
        key = re.sub(r'^blocks\.\d+\.', lambda m: by_number.get(m[0], m[0]), key)
        converted[f'backbone.{key}'] = value
        if key.endswith('.running_mean'):  # before torch 0.4.1 there was none
            tracked = key.replace('running_mean', 'num_batches_tracked')
            converted.setdefault(f'backbone.{tracked}', torch.tensor(0))
    in_channels = converted['backbone.stem.conv.weight'].shape[1]
    with torch.device('meta'):
        network = nn.ModuleDict(dict(backbone=EfficientNet(arch, in_channels=in_channels)))
    reason = mismatch(network, converted)
    if reason:
        raise InputError(f'not a complete EfficientNet {arch} file: {reason}')

    if padding is None and layout.padding is None:
        raise InputError(
            f"{library}'s files do not say how they pad: give the padding, same for "
            'tf_efficientnet_*, symmetric for efficientnet_*'
        )
    if padding and layout.padding and padding != layout.padding:
        raise InputError(f"{library}'s files need padding {layout.padding}, got {padding}")
    padding = padding or layout.padding
    is_ported = library == 'torchvision' and arch in ('b5', 'b6', 'b7')  # from TensorFlow
    bn_eps = 1e-3 if padding == 'same' or is_ported else 1e-5
    meta: dict = dict(model=dict(arch=arch, padding=padding, bn_eps=bn_eps))
    if in_channels != 3:
        meta['model']['in_channels'] = in_channels
        return converted, meta
    known = PREPROCESSING.get((library, ARCHS[arch].kind == 'lite', padding))
    if known:
        meta['preprocessing'] = known
    return converted, meta
