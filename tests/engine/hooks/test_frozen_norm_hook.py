from types import SimpleNamespace

import pytest
import torch
from helpers import build_segmentor, samples

from mmseg_eff.engine import FrozenNormHook


def model():
    head = dict(type='ESPNetHead', in_channels=(19, 131, 256), num_classes=5)
    return build_segmentor(dict(type='ESPNet', num_blocks=(1, 1)), head)


def train(net, hook, steps=2):
    runner = SimpleNamespace(model=net)
    hook.before_train(runner)
    optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], 0.1)
    for step in range(steps):
        net.train()  # as the loops do after every validation
        hook.before_train_iter(runner, step)
        labels = torch.randint(5, (2, 40, 56))
        loss, _ = net.parse_losses(net.loss(torch.randn(2, 3, 40, 56), samples(labels)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def changed(before, after):
    return {name for name, value in after.items() if not torch.equal(value, before[name])}


def test_statistics_stay_and_the_rest_learns():
    net = model()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    train(net, FrozenNormHook(['backbone']))
    names = changed(before, net.state_dict())
    assert {'backbone.fuse1.norm.weight', 'backbone.down2.reduce.weight'} <= names
    tracked = {name for name in names if 'running' in name or 'tracked' in name}
    assert tracked
    assert all(name.startswith('decode_head.') for name in tracked)


def test_scale_and_shift_are_frozen_by_the_config():
    backbone = dict(type='ESPNet', norm_cfg=dict(type='BN', requires_grad=False))
    head = dict(type='ESPNetHead', in_channels=(19, 131, 256), num_classes=5)
    net = build_segmentor(backbone, head)
    assert not net.backbone.fuse1.norm.weight.requires_grad
    assert net.backbone.fuse1.act.weight.requires_grad


def test_a_part_without_norms_is_named():
    with pytest.raises(ValueError, match="no batch norm in 'neck'"):
        FrozenNormHook(['neck']).before_train(SimpleNamespace(model=model()))
