"""Checkpoints of other programs: the weights are found, or the message says where they are."""

import argparse
from pathlib import Path

import pytest
import torch
from converters.test_efficientnet import official
from mmengine.runner.checkpoint import _load_checkpoint
from mmengine.runner.checkpoint import load_checkpoint as load_by_mmengine
from torch import nn

from mmseg_eff.commands.convert_weights import main
from mmseg_eff.converters import load_checkpoint, load_weights
from mmseg_eff.converters.convert import convert
from mmseg_eff.errors import InputError

WEIGHTS = nn.Linear(3, 2).state_dict()
AVERAGED = {name: value + 1 for name, value in WEIGHTS.items()}
OPTIMIZER = dict(state={0: dict(exp_avg=torch.ones(1))}, param_groups=[dict(lr=0.1)])


def prefixed(prefix, weights=WEIGHTS):
    return {prefix + name: value for name, value in weights.items()}


@pytest.fixture
def save(tmp_path):
    def write(content):
        torch.save(content, tmp_path / 'a.pth')
        return tmp_path / 'a.pth'

    return write


FOUND = {
    'model': dict(model=WEIGHTS),
    'epoch first': dict(epoch=3, best=0.5, model=WEIGHTS, optimizer=OPTIMIZER),
    'model_state': dict(cur_itrs=1, model_state=WEIGHTS, optimizer_state=OPTIMIZER),
    'model_state_dict': dict(model_state_dict=WEIGHTS, optimizer_state_dict=OPTIMIZER),
    'net': dict(net=WEIGHTS, acc=1, epoch=torch.tensor(3)),
    'unknown, the only one': dict(unet=WEIGHTS, epoch=3),
    'nested': dict(checkpoint=dict(model=WEIGHTS, epoch=3)),
    'state_dict before model': dict(model=AVERAGED, state_dict=WEIGHTS),
    'averaged beside': dict(state_dict_ema=AVERAGED, state_dict=WEIGHTS),
    'averaged first': dict(model_ema=AVERAGED, model=WEIGHTS, ema=dict(module=AVERAGED)),
    'mmengine': dict(meta={}, state_dict=WEIGHTS, ema_state_dict=prefixed('module.', AVERAGED)),
    'name of the network': dict(model='linear', state_dict=WEIGHTS),
    'Namespace': dict(state_dict=WEIGHTS, args=argparse.Namespace(lr=0.1, out=Path('x'))),
    'Parameter': dict(model={name: nn.Parameter(value) for name, value in WEIGHTS.items()}),
    **{
        prefix: dict(state_dict=prefixed(prefix))
        for prefix in (
            *('module.', 'model.', 'encoder.', 'backbone.timm_model.', '_orig_mod.'),
            *('module._orig_mod.', '_orig_mod.module.', 'model._orig_mod.', 'module.model.'),
            'model.encoder._orig_mod.',
        )
    },
}


@pytest.mark.parametrize('content', FOUND.values(), ids=FOUND)
def test_weights_are_found(save, content):
    layer = nn.Linear(3, 2)
    path = save(content)
    found = load_checkpoint(path)['state_dict']
    torch.testing.assert_close(found, WEIGHTS, rtol=0, atol=0)
    assert not any(value.requires_grad for value in found.values())
    load_weights(layer, path)
    assert layer.weight.equal(WEIGHTS['weight'])


def test_a_part_that_was_compiled(save):
    path = save({'stem.weight': torch.ones(1), 'head._orig_mod.weight': torch.ones(1)})
    assert load_checkpoint(path)['state_dict'].keys() == {'stem.weight', 'head.weight'}


def test_names_that_a_network_has_itself_stay(save):
    network = nn.ModuleDict(dict(model=nn.ModuleDict(dict(encoder=nn.Linear(3, 2)))))
    load_weights(network, save(network.state_dict()))


