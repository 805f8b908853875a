import gc
from types import SimpleNamespace

import torch
from helpers import build_segmentor, samples
from mmengine.model import MMDistributedDataParallel
from torch import distributed

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


def test_the_first_gradients_of_ddp_are_those_of_one_process(tmp_path):
    """DDP's buckets have the layout that the weights had when it wrapped them."""

    def gradients(wrap, hooks):
        torch.manual_seed(0)
        head = dict(type='ESPNetHead', in_channels=(19, 131, 256), num_classes=5)
        model = build_segmentor(dict(type='ESPNet', num_blocks=(1, 1)), head)
        wrapped = wrap(model)
        for hook in hooks:
            hook.before_run(SimpleNamespace(model=wrapped))
        data = dict(
            inputs=torch.randn(2, 3, 40, 56), data_samples=samples(torch.ones(2, 40, 56).long())
        )
        data = model.data_preprocessor(data)
        losses = wrapped(**data, mode='loss')
        model.parse_losses(losses)[0].backward()
        return [parameter.grad for parameter in model.parameters()]

    distributed.init_process_group('gloo', f'file://{tmp_path}/store', rank=0, world_size=1)
    try:
        given = gradients(MMDistributedDataParallel, [ChannelsLastHook()])
        gc.collect()  # a wrapper that outlives the group can wait for its threads forever
    finally:
        distributed.destroy_process_group()
    expected = gradients(lambda model: model, [])
    largest = max(gradient.abs().max() for gradient in expected)
    for a, b in zip(given, expected, strict=True):
        assert (a - b).abs().max() < 1e-3 * largest
