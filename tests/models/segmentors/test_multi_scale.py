import pytest
import torch
from helpers import build_segmentor, samples
from mmengine.config import ConfigDict
from mmseg.registry import MODELS
from torch.nn import functional as F

import mmseg_eff.models.decode_heads.deeplab_head
import mmseg_eff.models.segmentors  # noqa: F401

BACKBONE = dict(type='EfficientNet', arch='lite0', width=0.25, depth=0.3, output_stride=8)
HEAD = dict(
    type='DeepLabV2Head',
    in_channels=80,
    num_classes=4,
    loss_decode=dict(type='WeightedCrossEntropy'),
)
SIZE = (65, 97)  # of maps 9x13; half is 33x49 with maps 5x7


def multi_scale(align_corners=True, **kwargs):
    return MODELS.build(
        ConfigDict(
            type='MultiScaleEncoderDecoder',
            data_preprocessor=dict(type='SegDataPreProcessor'),
            backbone=dict(BACKBONE, out_indices=(4,)),
            decode_head=dict(HEAD, align_corners=align_corners),
            train_cfg=dict(),
            test_cfg=dict(mode='whole'),
            **kwargs,
        )
    ).eval()


def logits_of_scales(model, image, sizes, align_corners):
    """Smallest first: the logits, and all of them at the size of the last."""
    logits = []
    for size in sizes:
        scaled = F.interpolate(image, size, mode='bilinear', align_corners=align_corners)
        logits.append(model.decode_head(model.backbone(scaled)))
    size = logits[-1].shape[2:]
    return logits, [
        F.interpolate(x, size, mode='bilinear', align_corners=align_corners) for x in logits
    ]


@pytest.mark.parametrize('fusion', ['max', 'mean'])
@pytest.mark.parametrize(
    ('align_corners', 'size', 'sizes'),
    [
        (True, SIZE, [(33, 49), (49, 73), SIZE]),
        (False, (64, 96), [(32, 48), (48, 72), (64, 96)]),
        (False, (45, 71), [(22, 35), (33, 53), (45, 71)]),
    ],
)
def test_logits_are_fused_position_by_position(align_corners, size, sizes, fusion):
    model = multi_scale(align_corners, fusion=fusion)
    image = torch.randn(2, 3, *size)
    _, (half, middle, full) = logits_of_scales(model, image, sizes, align_corners)
    if fusion == 'max':
        expected = torch.maximum(torch.maximum(half, middle), full)
    else:
        expected = (half + middle + full) / 3
    torch.testing.assert_close(model(image), expected)
    result = model.predict(image, samples(torch.zeros(2, *size)))[0]
    upsampled = F.interpolate(expected, size, mode='bilinear', align_corners=align_corners)[0]
    torch.testing.assert_close(result.seg_logits.data, upsampled)
    assert torch.equal(result.pred_sem_seg.data[0], upsampled.argmax(0))


def test_every_scale_and_their_maximum_have_a_loss():
    model = multi_scale(scales=(1.0, 0.5))
    image, labels = torch.randn(2, 3, *SIZE), torch.randint(4, (2, *SIZE))
    losses = model.loss(image, samples(labels))
    (half, full), upsampled = logits_of_scales(model, image, [(33, 49), SIZE], True)
    assert half.shape[2:] == (5, 7)
    expected = {
        'scale_0.5.loss_ce': F.cross_entropy(half, labels[:, ::16, ::16]),
        'scale_1.loss_ce': F.cross_entropy(full, labels[:, ::8, ::8]),
        'decode.loss_ce': F.cross_entropy(torch.maximum(*upsampled), labels[:, ::8, ::8]),
    }
    found = {name: loss for name, loss in losses.items() if 'loss' in name}
    assert found.keys() == expected.keys()
    for name, loss in expected.items():
        torch.testing.assert_close(found[name], loss)
    total, _ = model.parse_losses(losses)
    torch.testing.assert_close(total, sum(expected.values()))


@pytest.mark.parametrize('fusion', ['max', 'mean'])
def test_every_parameter_is_trained(fusion):
    auxiliary = dict(type='FCNHead', in_channels=80, channels=4, num_convs=1, num_classes=4)
    model = multi_scale(fusion=fusion, auxiliary_head=auxiliary).train()
    losses = model.loss(torch.randn(2, 3, *SIZE), samples(torch.randint(4, (2, *SIZE))))
    loss, log = model.parse_losses(losses)
    loss.backward()
    assert 'aux.loss_ce' in log
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_one_scale_is_mmsegs_segmentor():
    model = multi_scale(scales=(1.0,))
    plain = build_segmentor(dict(BACKBONE, out_indices=(4,)), dict(HEAD)).eval()
    plain.load_state_dict(model.state_dict())
    image, labels = torch.randn(1, 3, 45, 71), samples(torch.randint(4, (1, 45, 71)))
    losses, expected = model.loss(image, labels), plain.loss(image, labels)
    assert losses.keys() == expected.keys()
    assert all(torch.equal(losses[name], expected[name]) for name in losses)
    assert torch.equal(
        model.predict(image, labels)[0].seg_logits.data,
        plain.predict(image, labels)[0].seg_logits.data,
    )


def test_sliding_windows_cover_the_image():
    model = multi_scale()
    model.test_cfg.update(mode='slide', crop_size=(33, 41), stride=(20, 30))
    image = torch.randn(1, 3, 57, 75)
    result = model.predict(image, samples(torch.zeros(1, 57, 75)))[0]
    assert result.pred_sem_seg.shape == (57, 75)
    assert result.seg_logits.data.isfinite().all()


@pytest.mark.parametrize('size', [(1, 1), (2, 17)])
def test_tiny_images(size):
    assert multi_scale()(torch.randn(1, 3, *size)).shape[:2] == (1, 4)


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (dict(scales=()), r'scales must be one or more different numbers above 0, got \[\]'),
        (dict(scales=(1.0, 0)), r'scales must be .* above 0, got \[1.0, 0\]'),
        (dict(scales=(1.0, 1.0)), r'scales must be .* different numbers .*, got \[1.0, 1.0\]'),
        (dict(fusion='sum'), r"fusion must be one of \('max', 'mean'\), got 'sum'"),
    ],
)
def test_wrong_arguments_are_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        multi_scale(**kwargs)
