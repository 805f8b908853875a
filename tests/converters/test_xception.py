import pytest
import torch
from helpers import NORM_KEYS, TINY_XCEPTION
from torch import Tensor
from torch.nn import functional as F

from mmseg_eff.converters.xception import convert_xception
from mmseg_eff.errors import InputError
from mmseg_eff.models.backbones.xception import ARCHS, Xception

PARAMETERS = {'41': 26.97, '65': 39.92, '71': 42.34}  # M, with the classifier: timm


def official(arch: str, device: str = 'cpu') -> tuple[dict, dict]:
    """timm's file, from its layout, and the tensors that are to come of it."""
    theirs, ours = {}, {}

    def add(name: str, our_name: str | None, *shape: int) -> None:
        theirs[name] = torch.rand(shape, device=device)
        if our_name:
            ours[f'backbone.{our_name}'] = theirs[name]

    def conv_norm(conv: str, bn: str, our_name: str, *shape: int) -> None:
        add(f'{conv}.weight', f'{our_name}.conv.weight', *shape)
        for key in NORM_KEYS:
            add(f'{bn}.{key}', f'{our_name}.bn.{key}', shape[0])
        add(f'{bn}.num_batches_tracked', f'{our_name}.bn.num_batches_tracked')

    conv_norm('stem.0.conv', 'stem.0.bn', 'stem.0', 32, 3, 3, 3)
    conv_norm('stem.1.conv', 'stem.1.bn', 'stem.1', 64, 32, 3, 3)
    width = 64
    for block, (channels, _, skip) in enumerate(ARCHS[arch]):
        where, ours_where = f'blocks.{block}', f'units.{block}'
        if skip == 'conv':
            names = (f'{where}.shortcut.conv', f'{where}.shortcut.bn', f'{ours_where}.skip')
            conv_norm(*names, channels[2], width, 1, 1)
        for index, outputs in enumerate(channels):
            stack, convs = f'{where}.stack.conv{index + 1}', f'{ours_where}.convs.{index}'
            names = (f'{stack}.conv_dw', f'{stack}.bn_dw', f'{convs}.depthwise_conv')
            conv_norm(*names, width, 1, 3, 3)
            names = (f'{stack}.conv_pw', f'{stack}.bn_pw', f'{convs}.pointwise_conv')
            conv_norm(*names, outputs, width, 1, 1)
            width = outputs
    add('head.fc.weight', None, 1000, width)
    add('head.fc.bias', None, 1000)
    return theirs, ours


@pytest.mark.parametrize('arch', PARAMETERS)
def test_arch_is_found_and_every_tensor_named(arch):
    theirs, ours = official(arch, device='meta')
    converted, meta = convert_xception(theirs)
    assert meta['model'] == dict(arch=arch)
    assert meta['preprocessing'] == dict(bgr_to_rgb=True, mean=(127.5,) * 3, std=(127.5,) * 3)
    assert {k: v.shape for k, v in converted.items()} == {k: v.shape for k, v in ours.items()}
    count = sum(v.numel() for k, v in theirs.items() if k.endswith(('weight', 'bias')))
    assert count / 1e6 == pytest.approx(PARAMETERS[arch], abs=0.006)


def test_every_tensor_lands_in_its_place(monkeypatch):
    monkeypatch.setitem(ARCHS, 'tiny', TINY_XCEPTION)
    theirs, ours = official('tiny')
    converted, _ = convert_xception(dict(sorted(theirs.items())))
    assert converted.keys() == ours.keys()
    assert all(torch.equal(converted[key], ours[key]) for key in ours)
    assert not {v.data_ptr() for v in converted.values()} & {v.data_ptr() for v in theirs.values()}


def plain_forward(weights: dict[str, Tensor], x: Tensor) -> list[Tensor]:
    """The four maps, from timm's file as it is."""

    def conv_norm(x: Tensor, conv: str, bn: str, stride: int = 1) -> Tensor:
        weight = weights[f'{conv}.weight']
        groups = x.shape[1] // weight.shape[1]
        x = F.conv2d(x, weight, None, stride, weight.shape[-1] // 2, 1, groups)
        gamma, beta, mean, var = (weights[f'{bn}.{key}'] for key in NORM_KEYS)
        return F.batch_norm(x, mean, var, gamma, beta, eps=1e-3)

    for index in (0, 1):
        x = F.relu(conv_norm(x, f'stem.{index}.conv', f'stem.{index}.bn', 2 - index))
    maps = []
    for index, (_, stride, skip) in enumerate(TINY_XCEPTION):
        block, y = f'blocks.{index}', x
        for conv in (f'{block}.stack.conv{i}' for i in (1, 2, 3)):
            y = y if skip == 'none' else F.relu(y)
            for part in ('dw', 'pw'):
                step = stride if part == 'dw' and conv.endswith('3') else 1
                y = conv_norm(y, f'{conv}.conv_{part}', f'{conv}.bn_{part}', step)
                y = F.relu(y) if skip == 'none' else y
            if conv.endswith('2') and index in (1, 2):  # the second and third strided block
                maps.append(y)
        if skip == 'conv':
            y = y + conv_norm(x, f'{block}.shortcut.conv', f'{block}.shortcut.bn', stride)
        x = y + x if skip == 'sum' else y
        if index in (3, 5):
            maps.append(x)
    return maps


def test_maps_equal_those_of_the_file(monkeypatch):
    monkeypatch.setitem(ARCHS, 'tiny', TINY_XCEPTION)
    theirs, _ = official('tiny')
    theirs = {
        key: value - 0.5 if key.endswith(('weight', 'bias')) and value.ndim else value
        for key, value in theirs.items()
    }
    converted, meta = convert_xception(theirs)
    net = Xception(meta['model']['arch'], output_stride=32).eval()
    net.load_state_dict({k.removeprefix('backbone.'): v for k, v in converted.items()})
    image = torch.randn(1, 3, 65, 70)
    for x, y in zip(net(image), plain_forward(theirs, image), strict=True):
        assert y.std() > 0.01
        torch.testing.assert_close(x, y)


@pytest.mark.parametrize(
    'lost, message',
    [
        ('blocks.0.stack.conv1.conv_dw', "^not an aligned .* timm's xception41, xception65 or"),
        ('blocks.20.', '^not an aligned Xception file: it has other blocks'),
        ('blocks.5.stack.conv2.bn_pw.bias', r'^not a complete Xception 65 file: 1 missing \(first'),
        ('stem.1.', r'^not a complete Xception 65 file: 6 missing \(first: backbone.stem.1.bn'),
    ],
)
def test_incomplete_files_are_refused(lost, message):
    theirs, _ = official('65', device='meta')
    kept = {key: value for key, value in theirs.items() if not key.startswith(lost)}
    assert len(kept) < len(theirs)
    with pytest.raises(InputError, match=message):
        convert_xception(kept)


@pytest.mark.parametrize(
    'change, message',
    [
        ({'stem.0.conv.weight': (24, 3, 3, 3)}, r'1 other shape \(first: backbone.stem.0.conv'),
        ({'blocks.3.norm.weight': (728,)}, r'1 unexpected \(first: backbone.units.3.norm'),
    ],
)
def test_other_tensors_are_refused(change, message):
    theirs, _ = official('41', device='meta')
    theirs |= {key: torch.empty(shape) for key, shape in change.items()}
    with pytest.raises(InputError, match=f'^not a complete Xception 41 file: {message}'):
        convert_xception(theirs)
