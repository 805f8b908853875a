import pytest
import torch
from helpers import build_segmentor, count_parameters, samples, train_step
from torch.nn import functional as F

from mmseg_eff.models import ESPNet, ESPNetCHead, ESPNetHead

# Parameters of the official code (run by us), C = outputs: ESPNet-C, ESPNet with the skip of the
# test code and with that of the training code.
OFFICIAL = [
    (3, 20, 187529, 202649, 203189),
    (5, 20, 252297, 267417, 267957),
    (8, 20, 349449, 364569, 365109),
    (3, 19, 187273, 201029, 201542),
    (5, 19, 252041, 265797, 266310),
    (8, 19, 349193, 362949, 363462),
    (8, 12, 347401, None, 354517),
    (8, 11, 347145, 353140, 353437),
]


@pytest.mark.parametrize(('q', 'num_classes', 'c_only', 'level1', 'level1_image'), OFFICIAL)
def test_parameters_equal_the_official_code(q, num_classes, c_only, level1, level1_image):
    backbone = ESPNet(num_blocks=(2, q))
    head = ESPNetCHead(256, num_classes)
    assert count_parameters(backbone) + count_parameters(head) == c_only
    for skip, expected in (('level1', level1), ('level1_image', level1_image)):
        backbone = ESPNet(num_blocks=(2, q), skip=skip)
        head = ESPNetHead(backbone.out_channels, num_classes)
        if expected is not None:
            assert count_parameters(backbone) + count_parameters(head) == expected


def uncropped(head: ESPNetHead, c1, c2, c3):
    """The official decoder in plain tensor operations: sizes must match by themselves."""
    p3 = F.conv_transpose2d(head.norm3(F.conv2d(c3, head.score3.weight)), head.up3.weight, stride=2)
    p2 = torch.cat([F.conv2d(c2, head.score2.weight), p3], dim=1)
    p2 = head.up2(head.esp2(head.fuse2(p2)))
    conv, norm_act = head.fuse1
    p1 = norm_act(F.conv2d(torch.cat([p2, c1], dim=1), conv.weight, padding=1))
    return F.conv_transpose2d(p1, head.conv_seg.weight, stride=2)


@pytest.mark.parametrize('size', [(64, 96), (63, 95), (64, 71), (8, 8), (7, 15)])
def test_equals_the_official_decoder_where_that_works(size):
    """It needs sides of 0 or 7 modulo 8, and gives one row more than an image of 7 modulo 8."""
    backbone = ESPNet(num_blocks=(1, 1)).eval()
    head = ESPNetHead(backbone.out_channels, 6).eval()
    maps = backbone(torch.randn(1, 3, *size))
    logits = head(maps)
    assert torch.equal(logits, uncropped(head, *maps))
    assert logits.shape[2:] == tuple(side + side % 2 for side in size)


@pytest.mark.parametrize('size', [(1, 1), (33, 47), (57, 74), (90, 61), (100, 103)])
def test_any_image_size(size):
    backbone = dict(type='ESPNet', num_blocks=(1, 1))
    model = build_segmentor(
        backbone, dict(type='ESPNetHead', in_channels=(19, 131, 256), num_classes=5)
    ).eval()
    x = torch.randn(1, 3, *size)
    labels = torch.zeros(1, *size, dtype=torch.long)
    result = model.predict(x, samples(labels))[0]
    assert result.pred_sem_seg.shape == size
    logits = model.decode_head(model.backbone(x))[..., : size[0], : size[1]]
    torch.testing.assert_close(result.seg_logits.data, logits[0])  # cut, not resampled
    assert torch.isfinite(model.loss(x, samples(labels))['decode.loss_ce'])


def test_sliding_windows_cover_the_image():
    backbone = dict(type='ESPNet', num_blocks=(1, 1))
    head = dict(type='ESPNetHead', in_channels=(19, 131, 256), num_classes=5)
    model = build_segmentor(backbone, head).eval()
    model.test_cfg.update(mode='slide', crop_size=(33, 41), stride=(20, 30))
    size = (57, 75)
    result = model.predict(torch.randn(1, 3, *size), samples(torch.zeros(1, *size)))
    assert result[0].pred_sem_seg.shape == size


