"""Our parts and those of the OpenMMLab packages in one network: configs/mix, and a matrix of all.

The matrix has every triple of a backbone, a neck and a head, one of them ours, that fit by their
numbers of maps and strides. Each backbone meets each neck under one head; all heads are ``slow``.
"""

import functools
import re
from collections.abc import Callable, Sequence
from itertools import product
from typing import NamedTuple

import pytest
import torch
from config_files import CONFIGS, read
from helpers import build_segmentor, samples
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmseg.apis import MMSegInferencer
from mmseg.registry import MODELS
from torch import nn

import mmseg_eff
from mmseg_eff.models import BiFPN, EfficientNet

CONFIG_FILES = sorted((CONFIGS / 'mix').glob('*.py'))
SIZE, NUM_CLASSES, WIDTH = 64, 5, 8
BN = dict(type='BN')
BACKBONE_NAMES = {  # first part of a config's name -> what must be in the config
    'atrous-mobilenetv2': dict(type='AtrousMobileNetV2'),
    'efficientnet-b0': dict(type='EfficientNet', arch='b0'),
    'efficientnet-lite0': dict(type='EfficientNet', arch='lite0'),
    'espnet-c-p2q8': dict(type='ESPNet', num_blocks=(2, 8)),
    'espnetv2-s2.0': dict(type='ESPNetv2', width_multiplier=2.0),
    'mit-b0': dict(type='MixVisionTransformer', embed_dims=32),
    'mobilenetv2': dict(type='MobileNetV2'),
    'mobilenetv3-large': dict(type='MobileNetV3', arch='large'),
    'resnet18': dict(type='ResNet', depth=18),
    'resnet50': dict(type='ResNet', depth=50),
    'stdc1': dict(type='STDCNet', stdc_type='STDCNet1'),
    'swin-t': dict(type='SwinTransformer'),
    'xception41': dict(type='Xception', arch='41'),
}
NECK_NAMES = {'none': None, 'bifpn': 'BiFPN', 'epp': 'EPP', 'fpn': 'FPN'}
HEAD_NAMES = {
    'deeplabv3plus': 'DeepLabV3PlusHead',
    'espnet': 'ESPNetHead',
    'fcn': 'FCNHead',
    'fpn': 'FPNHead',
    'psp': 'PSPHead',
    'segformer': 'SegformerHead',
    'uper': 'UPerHead',
    'weightedsum': 'WeightedSumHead',
}


class Backbone(NamedTuple):
    strides: tuple[int, ...]  # of its maps; the channels are measured
    arguments: dict


class Neck(NamedTuple):
    config: Callable[[list[int]], dict | None]  # channels of the maps -> config
    strides: Callable[[tuple[int, ...]], tuple[int, ...]]  # of its input -> of its output
    min_maps: int = 1
    has_one_width: bool = True


class Head(NamedTuple):
    choose: Callable[[tuple[int, ...]], int | list[int] | None]  # strides -> in_index, if it fits
    arguments: dict
    needs_one_width: bool = False


