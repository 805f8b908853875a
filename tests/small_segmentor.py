"""A small segmentor with random weights, for tests of what is exported."""

from copy import deepcopy

import torch
from helpers import build_segmentor
from mmengine.config import ConfigDict

LOAD, PACK = dict(type='LoadImageFromFile'), dict(type='PackSegInputs')
NORMALISE = dict(mean=[90.0, 100.0, 110.0], std=[50.0, 60.0, 70.0], bgr_to_rgb=True)


def build(resize=None, num_classes=4, **preprocessor):
    """A small segmentor as ``init_model`` leaves it; its head has one row and column to cut."""
    torch.manual_seed(0)
    head = dict(type='ESPNetHead', in_channels=(19, 131, 256), num_classes=num_classes)
    if num_classes == 1:
        head.update(out_channels=1, threshold=0.4)
    model = build_segmentor(dict(type='ESPNet', arch='C', num_blocks=(1, 1)), head).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # or all labels would be one
            module.running_mean.normal_(0, 0.1)
    preprocessor = {'type': 'SegDataPreProcessor', 'size_divisor': 1, **preprocessor}
    model.data_preprocessor = type(model.data_preprocessor)(
        **{key: value for key, value in preprocessor.items() if key != 'type'}
    )
    pipeline = [LOAD, *([resize] if resize else []), PACK]
    model.cfg = ConfigDict(test_pipeline=deepcopy(pipeline))
    return model