@pytest.mark.parametrize('num_classes', [1, 2, 3, 4, 5, 21])
def test_any_number_of_classes(num_classes):
    head = dict(type='ESPNetHead', in_channels=(19, 131, 256), num_classes=num_classes)
    if num_classes == 1:
        head['loss_decode'] = dict(type='CrossEntropyLoss', use_sigmoid=True)
    log = train_step(dict(type='ESPNet', num_blocks=(1, 1)), head)
    assert torch.isfinite(log['loss'])
    width = ESPNetHead((19, 131, 256), num_classes).channels
    assert width == (num_classes if num_classes >= 5 else 20)


def test_width_is_free_of_the_classes():
    head = ESPNetHead((16, 131, 256), 11, channels=20)
    assert head.conv_seg.weight.shape == (20, 11, 2, 2)
    assert head.score3.out_channels == 20


@pytest.mark.parametrize('head_type', ['ESPNetHead', 'ESPNetCHead'])
def test_on_another_backbone(head_type):
    decoder = head_type == 'ESPNetHead'
    head = dict(type=head_type, num_classes=6, in_channels=(64, 128, 256) if decoder else 256)
    backbone = dict(type='ResNet', depth=18, num_stages=3, strides=(1, 2, 2), dilations=(1, 1, 1))
    log = train_step(dict(backbone, out_indices=(0, 1, 2)), head)
    assert torch.isfinite(log['loss'])


def test_c_head_takes_the_loss_at_its_own_size():
    """Stage 1: labels scaled down by nearest neighbour, so the top left pixel of each 8x8."""
    head = ESPNetCHead(8, 3, loss_decode=dict(type='WeightedCrossEntropy'))
    logits = torch.randn(2, 3, 4, 6)
    labels = torch.randint(3, (2, 32, 48))
    loss = head.loss_by_feat(logits, samples(labels))['loss_ce']
    torch.testing.assert_close(loss, F.cross_entropy(logits, labels[:, ::8, ::8]))


def test_c_head_upsamples_as_the_official_code():
    head = ESPNetCHead(8, 3)
    logits = torch.randn(1, 3, 4, 6)
    upsampled = head.predict_by_feat(logits, [dict(img_shape=(32, 48))])
    expected = F.interpolate(logits, (32, 48), mode='bilinear', align_corners=True)
    torch.testing.assert_close(upsampled, expected)


def test_stage_2_starts_from_stage_1():
    stage1 = ESPNetCHead(256, 20).state_dict()
    stage2 = ESPNetHead((19, 131, 256), 20).state_dict()
    assert {name: value.shape for name, value in stage1.items()} == {
        name: stage2[name].shape for name in stage1
    }


def test_export_with_free_size_equals_eager():
    backbone = ESPNet(num_blocks=(1, 1))
    net = torch.nn.Sequential(backbone, ESPNetHead(backbone.out_channels, 5)).eval()
    sides = {2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    program = torch.export.export(net, (torch.randn(1, 3, 64, 96),), dynamic_shapes=(sides,))
    for size in ((48, 80), (45, 71)):
        x = torch.randn(1, 3, *size)
        torch.testing.assert_close(program.module()(x), net(x))


@pytest.mark.parametrize(('size', 'cuts'), [((64, 96), 0), ((45, 71), 1)])
def test_export_of_one_size_has_only_the_slices_that_cut(size, cuts):
    """Gathers and slices that cut nothing would split the network for phones."""
    backbone = ESPNet(num_blocks=(1, 1))
    net = torch.nn.Sequential(backbone, ESPNetHead(backbone.out_channels, 5)).eval()
    program = torch.export.export(net, (torch.randn(1, 3, *size),))
    called = [str(node.target) for node in program.graph.nodes]
    assert not any('index_select' in name or 'arange' in name for name in called)
    cutting = [
        node
        for node in program.graph.nodes
        if 'slice' in str(node.target) and node.meta['val'].shape != node.args[0].meta['val'].shape
    ]
    assert len(cutting) == cuts
    assert sum('slice' in name for name in called) <= 2 * cuts
    x = torch.randn(1, 3, *size)
    torch.testing.assert_close(program.module()(x), net(x))


@pytest.mark.parametrize('head', [ESPNetHead, ESPNetCHead])
def test_no_class_is_refused(head):
    in_channels = (19, 131, 256) if head is ESPNetHead else 256
    with pytest.raises(ValueError, match='num_classes must be 1 or more, got 0'):
        head(in_channels, 0)


def test_two_maps_are_refused():
    with pytest.raises(ValueError, match='must name three maps'):
        ESPNetHead((19, 131), 5, in_index=(0, 1))
