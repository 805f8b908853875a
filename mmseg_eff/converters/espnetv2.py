"""Official ESPNetv2 weights (sacmehta/EdgeNets, ``model_zoo``) -> our names.

Segmentation files hold the encoder (levels 1 to 4) and the decoder; 20 outputs are Cityscapes' 19
classes and one that was never trained, 21 are PASCAL VOC's. Classification files hold the encoder
with level 5 and the ImageNet classifier, which is left out.
"""

import re
from collections.abc import Mapping

from mmseg.datasets import CityscapesDataset, PascalVOCDataset
from mmseg.models.decode_heads import FCNHead
from torch import Tensor, nn

from ..checkpoint.io import mismatch, rename
from ..errors import InputError
from ..models import EPP, ESPNetv2
from ..models.backbones.espnetv2 import WIDTHS

NORM_ACT = {'0': 'norm', '1': 'act'}  # position in the authors' BN + PReLU
RENAMES = (  # of module names; first those of the whole network, then those inside a block
    (r'^level1\.conv\.', 'backbone.stem.0.'),
    (r'^level1\.', 'backbone.stem.1.'),
    (r'^level(\d)_0\.', lambda m: f'backbone.downs.{int(m[1]) - 2}.'),
    (r'^level(\d)\.', lambda m: f'backbone.stages.{int(m[1]) - 2}.'),
    (r'^bu_dec_l4\.merge_layer\.3\.', 'decode_head.conv_seg.'),
    (r'^bu_dec_l(\d)\.', lambda m: f'neck.pyramids.{int(m[1]) - 1}.'),
    (r'^merge_enc_dec_l(\d)\.', lambda m: f'neck.merges.{int(m[1]) - 2}.'),
    (r'^bu_br_l(\d)\.(\d)\.', lambda m: f'neck.norm_acts.{int(m[1]) - 2}.{NORM_ACT[m[2]]}.'),
    (r'\.proj_1x1\.conv\.', '.reduce.0.'),
    (r'\.proj_1x1\.', '.reduce.1.'),
    (r'\.spp_dw\.(\d)\.conv\.', r'.branches.\1.'),
    (r'\.br_after_cat\.', '.norm_act.'),
    (r'\.conv_1x1_exp\.conv\.', '.expand.0.'),
    (r'\.conv_1x1_exp\.bn\.', '.expand.1.'),
    (r'\.module_act\.', '.act.'),
    (r'\.inp_reinf\.0\.conv\.', '.reinforce.0.'),
    (r'\.inp_reinf\.0\.', '.reinforce.1.'),
    (r'\.inp_reinf\.1\.conv\.', '.reinforce.2.'),
    (r'\.inp_reinf\.1\.bn\.', '.reinforce.3.'),
    (r'(pyramids\.\d)\.stages\.', r'\1.branches.'),
    (r'\.projection_layer\.cbr\.', '.project.'),
    (r'\.merge_layer\.0\.br\.(\d)\.', lambda m: f'.norm_act.{NORM_ACT[m[1]]}.'),
    (r'\.merge_layer\.2\.cbr\.', '.fuse.'),
    (r'\.merge_layer\.3\.', '.expand.0.'),
    (r'\.br\.br\.(\d)\.', lambda m: f'.expand.1.{NORM_ACT[m[1]]}.'),
    (r'\.wt_layer\.1\.', '.gate.1.'),
    (r'\.expansion_layer\.cbr\.', '.conv.'),
    (r'\.(project|fuse|conv)\.1\.', r'.\1.1.norm.'),
    (r'\.(project|fuse|conv)\.2\.', r'.\1.1.act.'),
    (r'\.bn\.', '.norm.'),
)
DATASETS = {20: CityscapesDataset, 21: PascalVOCDataset}  # outputs -> dataset
PREPROCESSING = dict(  # ImageNet's, of the RGB pixels
    bgr_to_rgb=True, mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375)
)
CLASSIFIER_ONLY = re.compile(r'^(classifier|level5\.[3-9])\.')


def build_espnetv2(model: Mapping) -> nn.ModuleDict:
    """Backbone, neck and head (if any) of converted weights, from ``meta['model']``."""
    s, num_classes = model['width_multiplier'], model.get('num_classes')
    if num_classes is None:
        return nn.ModuleDict(dict(backbone=ESPNetv2(s, out_indices=(0, 1, 2, 3, 4))))
    backbone, width = ESPNetv2(s), model['proj_channels']
    head = FCNHead(
        in_channels=width,
        channels=width,
        num_classes=num_classes,
        in_index=0,
        num_convs=0,
        concat_input=False,
        dropout_ratio=0,
        align_corners=True,
    )
    neck = EPP(backbone.out_channels, proj_channels=width)
    return nn.ModuleDict(dict(backbone=backbone, neck=neck, decode_head=head))


def convert_espnetv2(state_dict: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict]:
    """Convert an official ESPNetv2 state dict, of segmentation or of ImageNet classification.

    Returns:
        The state dict for an ``EncoderDecoder`` of ``ESPNetv2``, ``EPP`` and ``FCNHead`` (only
        ``backbone.*`` for a classification file), and its meta data: ``model``, ``preprocessing``
        and, of segmentation, ``dataset_meta``.

    Raises:
        InputError: If it is not such a state dict, complete to the last tensor.
    """
    state_dict = {key.removeprefix('base_net.'): value for key, value in state_dict.items()}
    level2 = state_dict.get('level2_0.act.weight')
    multipliers = {widths[1]: s for s, widths in WIDTHS.items()}
    if level2 is None or len(level2) not in multipliers:
        raise InputError(
            'not an official ESPNetv2 file: it has no ESPNetv2 encoder; expected one of '
            'sacmehta/EdgeNets model_zoo/espnetv2/*.pth'
        )
    model: dict = dict(width_multiplier=multipliers[len(level2)])
    classifier = state_dict.get('bu_dec_l4.merge_layer.3.weight')
    if classifier is not None:
        model.update(num_classes=len(classifier), proj_channels=classifier.shape[1])
    converted = {
        rename(key, RENAMES): value.clone()
        for key, value in state_dict.items()
        if not CLASSIFIER_ONLY.match(key)
    }
    reason = mismatch(build_espnetv2(model), converted)
    if reason:
        raise InputError(f'not an official ESPNetv2 file: {reason}')

    meta: dict = dict(model=model, preprocessing=PREPROCESSING)
    if model.get('num_classes') in DATASETS:
        metainfo = DATASETS[model['num_classes']].METAINFO
        meta['dataset_meta'] = {key: metainfo[key] for key in ('classes', 'palette')}
    return converted, meta
