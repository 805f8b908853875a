import pytest
import torch
from mmengine.config import Config
from torch import nn
from torch.nn import functional as F

from mmseg_eff.benchmarking.complexity import build_without_memory, complexity

HEIGHT, WIDTH, CHANNELS = 8, 12, 4  # of the image in the tests of single operations
SITES = HEIGHT * WIDTH
ELEMENTS = CHANNELS * SITES


class Forward(nn.Module):
    """Runs what ``build`` makes and hands on the image."""

    def __init__(self, in_channels, build, pretrained=None):
        super().__init__()
        self.operation = build()

    def forward(self, image):
        self.operation(image)
        return [image]


class Drawn(nn.Module):
    """Reads a value when it is built, as drop path rates are."""

    def __init__(self, in_channels, build):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 1, 1)
        self.rate = torch.linspace(0, 1, 3)[1].item()

    def forward(self, image):
        return [image * self.rate]


def config(build=nn.Identity, backbone=Forward):
    head = dict(type='FCNHead', in_channels=CHANNELS, channels=CHANNELS, num_classes=5, in_index=0)
    head.update(num_convs=0, concat_input=False)  # leaves a 1x1 convolution with bias
    backbone = dict(type=backbone, in_channels=CHANNELS, build=build)
    model = dict(type='EncoderDecoder', backbone=backbone, decode_head=head)
    return Config(dict(model=model, crop_size=(HEIGHT, WIDTH)))


def call(function):
    """A builder of a module that calls ``function``."""
    return lambda: type('Call', (nn.Module,), dict(forward=lambda self, x: function(x)))()


OPERATIONS = {  # builder, MACs, element-wise operations; counted by hand
    'dense': (lambda: nn.Conv2d(4, 6, 3, padding=1, bias=False), SITES * 6 * 4 * 9, 0),
    'strided, bias': (lambda: nn.Conv2d(4, 6, 3, 2, 1), 4 * 6 * 6 * 4 * 9, 4 * 6 * 6),
    'grouped': (lambda: nn.Conv2d(4, 8, 3, 1, 1, 1, 2, False), SITES * 8 * 2 * 9, 0),
    'depth-wise': (lambda: nn.Conv2d(4, 4, 5, 1, 2, 1, 4, False), SITES * 4 * 25, 0),
    'transposed': (lambda: nn.ConvTranspose2d(4, 6, 2, 2, bias=False), SITES * 4 * 6 * 4, 0),
    'transposed, grouped, bias': (
        lambda: nn.ConvTranspose2d(4, 6, 3, 2, groups=2),
        SITES * 4 * 3 * 9,
        6 * 17 * 25,
    ),
    'atrous': (  # runs on 10 x 15 instead of 8 x 12
        lambda: nn.Conv2d(4, 6, 3, 1, 5, 5, bias=False),
        SITES * 216,
        2 * (150 - SITES) * 216,
    ),
    'atrous, strided': (lambda: nn.Conv2d(4, 6, 3, 2, 5, 5, bias=False), 4 * 6 * 216, 0),
    'atrous, one way': (
        lambda: nn.Conv2d(4, 4, (1, 3), 1, (0, 7), (1, 7), 4, False),
        SITES * 12,
        2 * (8 * 14 - SITES) * 12,
    ),
    'linear': (lambda: nn.Linear(12, 5), 4 * 8 * 12 * 5, 4 * 8 * 5),
    'product': (call(lambda x: x @ x.mT), 4 * 8 * 12 * 8, 0),
    'add': (call(lambda x: x + x), 0, ELEMENTS),
    'subtract': (call(lambda x: 1 - (x - 2)), 0, 2 * ELEMENTS),
    'scale': (call(lambda x: 2 * x / 3), 0, 2 * ELEMENTS),
    'in place': (call(lambda x: x.add_(1).mul_(2).sub_(3).div_(4)), 0, 4 * ELEMENTS),
    'broadcast': (call(lambda x: x[:, :1] + x), 0, ELEMENTS),
    'gate': (call(lambda x: x * x.mean((2, 3), keepdim=True).sigmoid()), 0, 2 * ELEMENTS),
    'sum': (call(lambda x: x.sum(1)), 0, ELEMENTS - SITES),
    'global pool': (lambda: nn.AdaptiveAvgPool2d(1), 0, ELEMENTS),
    'adaptive': (lambda: nn.AdaptiveAvgPool2d((3, 5)), 0, 4 * (3 + 4 + 3) * (3 + 3 + 4 + 3 + 3)),
    'adaptive maximum': (lambda: nn.AdaptiveMaxPool2d(2), 0, ELEMENTS),
    'max pool': (lambda: nn.MaxPool2d(3, 2, 1), 0, 9 * 4 * 4 * 6),
    'avg pool': (lambda: nn.AvgPool2d((1, 2)), 0, 2 * 4 * 8 * 6),
    'swish': (call(lambda x: x * x.sigmoid()), 0, 0),
    'swish, turned': (call(lambda x: x.sigmoid() * x), 0, 0),
    'activations': (lambda: nn.Sequential(nn.SiLU(), nn.PReLU(), nn.ReLU6(), nn.Sigmoid()), 0, 0),
    'norm': (lambda: nn.SyncBatchNorm(4), 0, 0),
    'upsample': (call(lambda x: F.interpolate(x, scale_factor=2, mode='bilinear')), 0, 0),
}