BACKBONES = {
    'AtrousMobileNetV2': Backbone((4, 8, 16, 16), dict(widen_factor=0.1)),
    'AtrousResNet': Backbone((4, 8, 16, 16), dict(depth=50)),
    'AtrousVGG': Backbone((2, 4, 8, 8, 8), dict()),
    'ESPNet': Backbone((2, 4, 8), dict(num_blocks=(1, 1))),
    'ESPNetv2': Backbone((2, 4, 8, 16), dict(width_multiplier=0.5)),
    'EfficientNet': Backbone(
        (4, 8, 16, 32), dict(width=0.1, depth=0.1, out_indices=(1, 2, 3, 4), norm_cfg=BN)
    ),
    'Xception': Backbone((4, 8, 16, 32), dict(arch='41', output_stride=32)),
    # mmseg's
    'BiSeNetV2': Backbone((8,), dict(out_indices=(0,))),  # the others are for auxiliary heads
    'CGNet': Backbone((2, 4, 8), dict(num_channels=(8, 16, 32), num_blocks=(1, 1))),
    'ERFNet': Backbone((2,), dict()),
    'FastSCNN': Backbone((8,), dict(out_indices=(2,))),
    'MSCAN': Backbone(
        (4, 8, 16, 32), dict(embed_dims=(8, 8, 16, 16), depths=(1, 1, 1, 1), norm_cfg=BN)
    ),
    'MixVisionTransformer': Backbone(
        (4, 8, 16, 32), dict(embed_dims=8, num_layers=(1, 1, 1, 1), num_heads=(1, 1, 2, 2))
    ),
    'MobileNetV2': Backbone((4, 8, 16, 32), dict(widen_factor=0.1, out_indices=(1, 2, 4, 6))),
    'MobileNetV3': Backbone((2, 4, 8), dict(arch='small')),
    'PCPVT': Backbone(
        (4, 8, 16, 32),
        dict(
            embed_dims=(8, 8, 16, 16),
            num_heads=(1, 1, 2, 2),
            mlp_ratios=(2, 2, 2, 2),
            depths=(1, 1, 1, 1),
        ),
    ),
    'ResNet': Backbone((4, 8, 16, 32), dict(depth=18, stem_channels=8, base_channels=8)),
    'ResNetV1c': Backbone(
        (4, 8, 8, 8),
        dict(
            depth=18,
            stem_channels=8,
            base_channels=8,
            strides=(1, 2, 1, 1),
            dilations=(1, 1, 2, 4),
        ),
    ),
    'STDCNet': Backbone(
        (8, 16, 32),
        dict(
            stdc_type='STDCNet1',
            in_channels=3,
            channels=(8, 8, 16, 32, 64),
            bottleneck_type='cat',
            norm_cfg=BN,
            act_cfg=dict(type='ReLU'),
        ),
    ),
    'SwinTransformer': Backbone(
        (4, 8, 16, 32), dict(embed_dims=8, depths=(1, 1, 1, 1), num_heads=(1, 1, 2, 2))
    ),
    'VisionTransformer': Backbone(
        (16, 16), dict(img_size=SIZE, embed_dims=16, num_layers=2, num_heads=2, out_indices=(0, 1))
    ),
}


def fpn(channels: list[int]) -> dict:
    return dict(type='FPN', in_channels=channels, out_channels=WIDTH, num_outs=len(channels))


def with_a_pooled_level(strides: tuple[int, ...]) -> tuple[int, ...]:
    return (*strides, 2 * strides[-1])


NECKS = {
    'none': Neck(lambda channels: None, lambda strides: strides, has_one_width=False),
    'BiFPN': Neck(
        lambda channels: dict(
            type='BiFPN', in_channels=channels, channels=WIDTH, num_outs=len(channels) + 1
        ),
        with_a_pooled_level,
    ),
    'EPP': Neck(
        lambda channels: dict(
            type='EPP',
            in_channels=channels,
            channels=[WIDTH] * (len(channels) - 1),
            proj_channels=WIDTH,
        ),
        lambda strides: strides[:1],
        min_maps=2,
    ),
    'PooledLevels': Neck(
        lambda channels: dict(
            type='PooledLevels', neck=fpn([*channels, channels[-1]]), num_outs=len(channels) + 1
        ),
        with_a_pooled_level,
    ),
    # mmseg's
    'FPN': Neck(fpn, lambda strides: strides, min_maps=2),
    'JPU': Neck(
        lambda channels: dict(
            type='JPU', in_channels=tuple(channels), mid_channels=WIDTH, dilations=(1, 2)
        ),
        lambda strides: (*strides[:-1], strides[0]),
        min_maps=2,
        has_one_width=False,
    ),
    'MultiLevelNeck': Neck(
        lambda channels: dict(
            type='MultiLevelNeck',
            in_channels=channels,
            out_channels=WIDTH,
            scales=[1] * len(channels),
        ),
        lambda strides: strides,
        min_maps=2,
    ),
}


def last(strides: tuple[int, ...]) -> int:
    return -1


def last_as_list(strides: tuple[int, ...]) -> list[int]:
    return [len(strides) - 1]


def every(strides: tuple[int, ...]) -> list[int] | None:
    """All of several maps, finest first."""
    is_pyramid = len(strides) > 1 and list(strides) == sorted(strides)
    return list(range(len(strides))) if is_pyramid else None


def finest_and_last(strides: tuple[int, ...]) -> list[int] | None:
    return [0, len(strides) - 1] if strides[0] < strides[-1] else None


def last_two(strides: tuple[int, ...]) -> list[int] | None:
    return [len(strides) - 2, len(strides) - 1] if len(strides) > 1 else None


def three_halvings(strides: tuple[int, ...]) -> list[int] | None:
    """The last three maps, if each is half the size of the one before."""
    fits = len(strides) > 2 and strides[-3] * 4 == strides[-2] * 2 == strides[-1]
    return [len(strides) - 3, len(strides) - 2, len(strides) - 1] if fits else None


