import copy

import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from torch import nn

from mmseg_eff.config.output_stride import set_output_stride
from mmseg_eff.errors import InputError


def deeplab(backbone='AtrousMobileNetV2', head='DeepLabV3Head', of_backbone=None, **of_head):
    channels = dict(AtrousMobileNetV2=320, AtrousVGG=512, EfficientNet=320).get(backbone, 3)
    return Config(
        dict(
            model=dict(
                type='EncoderDecoder',
                data_preprocessor=dict(type='SegDataPreProcessor', size_divisor=1),
                backbone=dict(type=backbone, **(of_backbone or {})),
                decode_head=dict(type=head, in_channels=channels, num_classes=4, **of_head),
                test_cfg=dict(mode='whole'),
            )
        )
    )


@pytest.mark.parametrize(
    'config',
    [
        deeplab(of_backbone=dict(output_stride=16), use_image_pool=False, channels=8),
        deeplab(cell='published', channels=8),
        deeplab(head='DeepLabV2Head', atrous_rates=(3, 6)),
        deeplab(head='DeepLabV1Head', atrous_rate=3, channels=8),
    ],
    ids=['v3', 'cell', 'v2', 'v1'],
)
def test_finer_maps_hold_the_coarser_ones(config):
    """The same weights at half the stride: every second value is that of the network as trained."""
    trained = MODELS.build(config.model).eval()
    for parameter in trained.parameters():
        if parameter.ndim > 1:  # the authors' initial weights give logits of almost nothing
            nn.init.kaiming_normal_(parameter)
    set_output_stride(config, 8)
    finer = MODELS.build(config.model).eval()
    finer.load_state_dict(trained.state_dict())
    image = torch.randn(1, 3, 33, 49)
    with torch.no_grad():
        expected, logits = trained(image), finer(image)
    assert expected.shape[2:] == (3, 4) and logits.shape[2:] == (5, 7)
    assert expected.std() > 0.1
    torch.testing.assert_close(logits[..., ::2, ::2], expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ('old', 'new', 'align_corners', 'expected'),
    [
        (16, 8, True, [65, 129]),  # (513 - 1) / 8 + 1
        (8, 16, True, [17, 33]),
        (16, 8, False, [66, 130]),
        (16, 16, False, [33, 65]),
        (16, 32, True, [17, 33]),
    ],
)
def test_pooled_size_covers_the_same_part_of_the_image(old, new, align_corners, expected):
    config = deeplab(
        of_backbone=dict(output_stride=old), image_pool_size=(33, 65), align_corners=align_corners,
        output_stride=old,
    )  # fmt: skip
    set_output_stride(config, new)
    assert config.model.decode_head.image_pool_size == expected
    assert config.model.decode_head.output_stride == config.model.backbone.output_stride == new


def test_rates_meant_for_another_stride_are_scaled_with_the_map():
    config = deeplab('EfficientNet', of_backbone=dict(output_stride=32))  # its head: 16
    set_output_stride(config, 16)
    assert config.model.decode_head.output_stride == 8


@pytest.mark.parametrize(
    ('config', 'output_stride', 'message'),
    [
        (deeplab(), 4, r'output_stride must be one of \(8, 16, 32\), got 4'),
        (deeplab('ESPNetv2'), 8, 'backbone ESPNetv2 has no output_stride to set'),
        (deeplab(head='FCNHead'), 8, 'FCNHead cannot change .*: it has no output_stride, atrous_r'),
        (deeplab('EfficientNet'), 8, 'from output stride 32 to 8: its own is 16, and'),
        (deeplab('AtrousVGG', 'DeepLabV1Head', atrous_rate=6), 32, '6 would not be an integer'),
        (deeplab('AtrousVGG', 'DeepLabV2Head'), 32, '6 would not be an integer'),
    ],
)
def test_wrong_output_stride(config, output_stride, message):
    before = copy.deepcopy(config.model)
    with pytest.raises(InputError, match=message):
        set_output_stride(config, output_stride)
    assert config.model == before


def test_networks_with_a_neck_are_refused():
    config = deeplab()
    config.model.neck = dict(type='BiFPN')
    with pytest.raises(InputError, match=r'a network with a neck \(BiFPN\)'):
        set_output_stride(config, 8)