@pytest.mark.parametrize('name', OPERATIONS)
def test_operations(name):
    build, macs, elements = OPERATIONS[name]
    size, (backbone, head), total = complexity(config(build))
    assert size == (HEIGHT, WIDTH)
    assert backbone == ('backbone', backbone.parameters, macs, macs + elements // 2)
    assert backbone.parameters == sum(p.numel() for p in build().parameters())
    in_head = SITES * CHANNELS * 5
    assert head == ('decode_head', CHANNELS * 5 + 5, in_head, in_head + SITES * 5 // 2)
    sums = [backbone[i] + head[i] for i in (1, 2, 3)]
    assert total == ('total', *sums)


@pytest.mark.parametrize(
    ('name', 'parameters', 'macs'),
    [  # the official networks, counted once with torch's FlopCounterMode
        ('espnet/espnet-p2q8_1xb8-558k_cityscapes-512x1024', 364_569, 4.709e9),
        ('espnet/espnet-c-p2q3_1xb14-319k_cityscapes-512x1024', 187_529, 2.159e9),
        ('espnetv2/espnetv2-s1.0_1xb6-49.6k_cityscapes-512x1024', 234_010, 1085.28e6),
        ('espnetv2/espnetv2-s0.5_1xb40-26.5k_voc12aug-256x256', 80_353, 74.70e6),
    ],
)
def test_official_networks(root, name, parameters, macs):
    _, parts, total = complexity(Config.fromfile(root / f'configs/{name}.py'))
    assert total.parameters == parameters == sum(part.parameters for part in parts)
    assert total.macs == pytest.approx(macs, rel=1e-3)
    assert total.macs == sum(part.macs for part in parts) < total.paper_macs
    has_neck = 'espnetv2' in name
    assert [part.part for part in parts] == ['backbone', *['neck'] * has_neck, 'decode_head']


@pytest.mark.parametrize(
    ('name', 'parameters', 'paper'),
    [  # ESeg, https://arxiv.org/abs/2203.12683, as printed in its tables
        ('eseg-s', '6.9', 34.5e9),
        ('eseg-m', '20.0', 112e9),
        ('eseg-s-p2p5', '6.4', 34.3e9),
        ('eseg-s-p2p7', '6.6', 34.5e9),
        ('eseg-s-fpn-p2p5', None, 39.8e9),
        ('eseg-r50', None, 188.0e9),
    ],
)
def test_figures_of_eseg_paper(root, name, parameters, paper):
    path = root / f'configs/eseg/{name}_1xb16-90k_cityscapes-512x1024.py'
    total = complexity(Config.fromfile(path), (1024, 2048)).total
    assert total.paper_macs == pytest.approx(paper, rel=2e-3)
    assert parameters in (None, f'{total.parameters / 1e6:.1f}')


@pytest.mark.parametrize('backbone', [Forward, Drawn])
def test_builds_without_memory(backbone):
    settings = config(lambda: nn.Conv2d(1, 1, 1), backbone)
    model = build_without_memory(settings.model)
    tensors = [*model.parameters(), *model.buffers()]
    assert len(tensors) >= 4 and all(tensor.is_meta for tensor in tensors)
    assert torch.zeros(1).device.type == 'cpu'


def test_runs_without_memory():
    build = OPERATIONS['dense'][0]
    backbone = complexity(config(build), (10**5, 10**6)).rows[0]  # 1.6 TB an image
    assert backbone.macs == 6 * 4 * 9 * 10**11


def test_config_is_not_written_to():
    settings = config()
    settings.model.pretrained = 'weights.pth'  # mmseg copies it into the backbone's config
    before = settings.to_dict()
    complexity(settings)
    assert settings.to_dict() == before


@pytest.mark.parametrize('size', [(0, 8), (8, -1), (8,), (8, 8, 8), ('8', 'wide'), 8, ()])
def test_bad_size(size):
    with pytest.raises(ValueError, match='size must be two whole numbers of at least 1'):
        complexity(config(), size)


def test_cannot_run():
    with pytest.raises(ValueError, match='cannot run on 8x12: '):
        complexity(config(lambda: nn.Conv2d(3, 3, 3)))
    with pytest.raises(ValueError, match='no crop_size'):
        complexity(Config(dict(model=config().model)))
    with pytest.raises(ValueError, match='no model'):
        complexity(Config(dict(crop_size=(8, 8))))