CHANNELS = dict(channels=WIDTH)
HEADS = {
    'DeepLabV1Head': Head(last, CHANNELS),
    'DeepLabV2Head': Head(last, dict()),
    'DeepLabV3Head': Head(last, CHANNELS),
    'DeepLabV3PlusHead': Head(finest_and_last, CHANNELS),
    'ESPNetCHead': Head(last, dict()),
    'ESPNetHead': Head(three_halvings, CHANNELS),
    'WeightedSumHead': Head(every, CHANNELS, needs_one_width=True),
    # mmseg's. Not here: heads for one backbone alone (DDRNet's, PIDNet's, STDC's, …), those that
    # refine another head's result, those that need mmcv's compiled ops, DMHead, which cannot view
    # the transposed maps of MixVisionTransformer, and LRASPPHead, whose pooling window of 49 pixels
    # is larger than the maps here.
    'ANNHead': Head(last_two, dict(**CHANNELS, project_channels=WIDTH)),
    'APCHead': Head(last, CHANNELS),
    'ASPPHead': Head(last, dict(**CHANNELS, dilations=(1, 6))),
    'DAHead': Head(last, dict(**CHANNELS, pam_channels=WIDTH)),
    'DNLHead': Head(last, CHANNELS),
    'DepthwiseSeparableASPPHead': Head(
        finest_and_last, dict(**CHANNELS, dilations=(1, 6), c1_channels=WIDTH)
    ),
    'DepthwiseSeparableFCNHead': Head(last, dict(**CHANNELS, num_convs=1)),
    'EMAHead': Head(last, dict(**CHANNELS, ema_channels=WIDTH, num_bases=4, num_stages=2)),
    'EncHead': Head(last_as_list, dict(**CHANNELS, num_codes=4)),
    'FCNHead': Head(last, CHANNELS),
    'FPNHead': Head(every, CHANNELS),
    'GCHead': Head(last, CHANNELS),
    'ISAHead': Head(last, dict(**CHANNELS, isa_channels=WIDTH, down_factor=(2, 2))),
    'LightHamHead': Head(every, dict(**CHANNELS, ham_channels=WIDTH)),
    'NLHead': Head(last, CHANNELS),
    'PSPHead': Head(last, CHANNELS),
    'SegformerHead': Head(every, CHANNELS),
    'UPerHead': Head(every, CHANNELS),
}
# Parameters of mmseg's without a gradient where a head leaves maps unread: each of these maps has
# layers of its own.
OWN_LAYERS = dict(
    SwinTransformer=r'backbone\.norm\d\.',
    FPN=r'neck\.(lateral|fpn)_convs\.',
    PooledLevels=r'neck\.neck\.(lateral|fpn)_convs\.',
    MultiLevelNeck=r'neck\.(lateral_convs|convs)\.',
)


class Triple(NamedTuple):
    backbone: str
    neck: str
    head: str

    def has_ours(self) -> bool:
        return any(part in mmseg_eff.models.__all__ for part in self)

    def fits(self) -> bool:
        strides, neck, head = BACKBONES[self.backbone].strides, NECKS[self.neck], HEADS[self.head]
        return (
            len(strides) >= neck.min_maps
            and (neck.has_one_width or not head.needs_one_width)
            and head.choose(neck.strides(strides)) is not None
        )


MATRIX = [
    triple
    for triple in map(Triple._make, product(BACKBONES, NECKS, HEADS))
    if triple.has_ours() and triple.fits()
]
COUPLES = {}
for triple in MATRIX:
    COUPLES.setdefault(triple[:2], []).append(triple)
SHORT = [  # one head for each couple, every head in turn
    triples[index % len(triples)] for index, triples in enumerate(COUPLES.values())
]


