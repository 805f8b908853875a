"""The weights of a network alone: nothing lost that use needs, half the size on request."""

import pytest
import torch
from helpers import BACKBONE, HEAD, build_segmentor, with_trained_norms
from mmengine.config import Config

from mmseg_eff.checkpoint.io import load_checkpoint, load_weights
from mmseg_eff.checkpoint.publish import halved, publish
from mmseg_eff.utils.atomic_io import sha256_of

PROCESSOR = dict(type='SegDataPreProcessor', mean=[1.0, 2.0, 3.0], std=[4.0, 5.0, 6.0])


def build():
    model = with_trained_norms(build_segmentor(BACKBONE, dict(HEAD, num_classes=3)))
    model.cfg = Config(dict(model=dict(data_preprocessor=PROCESSOR)))
    model.dataset_meta = dict(classes=('dry', 'wet', 'ice'), palette=[[1, 2, 3]] * 3, other=object)
    return model


@pytest.mark.parametrize('suffix', ['pth', 'safetensors'])
def test_file_is_enough_to_use_the_network(tmp_path, suffix):
    source, target = tmp_path / 'iter_9.pth', tmp_path / f'deep/ours.{suffix}'
    source.write_bytes(b'what it was')
    model = build()
    size, digest, meta = publish(model, source, target, half=False)
    assert (size, digest) == (target.stat().st_size, sha256_of(target))
    assert meta['source'] == dict(file='iter_9.pth', sha256=sha256_of(source))
    other = build()
    assert load_weights(other, target)['source'] == dict(
        file='iter_9.pth', sha256=sha256_of(source)
    )
    for name, value in model.state_dict().items():
        assert torch.equal(other.state_dict()[name], value)
    read = load_checkpoint(target)['meta']
    assert read['preprocessing'] == dict(mean=[1.0, 2.0, 3.0], std=[4.0, 5.0, 6.0])
    assert [*read['dataset_meta']] == ['classes', 'palette']
    classes = [[*each['dataset_meta']['classes']] for each in (read, meta)]
    assert classes == [['dry', 'wet', 'ice']] * 2


def test_half_precision_is_half_the_file_and_loads_as_full(tmp_path):
    model, other = build().eval(), build().eval()
    source = tmp_path / 'iter_9.pth'
    source.write_bytes(b'what it was')
    full, _, _ = publish(model, source, tmp_path / 'full.safetensors', half=False)
    half, _, _ = publish(model, source, tmp_path / 'half.safetensors', half=True)
    assert 0.45 < half / full < 0.65  # the header stays
    load_weights(other, tmp_path / 'half.safetensors')
    assert {value.dtype for value in other.parameters()} == {torch.float32}
    image = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        logits, rounded = (each(image, mode='tensor') for each in (model, other))
    assert not torch.equal(logits, rounded)
    torch.testing.assert_close(rounded, logits, rtol=2e-2, atol=2e-2)


def test_numbers_beyond_half_precision_are_kept():
    weights = halved(
        dict(
            small=torch.tensor([65504.0, 1.0]),
            large=torch.tensor([65520.0, 1.0]),
            count=torch.tensor(70000),
            none=torch.zeros(0),
        )
    )
    kinds = {name: value.dtype for name, value in weights.items()}
    assert kinds == dict(
        small=torch.float16, large=torch.float32, count=torch.int64, none=torch.float16
    )
    assert weights['large'][0] == 65520
