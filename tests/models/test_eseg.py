"""All six networks of the paper, from their configs."""

import copy

import pytest
import torch
from helpers import count_parameters, samples
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmseg.registry import MODELS

from mmseg_eff.commands.complexity import main
from mmseg_eff.models import optimize_for_inference

CROPS = dict.fromkeys('sml', '512x1024')  # Lite: 1024x1024
PARAMETERS = {  # ESeg Table 1 prints S, M and L in millions; Lite's follow from the same choices
    's': 6_867_651,
    'm': 20_011_021,
    'l': 70_525_623,
    'lite-s': 3_592_471,
    'lite-m': 9_740_860,
    'lite-l': 28_399_441,
}
LARGE = ('m', 'l', 'lite-m', 'lite-l')
VARIANTS = [
    pytest.param(name, marks=pytest.mark.slow) if name in LARGE else name for name in PARAMETERS
]


@pytest.fixture
def config(root, request):
    name = request.param
    crop = CROPS.get(name, '1024x1024')
    config = Config.fromfile(root / f'configs/eseg/eseg-{name}_1xb16-90k_cityscapes-{crop}.py')
    config.model.backbone.init_cfg = None
    config.model.data_preprocessor.size = None
    return config


@pytest.mark.parametrize('config', list(PARAMETERS), indirect=True)
def test_parameters(config, request):
    with torch.device('meta'):
        model = MODELS.build(config.model)
    assert count_parameters(model) == PARAMETERS[request.node.callspec.params['config']]


@pytest.mark.parametrize('config', VARIANTS, indirect=True)
def test_trains_and_predicts_at_any_size(config):
    model = revert_sync_batchnorm(MODELS.build(config.model))
    model.init_weights()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    labels = torch.randint(19, (2, 96, 160))
    labels[:, :20] = 255
    for _ in range(2):
        losses = model.loss(torch.randn(2, 3, 96, 160), samples(labels))
        loss, _ = model.parse_losses(losses)
        optimizer.zero_grad()
        loss.backward()
        assert loss.isfinite()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
        optimizer.step()
    model.eval()
    folded = optimize_for_inference(copy.deepcopy(model))
    for size in ((512, 1024), (333, 501)):
        meta = dict(img_shape=size, ori_shape=size, pad_shape=size)
        image = torch.randn(1, 3, *size)
        with torch.no_grad():
            logits = model.encode_decode(image, [meta])
            difference = logits - folded.encode_decode(image, [meta])
        assert logits.shape == (1, 19, *size)
        assert logits.isfinite().all()
        assert difference.abs().max() < 1e-5 * max(1, logits.abs().max())


@pytest.mark.parametrize(
    ('option', 'expected'),
    [
        ('model.backbone.arch=eseg-xl', "arch must be one of ['b0', "),
        ('model.backbone.out_indices=[1,2,3,4]', 'got maps of [16, 16, 48, 128] channels'),
        ('model.neck.in_channels=[16,48,64]', 'BiFPN was built for in_channels=[16, 48, 64]'),
        ('model.neck.num_outs=2', 'num_outs must be at least 2 and the number of in_channels'),
        ('model.neck.num_outs=6', 'built for maps [0, 1, 2, 3, 4, 5, 6] of 64 channels and got'),
        ('model.decode_head.channels=32', 'in_channels must all be channels=32, got [64, 64,'),
    ],
)
def test_parts_that_do_not_fit_are_one_line(root, capsys, option, expected):
    config = root / 'configs/eseg/eseg-lite-s_1xb16-90k_cityscapes-1024x1024.py'
    assert main([str(config), '--cfg-options', option]) == 1
    (line,) = (x for x in capsys.readouterr().err.splitlines() if x.startswith('error: '))
    assert expected in line