@functools.lru_cache(maxsize=1)
def segmentor_of(backbone: str) -> tuple[nn.Module, list[int]]:
    """A segmentor whose neck and head are exchanged, and the channels of its backbone's maps."""
    arguments = BACKBONES[backbone].arguments
    model = build_segmentor(dict(type=backbone, **arguments), head_config('ESPNetCHead', [3], (1,)))
    with torch.no_grad():
        maps = model.backbone(torch.zeros(2, 3, SIZE, SIZE))
    assert tuple(SIZE // x.shape[2] for x in maps) == BACKBONES[backbone].strides
    return model, [x.shape[1] for x in maps]


def head_config(name: str, channels: Sequence[int], strides: tuple[int, ...]) -> dict:
    """Config of a head for maps of these channels and strides."""
    head = HEADS[name]
    indices = head.choose(strides)
    config = dict(type=name, num_classes=NUM_CLASSES, norm_cfg=BN, in_index=indices)
    if name == 'DepthwiseSeparableASPPHead':  # it finds the finest map by itself
        config.update(in_index=indices[-1], c1_in_channels=channels[0])
    if name == 'FPNHead':
        config.update(feature_strides=strides)
    taken = config['in_index']
    of_taken = channels[taken] if isinstance(taken, int) else [channels[i] for i in taken]
    return dict(**config, in_channels=of_taken, **head.arguments)


def train_one_step(triple: Triple) -> None:
    """One step of the optimiser; checks the loss and who has a gradient."""
    model, channels = segmentor_of(triple.backbone)
    neck = NECKS[triple.neck]
    config = neck.config(channels)
    model.neck = config and MODELS.build(config)
    with torch.no_grad():
        given = model.extract_feat(torch.zeros(2, 3, SIZE, SIZE))
    head = head_config(
        triple.head,
        [x.shape[1] for x in given],
        neck.strides(BACKBONES[triple.backbone].strides),
    )
    model.decode_head = MODELS.build(head)
    labels = torch.randint(NUM_CLASSES, (2, SIZE, SIZE))
    labels[:, -5:] = 255
    model.train().zero_grad()
    losses = model.loss(torch.randn(2, 3, SIZE, SIZE), samples(labels))
    loss, _ = model.parse_losses(losses)
    assert loss.isfinite() and loss > 0
    loss.backward()
    without = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    if HEADS[triple.head].choose is not every:
        own = [OWN_LAYERS[part] for part in triple if part in OWN_LAYERS]
        without = [name for name in without if not any(re.match(layers, name) for layers in own)]
    assert without == [], triple
    torch.optim.SGD(model.parameters(), lr=1e-3).step()


def test_size_of_the_matrix():
    assert len(MATRIX) == 2217
    assert len(SHORT) == 135
    for column, parts in enumerate((BACKBONES, NECKS, HEADS)):
        assert {triple[column] for triple in SHORT} == set(parts)


@pytest.mark.parametrize('triple', SHORT, ids='-'.join)
def test_every_backbone_trains_under_every_neck(triple):
    train_one_step(triple)


@pytest.mark.slow
@pytest.mark.parametrize('backbone', BACKBONES)
def test_all_that_fits_trains(backbone):
    triples = [triple for triple in MATRIX if triple.backbone == backbone]
    assert len(triples) > 20
    for triple in triples:
        train_one_step(triple)


def test_every_part_of_the_names_is_known():
    names = [path.stem.split('_') for path in CONFIG_FILES]
    assert names
    for column, known in enumerate((BACKBONE_NAMES, NECK_NAMES, HEAD_NAMES)):
        assert {name[column] for name in names} == set(known)


@pytest.mark.parametrize('path', CONFIG_FILES, ids=lambda path: path.stem)
def test_config_is_what_its_name_says_and_trains(path):
    config = read(path)
    backbone, neck, head = path.stem.split('_')
    expected = BACKBONE_NAMES[backbone]
    assert {key: config.model.backbone[key] for key in expected} == expected
    assert config.model.get('neck', {}).get('type') == NECK_NAMES[neck]
    assert config.model.decode_head.type == HEAD_NAMES[head]
    assert tuple(config.model.data_preprocessor.size) == tuple(config.crop_size) == (512, 1024)
    assert config.model.decode_head.num_classes == config.num_classes

    model = revert_sync_batchnorm(MODELS.build(config.model))
    labels = torch.randint(config.num_classes, (2, 64, 96))
    loss, _ = model.parse_losses(model.loss(torch.randn(2, 3, 64, 96), samples(labels)))
    loss.backward()
    assert loss.isfinite()
    assert [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None] == []


@pytest.mark.parametrize(
    'name', ['efficientnet-b0_none_uper', 'mit-b0_bifpn_weightedsum', 'stdc1_none_espnet']
)
def test_config_in_mmsegs_inferencer(name, make_image, tmp_path):
    image = make_image(tmp_path / 'image.png', 45, 71)
    (path,) = (path for path in CONFIG_FILES if path.stem == name)
    result = MMSegInferencer(str(path), device='cpu')(str(image), return_vis=True)
    assert result['predictions'].shape == (45, 71)
    assert result['predictions'].max() < 19
    assert result['visualization'].shape == (45, 71, 3)


def import_or_skip(module: str):
    reason = f'{module} is not installed, or not what it imports (mmpretrain: torchvision)'
    return pytest.importorskip(module, reason=reason, exc_type=ImportError)


@pytest.mark.parametrize('prefix', ['mmseg', 'mmseg_eff'])
@pytest.mark.parametrize('scope', ['mmdet', 'mmpretrain'])
def test_ours_in_the_scope_of_other_packages(scope, prefix):
    registry = import_or_skip(f'{scope}.registry').MODELS
    import_or_skip(f'{scope}.models')  # the registry imports them itself
    init_default_scope(scope)
    backbone = registry.build(
        dict(type=f'{prefix}.EfficientNet', width=0.1, depth=0.1, out_indices=(2, 3, 4))
    )
    neck = registry.build(
        dict(type=f'{prefix}.BiFPN', in_channels=backbone.out_channels, channels=8, num_outs=5)
    )
    assert type(backbone) is EfficientNet and type(neck) is BiFPN
    maps = neck(backbone(torch.zeros(2, 3, 64, 64)))
    assert [x.shape[1:] for x in maps] == [(8, size, size) for size in (8, 4, 2, 1, 1)]


def test_ours_in_a_detector_of_mmdet():
    import_or_skip('mmdet.models')
    from mmdet.registry import MODELS as registry
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    init_default_scope('mmdet')
    anchors = dict(type='AnchorGenerator', scales=[4], ratios=[1.0], strides=[8, 16, 32, 64, 128])
    detector = registry.build(
        dict(
            type='RetinaNet',
            backbone=dict(type='mmseg.EfficientNet', width=0.1, depth=0.1, out_indices=(2, 3, 4)),
            neck=dict(type='mmseg.BiFPN', in_channels=[8, 16, 32], channels=8, num_outs=5),
            bbox_head=dict(
                type='RetinaHead',
                num_classes=3,
                in_channels=8,
                feat_channels=8,
                stacked_convs=1,
                anchor_generator=anchors,
            ),
            train_cfg=dict(
                assigner=dict(type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.4),
                sampler=dict(type='PseudoSampler'),
                allowed_border=-1,
                pos_weight=-1,
            ),
        )
    )
    instances = InstanceData(
        bboxes=torch.tensor([[8.0, 8.0, 40.0, 40.0]]), labels=torch.tensor([1])
    )
    meta = dict(img_shape=(64, 64), pad_shape=(64, 64))
    targets = [DetDataSample(gt_instances=instances, metainfo=meta) for _ in range(2)]
    loss, _ = detector.parse_losses(detector.loss(torch.randn(2, 3, 64, 64), targets))
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is not None for p in detector.parameters())


