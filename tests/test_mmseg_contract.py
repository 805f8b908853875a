"""What mmseg's users expect of a backbone, neck or head, asked of all registered here."""

import copy
import inspect
from itertools import pairwise

import pytest
import torch
from helpers import TINY_XCEPTION
from mmengine.model import BaseModule
from mmengine.registry import init_default_scope
from mmseg.models.backbones import MobileNetV2, ResNet
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch.nn.modules.batchnorm import _BatchNorm

from mmseg_eff.models.backbones import xception

BACKBONES = {  # smallest form, and its number of stages after the stem
    'AtrousMobileNetV2': (dict(widen_factor=0.25), 6),  # of 7: mmseg's limit
    'AtrousResNet': (dict(depth=50, base_channels=8, stem_channels=8), 4),
    'AtrousVGG': (dict(), 5),
    'EfficientNet': (dict(arch='lite0', width=0.25), 7),
    'ESPNet': (dict(num_blocks=(1, 2)), 2),
    'ESPNetv2': (dict(width_multiplier=0.5), 3),
    'Xception': (dict(arch=41), 4),
}
HEADS = {
    'DeepLabV1Head': dict(in_channels=8, channels=8),
    'DeepLabV2Head': dict(in_channels=8),
    'DeepLabV3Head': dict(in_channels=8, channels=8),
    'DeepLabV3PlusHead': dict(in_channels=[8, 8], channels=8),
    'ESPNetCHead': dict(in_channels=8),
    'ESPNetHead': dict(in_channels=[8, 8, 8], channels=10),
    'WeightedSumHead': dict(in_channels=[8, 8, 8], channels=8),
}
NECKS = {
    'BiFPN': dict(in_channels=[8, 8, 8], channels=8),
    'EPP': dict(in_channels=[8, 8, 8], channels=[16, 16]),
    'PooledLevels': dict(neck=dict(type='BiFPN', in_channels=[8] * 4, channels=8), num_outs=4),
}
IGNORE = 7
SIZE = (65, 97)


def own(base, without=()):
    """Names of our registered classes of a kind."""
    return {
        name
        for name, part in MODELS.module_dict.items()
        if part.__module__.startswith('mmseg_eff.models.') and base in part.__module__
    } - set(without)


def test_every_registered_part_is_asked():
    assert set(BACKBONES) == own('.backbones.')
    assert set(HEADS) == own('.decode_heads.')
    assert set(NECKS) == own('.necks.')


@pytest.fixture(autouse=True)
def seeded(monkeypatch):
    monkeypatch.setitem(xception.ARCHS, '41', TINY_XCEPTION)
    init_default_scope('mmseg')
    torch.manual_seed(0)


def build(name, defaults, **kwargs):
    config = dict(type=name, **defaults, **kwargs)
    before = copy.deepcopy(config)
    module = MODELS.build(config)
    assert config == before  # nobody writes into a config
    return module


def backbone(name, **kwargs):
    return build(name, BACKBONES[name][0], **kwargs)


def maps():
    """Three maps, finest first."""
    return [torch.randn(2, 8, side, side + 1) for side in (17, 9, 5)]


def norms(module):
    return [part for part in module.modules() if isinstance(part, _BatchNorm)]


@pytest.mark.parametrize('name', [*BACKBONES, *HEADS, *NECKS])
def test_train_and_eval_return_the_module(name):
    if name in BACKBONES:
        module = backbone(name)
    elif name in HEADS:
        module = build(name, HEADS[name], num_classes=5)
    else:
        module = build(name, NECKS[name])
    assert isinstance(module, BaseModule)
    assert module.eval() is module and not module.training
    assert module.train() is module and module.training
    assert module.train(False) is module and not module.training


@pytest.mark.parametrize('name', BACKBONES)
def test_levels_come_in_the_order_asked_for(name):
    indices = sorted(inspect.signature(type(backbone(name))).parameters['out_indices'].default)
    image = torch.randn(1, 3, *SIZE)
    orders = [tuple(indices), tuple(indices[::-1]), (indices[-1], indices[0]), [indices[-1]]]
    nets = [backbone(name, out_indices=order).eval() for order in orders]
    for net in nets[1:]:
        net.load_state_dict(nets[0].state_dict())
    with torch.no_grad():
        whole = dict(zip(indices, nets[0](image), strict=True))
        for order, net in zip(orders, nets, strict=True):
            given = net(image)
            assert isinstance(given, tuple)
            assert [x.shape[1] for x in given] == list(net.out_channels)
            for index, x in zip(order, given, strict=True):
                assert torch.equal(x, whole[index])


@pytest.mark.parametrize('name', BACKBONES)
@pytest.mark.parametrize('wrong', [2, 0, [], [99], [-1], ['0'], [True]])
def test_wrong_levels_are_named(name, wrong):
    with pytest.raises(ValueError, match=r'out_indices must be') as raised:
        backbone(name, out_indices=wrong)
    assert ('the int' in str(raised.value)) is isinstance(wrong, int)


