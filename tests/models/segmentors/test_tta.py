import pytest
import torch
from helpers import BACKBONE, HEAD, SIGMOID, build_segmentor
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

import mmseg_eff.models.segmentors  # noqa: F401

HEADS = {
    'softmax': dict(num_classes=4),
    'one sigmoid output': dict(num_classes=2, out_channels=1, threshold=0.3, loss_decode=SIGMOID),
    'several sigmoid outputs': dict(num_classes=4, loss_decode=[SIGMOID]),
}


@pytest.fixture(params=HEADS)
def kind(request):
    return request.param


@pytest.fixture
def model(kind):
    segmentor = build_segmentor(BACKBONE, {**HEAD, **HEADS[kind]})
    torch.nn.init.normal_(segmentor.decode_head.conv_seg.weight)
    return MODELS.build(dict(type='MeanProbabilityTTAModel', module=segmentor)).eval()


def views(model, count, size=(33, 47)):
    """The data of ``count`` views of two images, each view another image."""
    return [
        dict(
            inputs=[torch.randint(256, (3, *size), dtype=torch.uint8) for _ in range(2)],
            data_samples=[
                SegDataSample(metainfo=dict(ori_shape=size, img_shape=size, img_path=f'{i}.png'))
                for i in range(2)
            ],
        )
        for _ in range(count)
    ]


def collate(data):
    return {key: [view[key] for view in data] for key in data[0]}


def test_the_identity_alone_changes_nothing(model):
    data = views(model, 1)
    expected = [sample.clone() for sample in model.module.test_step(data[0])]
    found = model.test_step(collate(data))
    for sample, plain in zip(found, expected, strict=True):
        assert torch.equal(sample.pred_sem_seg.data, plain.pred_sem_seg.data)
        assert torch.equal(sample.seg_logits.data, plain.seg_logits.data)
        assert sample.img_path == plain.img_path
        assert len(plain.pred_sem_seg.data.unique()) > 1


def test_labels_are_of_the_mean_probability(model, kind):
    data = views(model, 3)
    samples = [[sample.clone() for sample in model.module.test_step(view)] for view in data]
    found = model.test_step(collate(data))
    for sample, *of_views in zip(found, *samples, strict=True):
        maps = torch.stack([view.seg_logits.data for view in of_views]).double()
        logits = sample.seg_logits.data.double()
        if kind == 'one sigmoid output':
            mean, given = maps.mean(0), logits
            expected = (mean > 0.3).float()
        elif kind == 'softmax':
            mean, given = maps.softmax(1).mean(0), logits.softmax(0)
            expected = mean.argmax(0, keepdim=True)
        else:
            mean, given = maps.sigmoid().mean(0), logits.sigmoid()
            expected = mean.argmax(0, keepdim=True)
        torch.testing.assert_close(given, mean, rtol=1e-4, atol=1e-5)
        equal = sample.pred_sem_seg.data == expected
        assert equal.float().mean() > 0.999  # float32 rounds near ties
        assert sample.pred_sem_seg.data.shape == (1, 33, 47)


def test_saturated_sigmoids_still_differ():
    segmentor = build_segmentor(BACKBONE, {**HEAD, **HEADS['several sigmoid outputs']})
    model = MODELS.build(dict(type='MeanProbabilityTTAModel', module=segmentor))
    logits = torch.tensor([20.0, 25.0, 30.0, 22.0]).view(4, 1, 1)  # all sigmoids are 1 in float32
    maps = [SegDataSample(seg_logits=PixelData(data=logits + i)) for i in range(2)]
    (merged,) = model.merge_preds([maps])
    assert merged.pred_sem_seg.data.item() == 2
