from types import SimpleNamespace

import torch
from helpers import build_segmentor, samples

from mmseg_eff.engine import ChannelsLastHook


def test_channels_last_changes_the_format_and_not_the_result():
    head = dict(type='ESPNetHead', in_channels=(19, 131, 256), num_classes=5)
    model = build_segmentor(dict(type='ESPNet', num_blocks=(1, 1)), head).eval()
    images = [torch.randint(256, (3, 40, 56), dtype=torch.uint8)]
    batch = dict(inputs=images, data_samples=samples(torch.zeros(1, 40, 56)))
    before = model.backbone(model.data_preprocessor(batch)['inputs'])
    ChannelsLastHook().before_run(SimpleNamespace(model=model))
    after = model.backbone(model.data_preprocessor(batch)['inputs'])
    for a, b in zip(after, before, strict=True):
        assert a.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-3)