def stage_of(name, parameter):
    """The stage of a parameter in mmseg's backbones, where a layer's name tells; 0 for the stem."""
    return int(parameter[5]) if parameter.startswith('layer') else 0


@pytest.mark.parametrize('name', BACKBONES)
def test_frozen_stages_keep_weights_and_statistics(name):
    num_stages = BACKBONES[name][1]
    net = backbone(name)
    always = {key for key, value in net.named_parameters() if value.requires_grad}
    frozen = []
    for stages in range(-1, num_stages + 1):
        net = backbone(name, frozen_stages=stages).train()
        frozen.append({key for key in always if not net.get_parameter(key).requires_grad})
        if name in ('AtrousMobileNetV2', 'AtrousResNet'):
            assert frozen[-1] == {key for key in always if stage_of(name, key) <= stages}
        for key, norm in net.named_modules():
            if isinstance(norm, _BatchNorm):
                assert norm.training is (f'{key}.weight' not in frozen[-1])
    assert frozen[0] == set()
    assert all(a < b for a, b in pairwise(frozen[1:] if name == 'AtrousVGG' else frozen))
    assert frozen[-1] == always or name == 'AtrousMobileNetV2'


@pytest.mark.parametrize('name', BACKBONES)
def test_frozen_stages_stay_while_the_others_train(name):
    net = backbone(name, frozen_stages=1).train()
    before = copy.deepcopy(net.state_dict())
    optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.1)
    sum(x.square().mean() for x in net(torch.randn(2, 3, *SIZE))).backward()
    optimizer.step()
    trained = {key for key, value in net.named_parameters() if value.requires_grad}
    changed = {
        key for key, value in net.state_dict().items() if not torch.equal(value, before[key])
    }
    assert changed & trained
    parameters = {key for key, _ in net.named_parameters()}
    assert not changed & (parameters - trained)
    of_frozen = [key for key, norm in net.named_modules() if isinstance(norm, _BatchNorm)]
    of_frozen = [key for key in of_frozen if f'{key}.weight' not in trained]
    assert bool(of_frozen) is (name != 'AtrousVGG')
    assert not changed & {f'{key}.running_mean' for key in of_frozen}


@pytest.mark.parametrize('name', BACKBONES)
def test_too_many_frozen_stages_are_refused(name):
    with pytest.raises(ValueError, match='frozen_stages must be'):
        backbone(name, frozen_stages=BACKBONES[name][1] + 1)


@pytest.mark.parametrize('name', BACKBONES)
def test_norm_eval_keeps_all_statistics_in_training(name):
    net = backbone(name, norm_eval=True).train()
    assert net.training
    assert not any(norm.training for norm in norms(net))
    assert bool(norms(net)) is (name != 'AtrousVGG')
    others = [m for m in net.modules() if not isinstance(m, _BatchNorm)]
    assert all(module.training for module in others)
    assert all(norm.training for norm in norms(backbone(name).train()))


@pytest.mark.parametrize('name', BACKBONES)
def test_with_cp_saves_maps_and_gives_the_same_gradients(name):
    plain = backbone(name, norm_eval=True).train()
    net = backbone(name, norm_eval=True, with_cp=True).train()
    net.load_state_dict(plain.state_dict())
    image = torch.randn(2, 3, *SIZE)
    kept, gradients = [], []
    for model in (plain, net):
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda x, sizes=sizes: sizes.append(x.numel()) or x, lambda x: x
        ):
            outputs = model(image)
        sum(x.square().mean() for x in outputs).backward()
        kept.append(sum(sizes))
        gradients.append([p.grad for p in model.parameters() if p.requires_grad])
    assert kept[1] < 0.8 * kept[0]
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ('name', 'base', 'values'),
    [
        (
            'AtrousResNet',
            ResNet,
            dict(
                depth=101,
                in_channels=4,
                stem_channels=16,
                base_channels=8,
                num_stages=3,
                strides=(1, 2, 1),
                dilations=(1, 1, 2),
                out_indices=(2, 0),
                style='caffe',
                deep_stem=True,
                avg_down=True,
                frozen_stages=2,
                conv_cfg=dict(type='ConvWS'),
                norm_cfg=dict(type='GN', num_groups=2),
                norm_eval=True,
                dcn=None,
                stage_with_dcn=(False, False, False),
                plugins=[dict(cfg=dict(type='ContextBlock', ratio=0.5), position='after_conv3')],
                contract_dilation=False,
                with_cp=True,
                zero_init_residual=False,
            ),
        ),
        (
            'AtrousMobileNetV2',
            MobileNetV2,
            dict(
                widen_factor=0.5,
                strides=(1, 2, 2, 1, 1, 1, 1),
                dilations=(1, 1, 1, 2, 2, 4, 4),
                out_indices=(6, 1),
                frozen_stages=3,
                conv_cfg=dict(type='ConvWS'),
                norm_cfg=dict(type='GN', num_groups=2),
                act_cfg=dict(type='ReLU'),
                norm_eval=True,
                with_cp=True,
            ),
        ),
    ],
)
def test_arguments_of_mmsegs_class_are_passed_on(name, base, values):
    """``multi_grid`` is relative here, and the two ways to initialise exclude each other."""
    left = {'self', 'pretrained', 'init_cfg', 'multi_grid'}
    assert set(values) == inspect.signature(base.__init__).parameters.keys() - left
    net = MODELS.build(dict(type=name, **values))
    for key, value in values.items():
        if hasattr(net, key) and key != 'in_channels':
            assert getattr(net, key) == value, key
    init_cfg = dict(type='Pretrained', checkpoint='some.pth')
    assert MODELS.build(dict(type=name, init_cfg=init_cfg)).init_cfg == init_cfg
    with pytest.warns(UserWarning, match='pretrained'):
        assert MODELS.build(dict(type=name, pretrained='some.pth')).init_cfg == init_cfg
    same = {**values, 'out_indices': sorted(values['out_indices'])}
    theirs = base(**same)
    theirs.load_state_dict(net.state_dict())
    theirs.eval()  # which does not return it
    image = torch.randn(1, values.get('in_channels', 3), *SIZE)
    with torch.no_grad():
        for a, b in zip(net.eval()(image), reversed(theirs(image)), strict=True):
            assert torch.equal(a, b)


