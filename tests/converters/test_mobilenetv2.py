import pytest
import torch
from helpers import NORM_KEYS
from mmseg.models.backbones import MobileNetV2
from torch import Tensor
from torch.nn import functional as F

from mmseg_eff.converters.mobilenetv2 import convert_mobilenetv2
from mmseg_eff.errors import InputError

LAYERS = (  # expansion, channels, blocks, stride; MobileNetV2's Table 2
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
# Convolution and norm of expansion, depth-wise and projection; first of a block without expansion.
PARTS = {
    'torchvision': (
        [('conv.0.0', 'conv.0.1'), ('conv.1', 'conv.2')],
        [('conv.0.0', 'conv.0.1'), ('conv.1.0', 'conv.1.1'), ('conv.2', 'conv.3')],
    ),
    'timm': (
        [('conv_dw', 'bn1'), ('conv_pw', 'bn2')],
        [('conv_pw', 'bn1'), ('conv_dw', 'bn2'), ('conv_pwl', 'bn3')],
    ),
}
ENDS = {  # the stem's convolution and norm; the head's, and the classifier
    'torchvision': 'features.0.0 features.0.1 features.18.0 features.18.1 classifier.1',
    'timm': 'conv_stem bn1 conv_head bn2 classifier',
}


def rounded(channels: float) -> int:
    multiple = max(8, int(channels + 4) // 8 * 8)
    return multiple + 8 if multiple < 0.9 * channels else multiple


def official(library: str, width: float = 1.0, device: str = 'cpu') -> tuple[dict, dict]:
    """A library's file, from its layout, and the tensors that are to come of it."""
    theirs, ours = {}, {}

    def conv_norm(conv: str, bn: str, our_name: str | None, *shape: int) -> None:
        shapes = {f'{conv}.weight': shape, f'{bn}.num_batches_tracked': ()}
        shapes |= {f'{bn}.{key}': shape[:1] for key in NORM_KEYS}
        for name, size in shapes.items():
            theirs[name] = torch.rand(size, device=device)
            if our_name:
                kind = 'conv' if name.startswith(f'{conv}.') else 'bn'
                ours[f'backbone.{our_name}.{kind}.{name.split(".")[-1]}'] = theirs[name]

    ends = ENDS[library].split()
    inputs, count = rounded(32 * width), 0
    conv_norm(*ends[:2], 'conv1', inputs, 3, 3, 3)
    for layer, (expansion, channels, num_blocks, _) in enumerate(LAYERS):
        for block in range(num_blocks):
            count += 1
            where = f'features.{count}' if library == 'torchvision' else f'blocks.{layer}.{block}'
            inner, outputs = inputs * expansion, rounded(channels * width)
            shapes = [(inner, inputs, 1, 1), (inner, 1, 3, 3), (outputs, inner, 1, 1)]
            names = PARTS[library][expansion > 1]
            for index, ((conv, bn), shape) in enumerate(
                zip(names, shapes[-len(names) :], strict=True)
            ):
                our_name = f'layer{layer + 1}.{block}.conv.{index}'
                conv_norm(f'{where}.{conv}', f'{where}.{bn}', our_name, *shape)
            inputs = outputs
    head = max(1280, rounded(1280 * width))
    conv_norm(*ends[2:4], None, head, inputs, 1, 1)
    theirs |= {
        f'{ends[4]}.weight': torch.rand(1000, head, device=device),
        f'{ends[4]}.bias': torch.rand(1000, device=device),
    }
    return theirs, ours


@pytest.mark.parametrize('library', PARTS)
def test_every_tensor_lands_in_its_place(library):
    theirs, ours = official(library, 0.35)
    converted, meta = convert_mobilenetv2(dict(sorted(theirs.items())))  # block 10 before block 2
    assert meta['model'] == dict(widen_factor=0.35)
    assert converted.keys() == ours.keys()
    assert all(torch.equal(converted[key], ours[key]) for key in ours)
    assert not {v.data_ptr() for v in converted.values()} & {v.data_ptr() for v in theirs.values()}


@pytest.mark.parametrize('library', PARTS)
@pytest.mark.parametrize(
    'width, parameters',  # of torchvision's documentation; M of timm's results table
    [(1.0, 3_504_872), (0.5, 1.97), (1.4, 6.11)],
)
def test_width_is_found_from_the_shapes(library, width, parameters):
    theirs, _ = official(library, width, device='meta')
    meta = convert_mobilenetv2(theirs)[1]
    assert meta['model'] == dict(widen_factor=width)
    assert meta['preprocessing']['mean'] == (123.675, 116.28, 103.53)
    count = sum(v.numel() for k, v in theirs.items() if k.endswith(('weight', 'bias')))
    assert parameters == (count if width == 1 else round(count / 1e6, 2))


def plain_forward(weights: dict[str, Tensor], x: Tensor) -> list[Tensor]:
    """Maps of the layers, from torchvision's file as it is."""

    def conv_norm(x: Tensor, where: str, conv: str, bn: str, stride: int = 1) -> Tensor:
        weight = weights[f'{where}.{conv}.weight']
        groups = x.shape[1] // weight.shape[1]
        x = F.conv2d(x, weight, None, stride, weight.shape[-1] // 2, 1, groups)
        gamma, beta, mean, var = (weights[f'{where}.{bn}.{key}'] for key in NORM_KEYS)
        return F.batch_norm(x, mean, var, gamma, beta)

    x = F.relu6(conv_norm(x, 'features.0', '0', '1', 2))
    maps, count = [], 0
    for expansion, _, num_blocks, stride in LAYERS:
        for block in range(num_blocks):
            count += 1
            where, y = f'features.{count}', x
            *first, last = PARTS['torchvision'][expansion > 1]
            for index, (conv, bn) in enumerate(first, start=2 - len(first)):
                step = stride if index == 1 and block == 0 else 1
                y = F.relu6(conv_norm(y, where, conv, bn, step))
            y = conv_norm(y, where, *last)
            x = x + y if block > 0 else y
        maps.append(x)
    return maps


def test_mmsegs_network_gives_the_maps_of_the_file():
    theirs, _ = official('torchvision', 0.35)
    theirs = {
        key: value - 0.5 if key.endswith(('weight', 'bias')) and value.ndim else value
        for key, value in theirs.items()
    }
    converted, meta = convert_mobilenetv2(theirs)
    net = MobileNetV2(meta['model']['widen_factor'], out_indices=tuple(range(7)))
    net.eval()
    net.load_state_dict({k.removeprefix('backbone.'): v for k, v in converted.items()})
    image = torch.randn(1, 3, 65, 70)
    for x, y in zip(net(image), plain_forward(theirs, image), strict=True):
        assert y.std() > 0.01
        torch.testing.assert_close(x, y)


@pytest.mark.parametrize(
    'library, lost, message',
    [
        (
            'torchvision',
            'features.0.0',
            "^not a MobileNetV2 .* torchvision's mobilenet_v2 or",
        ),
        ('timm', 'blocks.6.', '^not a MobileNetV2 file: it has other blocks'),
        ('torchvision', 'features.17.conv.2', '^not a MobileNetV2 file: it has other blocks'),
        ('torchvision', 'features.1.conv.2.bias', '^not a complete .* of width 1.0: 1 missing'),
        ('timm', 'bn1.', r'^not a complete .*: 5 missing \(first: backbone.conv1.bn.bias\)'),
    ],
)
def test_incomplete_files_are_refused(library, lost, message):
    theirs, _ = official(library, device='meta')
    kept = {key: value for key, value in theirs.items() if not key.startswith(lost)}
    assert len(kept) < len(theirs)
    with pytest.raises(InputError, match=message):
        convert_mobilenetv2(kept)


@pytest.mark.parametrize(
    'change, message',
    [
        ({'conv_stem.weight': (32, 1, 3, 3)}, r'1 other shape \(first: backbone.conv1.conv'),
        (
            {'blocks.1.2.conv_pw.weight': (8, 8, 1, 1)},
            r'1 unexpected \(first: backbone.layer2.2',
        ),
        ({'blocks.6.0.conv_pwl.weight': (352, 960, 1, 1)}, 'it has other blocks'),
    ],
)
def test_other_tensors_are_refused(change, message):
    theirs, _ = official('timm', device='meta')
    theirs |= {key: torch.empty(shape) for key, shape in change.items()}
    with pytest.raises(InputError, match=f'^not a .*MobileNetV2 file.*: {message}'):
        convert_mobilenetv2(theirs)


def test_files_of_other_networks_are_refused():
    theirs, _ = official('torchvision', device='meta')
    theirs['features.30.weight'] = torch.empty(3)
    with pytest.raises(InputError, match=r'1 unexpected \(first: backbone.features.30.weight\)'):
        convert_mobilenetv2(theirs)
