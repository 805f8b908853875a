import copy

import pytest
import torch
from helpers import build_segmentor
from timing import CallCounter
from torch import nn

from mmseg_eff.models import optimize_for_inference

BACKBONE = dict(type='EfficientNet', arch='b0', width=0.25, depth=0.5, out_indices=(2, 3, 4))
HEAD = dict(type='WeightedSumHead', in_channels=[8] * 5, channels=8, num_classes=4)
META = dict(img_shape=(65, 97), ori_shape=(65, 97), pad_shape=(65, 97))


def trained(**head):
    model = build_segmentor(
        BACKBONE,
        {**HEAD, **head},
        neck=dict(type='BiFPN', in_channels=[16, 32, 80], channels=8, num_outs=5, num_repeats=2),
    )
    for value in [*model.neck.parameters(), *model.decode_head.parameters(), *model.buffers()]:
        if value.dim() == 1 and value.is_floating_point():
            nn.init.uniform_(value, 0.5, 1.5)
    return model.eval()


@pytest.mark.parametrize(
    'head', [{}, dict(in_index=[0, 1], in_channels=[8, 8]), dict(classifier='1x1')]
)
def test_the_same_function_of_fewer_operations(head):
    model = trained(**head)
    folded = optimize_for_inference(copy.deepcopy(model))
    assert not any(isinstance(m, nn.BatchNorm2d) for m in folded.modules())
    image = torch.randn(1, 3, 65, 97)
    outputs, calls = [], []
    for net in (model, folded):
        with torch.no_grad(), CallCounter() as counter:
            outputs.append(net.encode_decode(image, [META]))
        calls.append(counter.calls)
    expected, given = outputs
    assert (given - expected).abs().max() <= 1e-5 * expected.abs().max()
    assert torch.equal(given.argmax(1), expected.argmax(1))
    assert calls[1] < 0.65 * calls[0]


def test_other_networks_keep_their_function():
    model = build_segmentor(
        dict(type='ResNet', depth=18, base_channels=8, norm_cfg=dict(type='BN')),
        dict(type='FCNHead', in_channels=64, in_index=3, channels=8, num_classes=4),
    ).eval()
    image = torch.randn(1, 3, 65, 97)
    with torch.no_grad():
        expected = model.encode_decode(image, [META])
        torch.testing.assert_close(
            optimize_for_inference(model).encode_decode(image, [META]), expected
        )


@pytest.mark.parametrize(
    'norm_cfg',
    [
        pytest.param(dict(type='GN', num_groups=1), id='group norm'),
        pytest.param(dict(type='BN', track_running_stats=False), id='no statistics'),
    ],
)
@pytest.mark.parametrize(
    ('backbone', 'neck', 'head'),
    [
        pytest.param(
            BACKBONE,
            dict(type='BiFPN', in_channels=[16, 32, 80], channels=8, num_repeats=2),
            {**HEAD, 'in_channels': [8] * 3},
            id='ESeg',
        ),
        pytest.param(
            dict(type='ESPNet', num_blocks=(1, 1)),
            None,
            dict(type='ESPNetHead', in_channels=[19, 131, 256], num_classes=4),
            id='ESPNet',
        ),
        pytest.param(
            dict(type='ESPNetv2', width_multiplier=0.5),
            dict(type='EPP', in_channels=[16, 32, 64, 128]),
            dict(type='FCNHead', in_channels=16, in_index=0, channels=8, num_classes=4),
            id='ESPNetv2',
        ),
    ],
)
def test_norms_that_depend_on_the_input_stay(backbone, neck, head, norm_cfg):
    parts = [part and {**part, 'norm_cfg': norm_cfg} for part in (backbone, head, neck)]
    model = build_segmentor(*parts[:2], neck=parts[2]).eval()
    image = torch.randn(1, 3, 65, 97)
    with torch.no_grad():
        expected = model.encode_decode(image, [META])
        optimize_for_inference(model)
        torch.testing.assert_close(model.encode_decode(image, [META]), expected)


def test_a_network_in_training_is_refused():
    with pytest.raises(ValueError, match='call eval'):
        optimize_for_inference(trained().train())