@pytest.mark.parametrize('name', HEADS)
@pytest.mark.parametrize(('config', 'layer'), [('conv_cfg', 'ConvWS2d'), ('act_cfg', 'Hardswish')])
def test_layer_configs_are_used_or_refused(name, config, layer):
    value = dict(type={'ConvWS2d': 'ConvWS', 'Hardswish': 'HSwish'}[layer])
    try:
        head = build(name, HEADS[name], num_classes=5, **{config: value})
    except ValueError as error:
        assert f'takes no {config}, since' in str(error)
        return
    types = [type(module).__name__ for module in head.modules()]
    assert any(layer.lower() in kind.lower() for kind in types), types
    others = ('Conv2d',) if config == 'conv_cfg' else ('ReLU', 'SiLU', 'PReLU')
    assert sum(kind in others for kind in types) <= (config == 'conv_cfg')  # the classifier
    head.eval()(maps())


@pytest.mark.parametrize('name', HEADS)
def test_defaults_of_layer_configs_are_taken(name):
    build(name, HEADS[name], num_classes=5, conv_cfg=None, norm_cfg=dict(type='BN'))


@pytest.mark.parametrize('name', HEADS)
def test_dropout_is_for_training(name):
    head = build(name, HEADS[name], num_classes=5, dropout_ratio=0.5)
    for norm in norms(head):
        norm.momentum = 0.0
    inputs = maps()
    with torch.no_grad():
        trained = [head.train()(inputs) for _ in range(2)]
        evaluated = [head.eval()(inputs) for _ in range(2)]
    assert not torch.equal(*trained)
    assert torch.equal(*evaluated)


@pytest.mark.parametrize('name', HEADS)
@pytest.mark.parametrize(('num_classes', 'out_channels'), [(5, None), (2, 1), (1, None)])
def test_arguments_of_mmsegs_base_reach_it(name, num_classes, out_channels):
    losses = [
        dict(type='CrossEntropyLoss', use_sigmoid=num_classes < 3, loss_name='loss_ce'),
        dict(type='DiceLoss', loss_weight=3.0, loss_name='loss_dice'),
    ]
    head = build(
        name,
        HEADS[name],
        num_classes=num_classes,
        out_channels=out_channels,
        ignore_index=IGNORE,
        loss_decode=losses,
        align_corners=False,
        sampler=dict(type='OHEMPixelSampler', thresh=0.7),
        init_cfg=dict(type='Normal', layer='Conv2d', std=0.02),
    )
    assert isinstance(head, BaseDecodeHead)
    assert head.ignore_index == IGNORE
    assert not head.align_corners
    assert head.sampler is not None
    assert [loss.loss_name for loss in head.loss_decode] == ['loss_ce', 'loss_dice']
    assert head.init_cfg['std'] == 0.02
    logits = head.eval()(maps())
    assert logits.shape[:2] == (2, out_channels or num_classes)


@pytest.mark.parametrize('name', NECKS)
def test_necks_return_a_tuple_of_their_channels(name):
    neck = build(name, NECKS[name]).eval()
    outputs = neck(maps())
    assert isinstance(outputs, tuple)
    if name != 'PooledLevels':  # whose neck knows
        assert [x.shape[1] for x in outputs] == list(neck.out_channels)
    assert all(isinstance(x, torch.Tensor) and x.isfinite().all() for x in outputs)