def test_a_network_beside_other_modules(save):
    layer = nn.Linear(3, 2)
    parts = {**prefixed('ema_model.', AVERAGED), **prefixed('model.')}
    load_weights(layer, save(dict(state_dict={**parts, 'criterion.weight': torch.ones(2)})))
    assert layer.weight.equal(WEIGHTS['weight'])


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (dict(generator=WEIGHTS, critic=WEIGHTS), "holds tensors under 'generator', 'critic'"),
        (dict(epoch=3, state_dict_ema=WEIGHTS), "holds tensors under 'state_dict_ema'; choose"),
        (dict(epoch=3, optimizer=OPTIMIZER), 'holds no state dict; expected tensors by name'),
    ],
)
def test_the_message_says_where_tensors_are(save, content, message):
    path = save(content)
    with pytest.raises(InputError, match=f'^{path}: {message}'):
        load_checkpoint(path)


def test_the_message_says_how_names_begin(save):
    path = save({**prefixed('trunk.'), **prefixed('head.')})
    with pytest.raises(InputError, match=r'does not fit .*; its names begin with trunk\., head\.'):
        load_weights(nn.Linear(3, 2), path)


def test_averaged_weights_on_request(save):
    path = save(dict(state_dict=WEIGHTS, state_dict_ema=AVERAGED))
    assert load_checkpoint(path, 'state_dict_ema')['state_dict']['bias'].equal(AVERAGED['bias'])
    message = "holds no tensors under 'ema', but under 'state_dict', 'state_dict_ema'"
    with pytest.raises(InputError, match=message):
        load_checkpoint(path, 'ema')


def test_conversion_of_averaged_weights(save, tmp_path, capsys):
    theirs, ours = official('timm', 'lite0')
    averaged = {name: value + 1 for name, value in theirs.items()}
    args = argparse.Namespace(lr=0.1)
    path = save(dict(epoch=3, state_dict=theirs, args=args, state_dict_ema=averaged))
    argv = ['efficientnet', str(path), str(tmp_path / 'ours.pth'), '--padding', 'same']
    name = 'backbone.stem.conv.weight'
    assert main(argv) == 0
    assert '--key state_dict_ema takes the averaged weights' in capsys.readouterr().err
    assert load_checkpoint(tmp_path / 'ours.pth')['state_dict'][name].equal(ours[name])
    assert main([*argv, '--key', 'state_dict_ema']) == 0
    assert load_checkpoint(tmp_path / 'ours.pth')['state_dict'][name].equal(ours[name] + 1)


@pytest.mark.parametrize('prefix', ['encoder.', 'model.encoder.', 'backbone.timm_model.', 'net.'])
def test_conversion_of_a_backbone_inside_a_network(save, tmp_path, prefix):
    theirs, ours = official('timm', 'lite0')
    content = dict(state_dict={**prefixed(prefix, theirs), 'decoder.weight': torch.ones(1)})
    convert('efficientnet', save(content), tmp_path / 'ours.pth', padding='same')
    assert load_checkpoint(tmp_path / 'ours.pth')['state_dict'].keys() == ours.keys()


def test_conversion_of_other_input_channels(save, tmp_path):
    theirs, _ = official('timm', 'lite0')
    theirs['conv_stem.weight'] = torch.rand(32, 4, 3, 3)
    meta = convert('efficientnet', save(theirs), tmp_path / 'ours.pth', padding='same')
    assert meta['model']['in_channels'] == 4 and 'preprocessing' not in meta


@pytest.mark.parametrize('content', [dict(epoch=3, model=WEIGHTS), prefixed('_orig_mod.')])
def test_mmengine_finds_them_too(save, content):
    layer = nn.Linear(3, 2)
    load_by_mmengine(layer, str(save(content)), map_location='cpu', strict=True)
    assert layer.weight.equal(WEIGHTS['weight'])


def test_mmengine_gets_the_rest_of_a_file_as_it_is(save):
    content = dict(model=WEIGHTS, epoch=3, model_ema=AVERAGED)
    assert _load_checkpoint(str(save(content))).keys() == {*content, 'state_dict'}


def test_what_a_namespace_holds_is_not_read(save):
    args = _load_checkpoint(str(save(dict(state_dict=WEIGHTS, args=argparse.Namespace(lr=1)))))
    assert vars(args['args']) == {}


def test_a_missing_file_is_a_file_not_found_error(tmp_path):
    path = tmp_path / 'none.pth'
    for load in (load_checkpoint, lambda p: load_by_mmengine(nn.Linear(3, 2), str(p))):
        with pytest.raises(FileNotFoundError, match=f'^{path}: no such checkpoint') as caught:
            load(path)
        assert isinstance(caught.value, InputError)
