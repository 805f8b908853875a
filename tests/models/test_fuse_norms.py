"""Norms are folded by the flow of tensors: networks made to mislead any other rule."""

import copy

import pytest
import torch
from helpers import build_segmentor, with_trained_norms
from mmseg.registry import MODELS
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations

from mmseg_eff.models import optimize_for_inference
from mmseg_eff.models.fuse_norms import fuse_norms

HEAD = dict(
    type='FCNHead', in_channels=8, in_index=0, channels=8, num_convs=0, concat_input=False,
    num_classes=3, norm_cfg=None,
)  # fmt: skip


class Flow(nn.Module):
    """A convolution, a second one and a norm, registered in an order that says nothing."""

    in_channels = 3

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(8)
        self.second = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.first = nn.Conv2d(self.in_channels, 8, 3, padding=1)

    def forward(self, x):
        return (self.run(x),)


class Straight(Flow):
    def run(self, x):
        return self.norm(self.second(F.relu(self.first(x))))


class OtherOrder(Flow):
    """Registered norm, second, first; the norm belongs to the first."""

    def run(self, x):
        return self.second(F.relu(self.norm(self.first(x))))


class PreNorm(Flow):
    def run(self, x):
        return self.second(self.norm(F.relu(self.first(x))))


class UsedTwice(Flow):
    def run(self, x):
        x = self.first(x)
        return self.norm(x) + x


class SeenThroughView(Flow):
    def run(self, x):
        x = self.first(x)
        return self.norm(x) + x.flatten(2).mean(2)[..., None, None]


class ChangedInPlace(Flow):
    def run(self, x):
        x = self.first(x)
        x.relu_()
        return self.norm(x)


class ConvolutionTwice(Flow):
    def run(self, x):
        x = self.first(x)
        return self.second(self.norm(self.second(x)))


class NormTwice(Flow):
    def run(self, x):
        return self.norm(self.second(self.norm(self.first(x))))


class WeightRead(Flow):
    def run(self, x):
        return self.norm(self.first(x)) * self.first.weight.mean()


class StandardisedWeight(Flow):
    def run(self, x):
        weight = self.first.weight
        weight = (weight - weight.mean((1, 2, 3), keepdim=True)) / weight.std()
        return self.norm(F.conv2d(x, weight, self.first.bias, padding=1))


class NormOfStatistics(Flow):
    def run(self, x):
        x = self.first(x)
        norm = self.norm
        return F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias)


class NotRun(Flow):
    def run(self, x):
        return self.first(x)


class Hooked(Flow):
    def __init__(self):
        super().__init__()
        self.first.register_forward_hook(lambda module, args, output: 2 * output)

    def run(self, x):
        return self.norm(self.first(x))


class WeightNormed(Flow):
    def __init__(self):
        super().__init__()
        self.first = parametrizations.weight_norm(self.first)

    def run(self, x):
        return self.norm(self.first(x))


class BatchStatistics(Flow):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(8, track_running_stats=False)

    def run(self, x):
        return self.norm(self.first(x))


class WithoutAffine(Straight):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(8, affine=False)


class FourChannels(Straight):
    in_channels = 4


class TwoNames(Straight):
    def __init__(self):
        super().__init__()
        self.alias = self.norm


STAYS = {
    PreNorm: 'not the output of a convolution',
    UsedTwice: 'used elsewhere',
    SeenThroughView: 'used elsewhere',
    ChangedInPlace: 'used elsewhere',
    ConvolutionTwice: 'its convolution runs 2 times',
    NormTwice: 'it runs 2 times',
    WeightRead: 'weight of its convolution is used elsewhere',
    StandardisedWeight: 'not the output of a convolution',
    NormOfStatistics: 'it runs 0 times',
    NotRun: 'it runs 0 times',
    Hooked: 'does not use its weight as it is',
    WeightNormed: 'does not use its weight as it is',
    BatchStatistics: 'statistics of the batch',
}
GOES = (Straight, OtherOrder, WithoutAffine, FourChannels, TwoNames)


def segmentor(kind):
    if kind.__name__ not in MODELS:
        MODELS.register_module(module=kind)
    preprocessor = dict(type='SegDataPreProcessor', size_divisor=1, mean=[0.0], std=[1.0])
    model = build_segmentor(dict(type=kind.__name__), HEAD, data_preprocessor=preprocessor)
    return with_trained_norms(model).eval()


@pytest.mark.parametrize('kind', [*STAYS, *GOES], ids=lambda kind: kind.__name__)
def test_norms_by_the_flow_of_tensors(kind):
    model = segmentor(kind)
    folded = copy.deepcopy(model)
    image = torch.randn(2, kind.in_channels, 21, 34)
    meta = [dict(img_shape=(21, 34), ori_shape=(21, 34), pad_shape=(21, 34))] * 2
    random_state = torch.get_rng_state()
    left = fuse_norms(folded)
    assert torch.equal(torch.get_rng_state(), random_state)
    with torch.no_grad():
        expected, given = (net.encode_decode(image, meta) for net in (model, folded))
    assert (given - expected).abs().max() <= 1e-5 * expected.abs().max()
    if kind in STAYS:
        assert STAYS[kind] in left['backbone.norm']
        assert torch.equal(given, expected)
    else:
        assert not left
        assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    assert all(value.is_contiguous() for value in folded.state_dict().values())
    assert not any(module._forward_hooks for module in folded.modules() if kind is not Hooked), (
        'hooks of the trace are gone'
    )


def test_network_that_cannot_be_followed_stays_as_it_is():
    model = segmentor(Straight)
    model.encode_decode = None
    left = fuse_norms(model)
    assert left == {'backbone.norm': 'the network runs on no image of zeros'}


def test_transposed_convolutions_that_are_no_shuffle_stay():
    class Own(nn.ConvTranspose2d):
        def forward(self, x, output_size=None):
            return super().forward(x) + 1

    for layer in (Own(8, 8, 2, stride=2), nn.ConvTranspose2d(8, 8, 2, stride=2, dilation=2)):
        model = segmentor(NotRun)
        model.backbone.second = layer
        optimize_for_inference(model)
        assert model.backbone.second is layer
