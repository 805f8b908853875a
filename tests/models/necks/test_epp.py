import pytest
import torch
from helpers import build_segmentor, count_parameters, samples
from mmengine.analysis import get_model_complexity_info
from torch.nn import functional as F

from mmseg_eff.converters.espnetv2 import build_espnetv2
from mmseg_eff.models import EPP
from mmseg_eff.models.necks.epp import EfficientPyramidPool, GatedMerge, shuffle

HEAD = dict(
    type='FCNHead', in_index=0, num_convs=0, concat_input=False, dropout_ratio=0, align_corners=True
)
# Parameters of the official network (run by us) for 20, 19, 21, 11 and 12 outputs.
OFFICIAL = {
    0.5: (80342, 79452, 80353, 75888, 76766),
    1.0: (234010, 232992, 234021, 228916, 229922),
    1.25: (343106, 342024, 343117, 337692, 338762),
    1.5: (468362, 467216, 468373, 462628, 463762),
    2.0: (789242, 787968, 789253, 782868, 784130),
}
# Millions of multiply-adds of its convolutions for 20 outputs at 512x1024.
OFFICIAL_MMACS = {0.5: 596.25, 1.0: 1085.28, 1.25: 1408.97, 1.5: 1713.26, 2.0: 2697.74}


def official(s, num_classes=20):
    proj = min(num_classes // 2, 16)
    return build_espnetv2(dict(width_multiplier=s, num_classes=num_classes, proj_channels=proj))


@pytest.mark.parametrize('s', sorted(OFFICIAL))
def test_parameters_equal_the_official_code(s):
    found = tuple(count_parameters(official(s, classes)) for classes in (20, 19, 21, 11, 12))
    assert found == OFFICIAL[s]


@pytest.mark.parametrize('s', sorted(OFFICIAL_MMACS))
def test_multiply_adds_equal_the_official_code(s):
    from torch.utils.flop_counter import FlopCounterMode

    network = official(s).eval()
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        maps = network['backbone'](torch.zeros(1, 3, 512, 1024))
        network['decode_head'](network['neck'](maps))
    assert counter.get_total_flops() / 2e6 == pytest.approx(OFFICIAL_MMACS[s], rel=1e-3)


def test_pyramid_equals_plain_tensor_code():
    pool = EfficientPyramidPool(6, 2, 5).eval()
    x = torch.randn(1, 6, 12, 20)
    p = pool.project(x)

    def up(y, size):
        return F.interpolate(y, size, mode='bilinear', align_corners=True)

    b = pool.branches
    maps = [
        F.adaptive_avg_pool2d(b[0](up(p, (24, 40))), (12, 20)),
        F.adaptive_avg_pool2d(b[1](up(p, (18, 30))), (12, 20)),
        b[2](p),
        up(b[3](F.adaptive_avg_pool2d(p, (6, 10))), (12, 20)),
        up(b[4](F.adaptive_avg_pool2d(p, (5, 5))), (12, 20)),  # ceil(1.2) and 2 are raised to 5
    ]
    y = pool.norm_act(torch.cat(maps, dim=1))
    y = y[:, [0, 2, 4, 6, 8, 1, 3, 5, 7, 9]]  # the five scales of channel 0, then of channel 1
    torch.testing.assert_close(pool(x), pool.expand(pool.fuse(y)))


def test_gate_weighs_channels_by_their_global_mean():
    merge = GatedMerge(6, 4).eval()
    assert merge.conv[0].groups == 2
    x = torch.randn(2, 6, 8, 9)
    gate = torch.sigmoid(x.mean((2, 3)) @ merge.gate[1].weight[:, :, 0, 0].T)
    torch.testing.assert_close(merge(x), merge.conv(x) * gate[:, :, None, None])


BACKBONES = {
    'mmseg ResNet-18': (dict(type='ResNet', depth=18), [64, 128, 256, 512]),
    'mmseg MobileNetV2': (dict(type='MobileNetV2', out_indices=(1, 2, 4, 6)), [24, 32, 96, 320]),
    'ESPNetv2': (dict(type='ESPNetv2', width_multiplier=0.5), [16, 32, 64, 128]),
    'ESPNet, three maps': (dict(type='ESPNet', num_blocks=(1, 1)), [19, 131, 256]),
}


@pytest.mark.parametrize('name', BACKBONES)
def test_loss_falls_on_any_backbone(name):
    """20 iterations on one batch whose label is where the image is bright."""
    backbone, in_channels = BACKBONES[name]
    widths = (32, 24, 16)[: len(in_channels) - 1]
    neck = dict(type='EPP', in_channels=in_channels, channels=widths, proj_channels=8)
    head = dict(HEAD, in_channels=8, channels=8, num_classes=2)
    model = build_segmentor(backbone, head, neck=neck).train()
    x = F.interpolate(torch.randn(2, 3, 6, 7), (48, 57), mode='bilinear')
    labels = (x.mean(1) > 0).long()
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    losses = []
    for _ in range(20):
        loss, _ = model.parse_losses(model.loss(x, samples(labels)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-3:]) / 3 < 0.75 * losses[0]


@pytest.mark.parametrize('size', [(64, 96), (33, 47), (50, 75), (1, 1)])
@pytest.mark.parametrize('num_classes', [1, 2, 3])
def test_any_size_and_few_classes(size, num_classes):
    neck = dict(type='EPP', in_channels=[16, 32, 64, 128])
    head = dict(HEAD, in_channels=16, channels=16, num_classes=num_classes)
    backbone = dict(type='ESPNetv2', width_multiplier=0.5)
    model = build_segmentor(backbone, head, neck=neck).eval()
    result = model.predict(torch.randn(1, 3, *size), samples(torch.zeros(1, *size)))[0]
    assert result.pred_sem_seg.shape == size
    assert result.seg_logits.data.isfinite().all()


def test_gradients_reach_every_parameter():
    neck = EPP([8, 12, 16], channels=(10, 6), proj_channels=3)
    maps = [torch.randn(2, 8, 24, 32), torch.randn(2, 12, 12, 16), torch.randn(2, 16, 6, 8)]
    neck(maps)[0].square().mean().backward()
    assert [n for n, p in neck.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_wrong_maps_are_named():
    with pytest.raises(ValueError, match=r'one value fewer than in_channels, got \[64, 48, 32\]'):
        EPP([16, 32])
    neck = EPP([16, 32], channels=(8,))
    message = r'built for in_channels=\[16, 32\] and got maps of \[16, 24\] channels'
    with pytest.raises(ValueError, match=message):
        neck([torch.zeros(1, 16, 8, 8), torch.zeros(1, 24, 4, 4)])


def test_complexity_of_the_segmentor_is_countable():
    info = get_model_complexity_info(official(0.5)['backbone'], (3, 64, 64))
    assert info['params'] == 62354


@pytest.mark.parametrize('memory_format', [torch.contiguous_format, torch.channels_last])
def test_shuffle_puts_the_scales_of_a_channel_side_by_side(memory_format):
    x = (
        torch.arange(15.0)
        .view(1, 15, 1, 1)
        .expand(2, 15, 4, 6)
        .contiguous(memory_format=memory_format)
    )
    out = shuffle(x, 5)
    assert out.is_contiguous(memory_format=memory_format)
    assert out[1, :, 2, 3].tolist() == [0, 3, 6, 9, 12, 1, 4, 7, 10, 13, 2, 5, 8, 11, 14]
