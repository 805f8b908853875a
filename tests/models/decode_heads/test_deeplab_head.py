import json

import pytest
import torch
from helpers import count_parameters, samples, train_step
from mmseg.registry import MODELS
from torch import nn
from torch.nn import functional as F

from mmseg_eff.models.decode_heads.deeplab_head import DeepLabV1Head, DeepLabV2Head
from mmseg_eff.models.decode_heads.deeplabv3plus_head import DeepLabV3Head
from mmseg_eff.models.layers.dense_prediction_cell import PUBLISHED_CELL

BACKBONE = dict(
    type='EfficientNet', arch='lite0', width=0.25, depth=0.5, output_stride=8, out_indices=(1, 4)
)
HEADS = [  # on its coarsest map
    dict(type='DeepLabV1Head', channels=8),
    dict(type='DeepLabV2Head'),
    dict(type='DeepLabV3Head', channels=8, output_stride=8),
    dict(type='DeepLabV3Head', channels=8, output_stride=8, use_separable=True),
    dict(type='DeepLabV3Head', channels=8, atrous_rates=(), image_pool_size=(6, 6)),
    dict(type='DeepLabV3Head', channels=8, cell='published'),
]


def test_v1_is_two_hidden_layers():
    net = DeepLabV1Head(6, 5, channels=7, atrous_rate=3).eval()
    x = torch.randn(2, 6, 9, 8)
    first, second = (net.hidden[index].conv for index in (0, 2))
    expected = F.conv2d(x, first.weight, first.bias, padding=3, dilation=3).clamp(min=0)
    expected = F.conv2d(expected, second.weight, second.bias).clamp(min=0)
    expected = F.conv2d(expected, net.conv_seg.weight, net.conv_seg.bias)
    torch.testing.assert_close(net([x]), expected)


def test_v1_has_the_layers_of_the_paper():
    net = DeepLabV1Head(512, 21)
    assert count_parameters(net) == (512 * 9 + 1) * 1024 + 1025 * 1024 + 1025 * 21
    assert [m.p for m in net.hidden if isinstance(m, nn.Dropout)] == [0.5, 0.5]
    assert net.hidden[0].dilation == (12, 12)


def test_v2_is_the_sum_of_its_classifiers():
    net = DeepLabV2Head(6, 5)
    x = torch.randn(2, 6, 30, 9)
    expected = torch.zeros(2, 5, 30, 9)
    for rate, conv in zip((6, 12, 18, 24), net.conv_seg, strict=True):
        expected += F.conv2d(x, conv.weight, conv.bias, padding=rate, dilation=rate)
    torch.testing.assert_close(net([x]), expected)
    assert count_parameters(net) == 4 * (6 * 9 + 1) * 5


def test_v3_has_the_layers_of_the_paper():
    light = DeepLabV3Head(320, 21, atrous_rates=())
    assert count_parameters(light) == 2 * (320 * 256 + 512) + 512 * 256 + 512 + 257 * 21
    full = DeepLabV3Head(2048, 21)
    atrous = 3 * (2048 * 9 * 256 + 512)
    points = 2 * (2048 * 256 + 512) + 5 * 256 * 256 + 512 + 257 * 21
    assert count_parameters(full) == atrous + points


def test_classifiers_start_small():
    for net in (DeepLabV1Head(64, 21), DeepLabV2Head(64, 21), DeepLabV3Head(8, 21)):
        net.init_weights()
        for conv in net.conv_seg if isinstance(net.conv_seg, nn.ModuleList) else [net.conv_seg]:
            assert conv.weight.std().item() == pytest.approx(0.01, rel=0.1)
            assert conv.bias.eq(0).all()


@pytest.mark.parametrize('head_type', [DeepLabV1Head, DeepLabV2Head])
def test_every_eighth_label_counts_in_v1_and_v2(head_type):
    """321 pixels give 41 points: those of the labels 0, 8, …, 320."""
    net = head_type(2, 3, loss_decode=dict(type='WeightedCrossEntropy'))
    logits = torch.randn(2, 3, 41, 6)
    labels = torch.randint(3, (2, 321, 41))
    labels[:, :40] = 255
    loss = net.loss_by_feat(logits, samples(labels))['loss_ce']
    expected = F.cross_entropy(logits, labels[:, ::8, ::8], ignore_index=255)
    torch.testing.assert_close(loss, expected)


