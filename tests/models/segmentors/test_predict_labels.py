import copy

import pytest
import torch
from helpers import build_segmentor
from mmseg.structures import SegDataSample
from torch import nn
from torch.overrides import TorchFunctionMode

from mmseg_eff.models.segmentors import predict_labels_only

RESNET = dict(type='ResNet', depth=18, base_channels=8, norm_cfg=dict(type='BN'))
HEAD = dict(
    type='FCNHead',
    in_channels=8,
    in_index=0,
    channels=8,
    num_classes=4,
    num_convs=0,
    concat_input=False,
)
PADDED = dict(img_padding_size=(4, 8, 3, 5))
CASES = {
    'same size': dict(ori_shape=(96, 160)),
    'larger image': dict(ori_shape=(150, 201)),
    'padded': dict(ori_shape=(88, 148), **PADDED),
    'padded and larger': dict(ori_shape=(176, 296), **PADDED),
    'flipped': dict(ori_shape=(96, 160), flip=True, flip_direction='vertical'),
    'all': dict(ori_shape=(50, 201), flip=True, flip_direction='horizontal', **PADDED),
}


class LargestTensor(TorchFunctionMode):
    """Notes the most elements that a tensor of some call had."""

    numel = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            self.numel = max(self.numel, result.numel())
        return result


def samples(count, **meta):
    meta = dict(img_shape=(96, 160), pad_shape=(96, 160), **meta)
    return [SegDataSample(metainfo=meta) for _ in range(count)]


@pytest.mark.parametrize('align_corners', [False, True])
@pytest.mark.parametrize('case', CASES)
def test_labels_are_those_of_mmseg(case, align_corners):
    torch.manual_seed(0)
    model = build_segmentor(RESNET, {**HEAD, 'align_corners': align_corners}).eval()
    nn.init.normal_(model.decode_head.conv_seg.weight)  # or one class would win everywhere
    fused = predict_labels_only(copy.deepcopy(model))
    images = torch.randn(2, 3, 96, 160)
    results = []
    for net in (model, fused):
        with torch.no_grad():
            found = net.forward(images, samples(2, **CASES[case]), mode='predict')
        results.append([sample.pred_sem_seg.data for sample in found])
    expected, given = results
    assert all(torch.equal(*pair) for pair in zip(expected, given, strict=True))
    assert given[0].dtype == expected[0].dtype and len(expected[0].unique()) > 1
    assert 'seg_logits' not in found[0]


def test_no_logits_at_the_size_of_the_image():
    torch.manual_seed(0)
    head = {**HEAD, 'num_classes': 150}
    model = predict_labels_only(build_segmentor(RESNET, head).eval())
    with torch.no_grad(), LargestTensor() as largest:
        model.predict(torch.randn(1, 3, 256, 512))
    assert largest.numel < 150 * 256 * 512 / 8


@pytest.mark.parametrize(
    'model',
    [
        dict(test_cfg=dict(mode='slide', crop_size=(64, 64), stride=(32, 32))),
        dict(head=dict(num_classes=2, out_channels=1)),
    ],
    ids=['slides', 'one logit'],
)
def test_others_keep_their_way(model):
    head = {**HEAD, **model.pop('head', {})}
    net = predict_labels_only(build_segmentor(RESNET, head, **model).eval())
    with torch.no_grad():
        (sample,) = net.predict(torch.randn(1, 3, 96, 160), samples(1, ori_shape=(96, 160)))
    assert sample.seg_logits.data.shape[-2:] == (96, 160)


@pytest.mark.parametrize('part', ['segmentor', 'head'])
def test_a_prediction_of_ones_own_is_kept(part):
    model = build_segmentor(RESNET, HEAD).eval()
    owner, name = {
        'segmentor': (model, 'postprocess_result'),
        'head': (model.decode_head, 'predict_by_feat'),
    }[part]
    inherited = getattr(type(owner), name)

    def own(self, logits, *args):
        return inherited(self, logits * torch.tensor([1e-3, 1, 1, 1]).view(4, 1, 1), *args)

    owner.__class__ = type('Own', (type(owner),), {name: own})
    images = torch.randn(1, 3, 96, 160)
    results = []
    for _ in range(2):
        with torch.no_grad():
            (sample,) = model.predict(images, samples(1, ori_shape=(96, 160)))
        results.append(sample.pred_sem_seg.data.clone())
        predict_labels_only(model)
    assert torch.equal(*results) and 'seg_logits' in sample
