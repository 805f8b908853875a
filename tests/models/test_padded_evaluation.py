"""How mmseg's parts evaluate as DeepLab's authors: images padded with the mean, none resized."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModule
from mmseg.apis import inference_model
from mmseg.registry import MODELS
from torch.nn import functional as F

MEAN = (10.0, 20.0, 30.0)
CONFIG = f"""
crop_size = (33, 49)
test_pipeline = [dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean={MEAN},
        std=(2.0, 2.0, 2.0),
        pad_val=0,  # after the normalisation: the mean
        size=crop_size,
        test_cfg=dict(size=crop_size),
    ),
    backbone=dict(type='EveryEighthPixel'),
    decode_head=dict(type='DeepLabV3Head', in_channels=3, num_classes=4, channels=8),
    test_cfg=dict(mode='whole'),
)
"""


class EveryEighthPixel(BaseModule):
    def forward(self, x):
        self.seen = x
        return (x[..., ::8, ::8],)


@pytest.fixture
def model(monkeypatch):
    monkeypatch.setitem(MODELS.module_dict, 'EveryEighthPixel', EveryEighthPixel)
    config = Config.fromstring(CONFIG, '.py')
    model = MODELS.build(config.model).eval()
    model.cfg = config
    return model


@pytest.mark.parametrize('size', [(20, 30), (33, 49), (33, 17), (41, 57)], ids=str)
def test_padded_and_cut_back(model, size):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    sample = inference_model(model, image)

    height, width = max(size[0], 33), max(size[1], 49)
    padded = np.full((height, width, 3), MEAN, np.float32)
    padded[: size[0], : size[1]] = image
    expected = torch.from_numpy((padded - MEAN) / 2).permute(2, 0, 1)[None].float()
    torch.testing.assert_close(model.backbone.seen, expected)

    with torch.no_grad():
        logits = model.decode_head((expected[..., ::8, ::8],))
    logits = F.interpolate(logits, (height, width), mode='bilinear', align_corners=True)
    torch.testing.assert_close(sample.seg_logits.data, logits[0, :, : size[0], : size[1]])
    assert torch.equal(sample.pred_sem_seg.data[0], sample.seg_logits.data.argmax(0))