def test_small_labels_without_aligned_corners_are_those_in_the_middle():
    net = DeepLabV2Head(2, 3, align_corners=False, loss_decode=dict(type='WeightedCrossEntropy'))
    logits = torch.randn(2, 3, 4, 5)
    labels = torch.randint(3, (2, 12, 15))
    loss = net.loss_by_feat(logits, samples(labels))['loss_ce']
    torch.testing.assert_close(loss, F.cross_entropy(logits, labels[:, 1::3, 1::3]))


@pytest.mark.parametrize('align_corners', [False, True])
def test_logits_are_upsampled_to_the_labels(align_corners):
    net = DeepLabV2Head(
        2,
        3,
        use_small_labels=False,
        align_corners=align_corners,
        loss_decode=dict(type='WeightedCrossEntropy'),
    )
    logits = torch.randn(2, 3, 5, 6)
    labels = torch.randint(3, (2, 33, 41))
    upsampled = F.interpolate(logits, (33, 41), mode='bilinear', align_corners=align_corners)
    loss = net.loss_by_feat(logits, samples(labels))['loss_ce']
    torch.testing.assert_close(loss, F.cross_entropy(upsampled, labels))


@pytest.mark.parametrize('head', HEADS)
def test_every_parameter_is_trained(head):
    log = train_step(BACKBONE, dict(head, in_channels=80, num_classes=4))
    assert log['loss'].isfinite()


@pytest.mark.parametrize('head', HEADS)
@pytest.mark.parametrize('size', [(1, 1), (2, 9), (13, 8)])
def test_any_map_size_and_one_image(head, size):
    net = MODELS.build(dict(head, in_channels=4, num_classes=3)).eval()
    x = torch.randn(1, 4, *size)
    assert net([x]).shape == (1, 3, *size)


def test_cell_is_read_from_a_file(tmp_path):
    path = tmp_path / 'cell.json'
    path.write_text(json.dumps(PUBLISHED_CELL))
    torch.manual_seed(1)
    from_file = DeepLabV3Head(4, 3, 8, cell=str(path)).eval()
    torch.manual_seed(1)
    published = DeepLabV3Head(4, 3, 8, cell='published').eval()
    x = torch.randn(1, 4, 9, 9)
    assert torch.equal(from_file([x]), published([x]))


@pytest.mark.parametrize('text', [None, '[{'])
def test_unreadable_cell_is_named(text, tmp_path):
    path = tmp_path / 'cell.json'
    if text:
        path.write_text(text)
    with pytest.raises(ValueError) as error:
        DeepLabV3Head(4, 3, cell=str(path))
    message = str(error.value)
    assert message.startswith(f"cell must be 'published' or a JSON file: {path}: ")
    assert '\n' not in message


@pytest.mark.parametrize(
    ('head', 'message'),
    [
        (dict(type='DeepLabV1Head', atrous_rate=0), 'atrous_rate must be 1 or more, got 0'),
        (dict(type='DeepLabV2Head', atrous_rates=()), 'atrous_rates must be one or more, got none'),
        (dict(type='DeepLabV2Head', atrous_rates=12), 'atrous_rates must be whole numbers .* 12'),
        (dict(type='DeepLabV3Head', output_stride=4), 'output_stride must be 8, 16 or 32, got 4'),
        (dict(type='DeepLabV3Head', num_classes=0), 'num_classes must be 1 or more, got 0'),
        (dict(type='DeepLabV3Head', cell=[dict(op='conv')]), 'input of branch 0 .* got None'),
    ],
)
def test_wrong_arguments_are_named(head, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build({'in_channels': 4, 'num_classes': 3, **head})


@pytest.mark.parametrize('head_type', [DeepLabV1Head, DeepLabV2Head, DeepLabV3Head])
@pytest.mark.parametrize(('index', 'channels'), [(2, 4), (-3, 4), (0, 8)])
def test_other_maps_are_refused(head_type, index, channels):
    net = head_type(channels, 3, in_index=index)
    with pytest.raises(ValueError) as error:
        net([torch.rand(1, 4, 5, 5), torch.rand(1, 6, 3, 3)])
    assert str(error.value) == (
        f'{head_type.__name__} was built for in_index={index} of {channels} channels and got maps '
        'of [4, 6] channels'
    )
