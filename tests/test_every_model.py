"""What every network must do, whatever its parts are: all of configs/, and so all registered parts.

By default a network for each part runs (``FAST``); the others are ``slow``.
"""

import copy
import io
import json
import os
import pickle
from collections.abc import Iterator
from typing import NamedTuple

import pytest
import torch
from helpers import count_parameters, samples
from mmengine.config import ConfigDict
from mmengine.model import BaseModule, BaseTTAModel
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from networks import (
    OURS,
    PARAMETERS,
    TABLE,
    build,
    config_of,
    network_config,
    network_name,
)
from random_networks import set_statistics
from torch import Tensor, nn

from mmseg_eff.benchmarking.complexity import build_without_memory
from mmseg_eff.models import optimize_for_inference

FAST = {
    'deeplabv1-vgg16_voc12aug',
    'deeplabv2-r101_voc12aug',
    'deeplabv3-mobilenetv2_voc12aug',
    'deeplabv3plus-xception41_voc12aug',
    'eseg-lite-s_camvid',
    'eseg-s-fpn-p2p9_cityscapes',
    'espnet-c-p2q3_cityscapes',
    'espnet-p2q3_cityscapes',
    'espnetv2-s0.5_cityscapes',
}
# mmseg's pyramid pooling, and its FPN on pooled levels, normalise maps of one value a channel;
# torch needs two for a variance.
NEED_TWO_IMAGES = {'PSPHead', 'PooledLevels', 'UPerHead'}
SIZES = [(33, 33), (65, 97), (129, 257), (64, 128)]
SIZE = (65, 97)
PRECISIONS = [torch.float32, torch.bfloat16]


class Network(NamedTuple):
    config: ConfigDict
    model: nn.Module  # in evaluation mode; tests that change it copy it


def types(config: dict | list | object) -> Iterator[str]:
    """All ``type``s in a config."""
    if isinstance(config, dict):
        if 'type' in config:
            yield config['type']
        config = list(config.values())
    if isinstance(config, list | tuple):
        for value in config:
            yield from types(value)


def predict(model: nn.Module, image: Tensor) -> Tensor:
    """Logits ``(N, num_classes, H, W)`` of images ``(N, 3, H, W)``."""
    with torch.no_grad():
        return torch.stack([sample.seg_logits.data for sample in model.predict(image)])


def train_one_step(model: nn.Module, num_images: int) -> None:
    """Gradients of the model's own losses; part of the pixels are ignored."""
    labels = torch.randint(model.decode_head.num_classes, (num_images, *SIZE))
    labels[:, :9] = 255
    losses = model.loss(torch.randn(num_images, 3, *SIZE), samples(labels))
    loss, _ = model.parse_losses(losses)
    assert loss.isfinite() and loss > 0
    loss.backward()


@pytest.fixture(
    scope='module',
    params=[
        pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in PARAMETERS
    ],
)
def network(request) -> Network:
    torch.manual_seed(0)
    init_default_scope('mmseg')
    config = config_of(request.param)
    model = build(config)
    set_statistics(model, torch.randn(2, 3, 129, 257))
    return Network(config, model.eval())


def test_table_has_every_network_and_its_parameters():
    networks = {}
    for path in OURS:
        networks.setdefault(json.dumps(network_config(path), sort_keys=True), path)
    counts = {
        network_name(path): count_parameters(build_without_memory(network_config(path)))
        for path in networks.values()
    }
    assert counts and len(counts) == len(networks)  # no two have one name
    if os.environ.get('ACCEPT'):
        TABLE.write_text(json.dumps(counts, indent=2) + '\n')
    assert counts == json.loads(TABLE.read_text())


def test_fast_networks_have_every_registered_part():
    parts = {
        name
        for name, part in MODELS.module_dict.items()
        if part.__module__.startswith('mmseg_eff.')
        and issubclass(part, BaseModule)
        and not issubclass(part, BaseTTAModel)  # no network: it wraps one
    }
    assert len(parts) >= 18
    assert set(PARAMETERS) >= FAST
    assert parts <= {part for name in FAST for part in types(config_of(name))}


@pytest.mark.parametrize('size', SIZES, ids=lambda size: 'x'.join(map(str, size)))
def test_logits_have_the_size_of_the_image(network, size):
    logits = predict(network.model, torch.randn(1, 3, *size))
    assert logits.shape == (1, network.config.decode_head.num_classes, *size)
    assert logits.isfinite().all()
    assert logits.std() > 0


@pytest.mark.parametrize('precision', PRECISIONS, ids=lambda precision: str(precision)[6:])
def test_one_image_gives_every_parameter_a_gradient(network, precision):
    model = copy.deepcopy(network.model).train()
    num_images = 1
    with torch.autocast('cpu', precision, enabled=precision != torch.float32):
        if NEED_TWO_IMAGES & set(types(network.config)):
            with pytest.raises(ValueError, match='Expected more than 1 value per channel'):
                train_one_step(model, num_images)
            num_images = 2
        train_one_step(model, num_images)
    gradients = {n: p.grad for n, p in model.named_parameters() if p.requires_grad}
    assert [name for name, gradient in gradients.items() if gradient is None] == []
    assert [name for name, gradient in gradients.items() if not gradient.isfinite().all()] == []


def test_channels_last_changes_rounding_only(network):
    """A wrong layout would give other logits; random ResNets make 2e-4 of rounding."""
    image = torch.randn(2, 3, *SIZE)
    expected = predict(network.model, image)
    model = copy.deepcopy(network.model).to(memory_format=torch.channels_last)
    given = predict(model, image.to(memory_format=torch.channels_last))
    assert (given - expected).abs().max() <= 1e-3 * expected.abs().max()


def test_bfloat16_is_near_float32(network):
    """Deep random networks amplify any rounding: that of the image alone, up to 18 times less."""
    image = torch.randn(1, 3, *SIZE)
    expected = predict(network.model, image)
    of_rounded_image = predict(network.model, image.bfloat16().float()) - expected
    with torch.autocast('cpu', torch.bfloat16):
        given = predict(network.model, image)
    assert given.isfinite().all()
    limit = 30 * of_rounded_image.norm() + 0.02 * expected.norm()  # 0.02: five units of bfloat16
    assert (given - expected).norm() <= limit


def test_weights_are_contiguous_after_the_optimization(network):
    """LiteRT's converter reads others in the wrong order, without an error."""
    model = optimize_for_inference(copy.deepcopy(network.model))
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    assert [name for name, tensor in tensors.items() if not tensor.is_contiguous()] == []


@pytest.mark.parametrize('way', ['deepcopy', 'pickle', 'state_dict'])
def test_a_copy_gives_equal_logits(network, way):
    if way == 'deepcopy':
        model = copy.deepcopy(network.model)
    elif way == 'pickle':
        model = pickle.loads(pickle.dumps(network.model))
    else:
        file = io.BytesIO()
        torch.save(network.model.state_dict(), file)
        file.seek(0)
        model = build(network.config).eval()
        model.load_state_dict(torch.load(file, weights_only=True))
    image = torch.randn(1, 3, *SIZE)
    assert torch.equal(predict(model, image), predict(network.model, image))