def test_ours_in_a_classifier_of_mmpretrain():
    import_or_skip('mmpretrain.models')
    from mmpretrain.registry import MODELS as registry
    from mmpretrain.structures import DataSample

    init_default_scope('mmpretrain')
    classifier = registry.build(
        dict(
            type='ImageClassifier',
            backbone=dict(type='mmseg.EfficientNet', width=0.1, depth=0.1, out_indices=(4,)),
            neck=dict(type='GlobalAveragePooling'),
            head=dict(type='LinearClsHead', num_classes=3, in_channels=32),
        )
    )
    targets = [DataSample().set_gt_label(label) for label in (0, 2)]
    loss, _ = classifier.parse_losses(classifier.loss(torch.randn(2, 3, 64, 64), targets))
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is not None for p in classifier.parameters())


@pytest.mark.parametrize(
    ('backbone', 'channels'),
    [
        (
            dict(
                type='mmpretrain.ConvNeXt',
                arch=dict(depths=[1, 1, 1, 1], channels=[8, 8, 16, 16]),
                out_indices=(0, 1, 2, 3),
                gap_before_final_norm=False,
            ),
            [8, 8, 16, 16],
        ),
        (
            dict(type='mmpretrain.MobileNetV2', widen_factor=0.1, out_indices=(1, 2, 4, 7)),
            [8, 8, 16, 1280],
        ),
    ],
    ids=['ConvNeXt', 'MobileNetV2'],
)
def test_backbones_of_mmpretrain_under_our_neck_and_head(backbone, channels):
    import_or_skip('mmpretrain.models')
    model = build_segmentor(
        backbone,
        dict(
            type='WeightedSumHead',
            in_channels=[WIDTH] * 5,
            channels=WIDTH,
            num_classes=NUM_CLASSES,
        ),
        neck=NECKS['BiFPN'].config(channels),
    )
    labels = torch.randint(NUM_CLASSES, (2, SIZE, SIZE))
    loss, _ = model.parse_losses(model.loss(torch.randn(2, 3, SIZE, SIZE), samples(labels)))
    loss.backward()
    assert loss.isfinite()
    assert [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None] == []
