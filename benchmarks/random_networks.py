"""What benchmarks and tests share: networks with random weights that engines can agree on."""

from collections.abc import Callable
from pathlib import Path

import torch
from mmengine.config import Config
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmseg_eff.converters import save_checkpoint
from mmseg_eff.deploy.description import normalization

from mmseg.apis import init_model  # isort: skip

# Of the residual branches of ResNet, EfficientNet, MobileNetV2 and Xception.
LAST_NORMS = ('bn3', 'project.bn', 'conv.2.bn', 'convs.2.pointwise_conv.bn')


def set_statistics(model: nn.Module, images: Tensor) -> None:
    """Those of a batch; with the first ones, 0 and 1, values would grow from layer to layer."""
    for norm in model.modules():
        if isinstance(norm, _BatchNorm):
            norm.momentum = 1.0
    with torch.no_grad():
        model.train()(images, mode='tensor')


def set_benign_norms(model: nn.Module, images: Tensor) -> None:
    """Small residual branches, and statistics of images like those compared.

    Other random networks amplify rounding up to millions of times, so no two engines would agree.

    Args:
        model: A segmentor.
        images: At least two, (N, 3, H, W), BGR from 0 to 255.
    """
    for name, norm in model.named_modules():
        if isinstance(norm, _BatchNorm):
            nn.init.constant_(norm.weight, 0.01 if name.endswith(LAST_NORMS) else 0.1)
    constants = normalization(model.data_preprocessor, channels=3)
    pixels = images.flip(1) if constants['to_rgb'] else images
    mean, std = (torch.tensor(constants[key]).view(3, 1, 1) for key in ('mean', 'std'))
    set_statistics(model, (pixels - mean) / std)


def random_checkpoint(config: Config, path: Path, change: Callable[[nn.Module], None]) -> Path:
    """Write a checkpoint of a config's network with random weights, the same ones every time.

    Args:
        config: The config; what it would load is taken out of it.
        path: File to write.
        change: Called with the network before it is written.
    """
    config.model.pop('pretrained', None)
    for part in ('backbone', 'neck', 'decode_head'):
        if isinstance(config.model.get(part), dict):
            config.model[part].pop('init_cfg', None)
    torch.manual_seed(0)
    model = init_model(config, device='cpu')
    change(model)
    save_checkpoint(dict(state_dict=model.state_dict(), meta={}), path)
    return path
