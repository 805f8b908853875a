"""Official ESPNet weights (sacmehta/ESPNet, ``pretrained/``) -> our names.

The encoder files hold ESPNet-C, the decoder files ESPNet. Both know two datasets: 20 outputs are
Cityscapes' 19 classes and the void, 12 are CamVid's 11 and the void.
"""

import re
from collections.abc import Mapping

import torch
from mmseg.datasets import CityscapesDataset
from torch import Tensor, nn

from ..checkpoint.io import mismatch, rename
from ..datasets.camvid import CamVidDataset
from ..errors import InputError
from ..models import ESPNet, ESPNetCHead, ESPNetHead

RENAMES = (  # of module names; first those of the whole network, then those inside a block
    (r'^encoder\.classifier\.conv\.', 'decode_head.score3.'),
    (r'^encoder\.level1\.conv\.', 'backbone.stem.0.'),
    (r'^encoder\.level1\.', 'backbone.stem.1.'),
    (r'^encoder\.b([123])\.', r'backbone.fuse\1.'),
    (r'^encoder\.level([23])_0\.', r'backbone.down\1.'),
    (r'^encoder\.level([23])\.', r'backbone.blocks\1.'),
    (r'^level3_C\.conv\.', 'decode_head.score2.'),
    (r'^br\.', 'decode_head.norm3.'),
    (r'^up_l3\.0\.', 'decode_head.up3.'),
    (r'^combine_l2_l3\.0\.', 'decode_head.fuse2.'),
    (r'^combine_l2_l3\.1\.', 'decode_head.esp2.'),
    (r'^up_l2\.', 'decode_head.up2.'),
    (r'^conv\.conv\.', 'decode_head.fuse1.0.'),
    (r'^conv\.', 'decode_head.fuse1.1.'),
    (r'^classifier\.', 'decode_head.conv_seg.'),
    (r'\.c1\.conv\.', '.reduce.'),
    (r'((?:down|blocks|esp)\d(?:\.\d+)?)\.(?:bn\.)?(bn|act)\.', r'\1.norm_act.\2.'),
    (r'\.bn\.', '.norm.'),
    (r'\.d(\d+)\.conv\.', lambda m: f'.branches.{int(m[1]).bit_length() - 1}.'),  # by dilation
)
PREPROCESSING = {  # outputs -> (dataset, mean and std of the BGR pixels, image size H, W)
    20: (
        CityscapesDataset,
        (72.3923111, 82.90893555, 73.15840149),
        (45.3192215, 46.15289307, 44.91483307),
        (512, 1024),
    ),
    12: (
        CamVidDataset,
        (110.33102643, 108.40886315, 105.03319369),
        (72.12571016, 72.69074534, 69.90434816),
        (360, 480),
    ),
}


def num_blocks(state_dict: Mapping[str, Tensor], level: int) -> int:
    """ESP blocks in ``encoder.level{level}``."""
    pattern = re.compile(rf'encoder\.level{level}\.(\d+)\.')
    return len({match[1] for match in map(pattern.match, state_dict) if match})


def build_espnet(model: Mapping) -> nn.ModuleDict:
    """``backbone`` and ``decode_head`` of converted weights, from ``meta['model']``."""
    backbone = ESPNet(num_blocks=model['num_blocks'], skip=model['skip'])
    num_classes = model['num_classes']
    if model['head'] == 'ESPNetHead':
        head = ESPNetHead(backbone.out_channels, num_classes, channels=num_classes)
    else:
        head = ESPNetCHead(backbone.out_channels[-1], num_classes)
    return nn.ModuleDict(dict(backbone=backbone, decode_head=head))


def convert_espnet(state_dict: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict]:
    """Convert an official ESPNet-C or ESPNet state dict.

    Returns:
        The state dict for an ``EncoderDecoder`` of ``ESPNet`` with ``ESPNetHead`` (or
        ``ESPNetCHead``), and its meta data: ``model``, ``dataset_meta`` and ``preprocessing``.

    Raises:
        InputError: If it is not such a state dict, complete to the last tensor.
    """
    is_decoder = any(key.startswith('encoder.') for key in state_dict)
    if not is_decoder:
        state_dict = {f'encoder.{key}': value for key, value in state_dict.items()}
    blocks = num_blocks(state_dict, 2), num_blocks(state_dict, 3)
    scores = state_dict.get('encoder.classifier.conv.weight')
    if scores is None or 0 in blocks:
        raise InputError(
            'not an official ESPNet file: it has no ESPNet encoder; expected one of '
            'sacmehta/ESPNet pretrained/{encoder,decoder}/*.pth'
        )
    num_classes = len(scores)
    skip = 'level1_image'
    if is_decoder and 'conv.conv.weight' in state_dict:
        skip_channels = state_dict['conv.conv.weight'].shape[1] - num_classes
        skip = 'level1' if skip_channels == 16 else 'level1_image'

    converted = {rename(key, RENAMES): value.clone() for key, value in state_dict.items()}
    for key in [key for key in converted if key.endswith('.running_mean')]:
        tracked = key.replace('running_mean', 'num_batches_tracked')  # torch 0.3 had none
        converted.setdefault(tracked, torch.tensor(0))

    head = 'ESPNetHead' if is_decoder else 'ESPNetCHead'
    model = dict(head=head, num_blocks=blocks, skip=skip, num_classes=num_classes)
    reason = mismatch(build_espnet(model), converted)
    if reason:
        raise InputError(f'not an official ESPNet file: {reason}')

    meta = dict(model=model)
    if num_classes in PREPROCESSING:
        dataset, mean, std, size = PREPROCESSING[num_classes]
        meta['dataset_meta'] = {key: dataset.METAINFO[key] for key in ('classes', 'palette')}
        # The division by 255 comes after mean and std, in the official training too.
        meta['preprocessing'] = dict(
            bgr_to_rgb=False, mean=mean, std=tuple(255 * value for value in std), size=size
        )
    return converted, meta
