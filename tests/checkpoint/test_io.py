import json
import os

import pytest
import torch
from helpers import official
from mmengine.runner.checkpoint import CheckpointLoader
from torch import nn

from mmseg_eff.checkpoint.io import read_for_mmengine, use_for_mmengine
from mmseg_eff.converters import load_checkpoint, load_weights, save_checkpoint, zero_denormals
from mmseg_eff.converters.convert import convert
from mmseg_eff.errors import InputError


@pytest.fixture
def file(tmp_path):
    path = tmp_path / 'weights.pth'
    save_checkpoint(dict(state_dict=nn.Linear(3, 2).state_dict(), meta=dict(epoch=7)), path)
    return path


def test_round_trip(file):
    checkpoint = load_checkpoint(file)
    assert checkpoint['meta'] == dict(epoch=7)
    assert checkpoint['state_dict'].keys() == {'weight', 'bias'}
    assert load_weights(nn.Linear(3, 2), file) == dict(epoch=7)


def test_bare_state_dict(tmp_path):
    torch.save(nn.Linear(3, 2).state_dict(), tmp_path / 'bare.pth')
    assert load_checkpoint(tmp_path / 'bare.pth')['meta'] == {}


def test_mmengine_reads_by_ours(tmp_path, monkeypatch):
    """``use_for_mmengine`` takes its place in mmengine's own loader, once."""
    stock = CheckpointLoader.load_checkpoint.__wrapped__
    monkeypatch.setattr(CheckpointLoader, 'load_checkpoint', classmethod(stock))
    schemes = dict.fromkeys(CheckpointLoader._schemes, lambda filename, map_location: [1])
    monkeypatch.setattr(CheckpointLoader, '_schemes', schemes)
    torch.save([1, 2], tmp_path / 'a.pth')
    assert CheckpointLoader.load_checkpoint(str(tmp_path / 'a.pth')) == [1]
    for _ in range(2):
        use_for_mmengine()
    with pytest.raises(InputError, match=r'a\.pth: holds list; expected tensors by name'):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'a.pth'))
    for path in ('a.pth', 'http://host/a.pth', 'https://host/a.pth'):
        assert CheckpointLoader._get_checkpoint_loader(path) is read_for_mmengine
    assert CheckpointLoader._get_checkpoint_loader('s3://host/a.pth') is not read_for_mmengine
    assert CheckpointLoader.load_checkpoint.__wrapped__ is stock


def test_denormals_become_zero_in_place():
    weights = dict(a=torch.tensor([1e-40, -3e-20, 0.0, 2.0**-40, 2.0]), n=torch.tensor(3))
    assert zero_denormals(weights) == 2
    assert weights['a'].tolist() == [0, 0, 0, 2.0**-40, 2]
    assert weights['n'] == 3


def test_loading_cleans(tmp_path):
    layer = nn.Linear(1, 1)
    layer.weight.data.fill_(1e-41)
    save_checkpoint(dict(state_dict=layer.state_dict(), meta={}), tmp_path / 'a.pth')
    load_weights(layer, tmp_path / 'a.pth')
    assert layer.weight.item() == 0


@pytest.mark.parametrize('keep', [0, 40, -60])
def test_truncated_file(file, keep):
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(InputError, match=f'^{file}: not a readable checkpoint') as caught:
        load_checkpoint(file)
    assert '\n' not in str(caught.value)


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / 'ran'),)

    torch.save(dict(state_dict=Evil()), tmp_path / 'evil.pth')
    with pytest.raises(InputError, match=r'loading it would run posix\.mkdir'):
        load_checkpoint(tmp_path / 'evil.pth')
    assert not (tmp_path / 'ran').exists()


def test_missing_and_senseless_files(tmp_path):
    with pytest.raises(InputError, match=r'none\.pth: no such checkpoint'):
        load_checkpoint(tmp_path / 'none.pth')
    torch.save([1, 2], tmp_path / 'list.pth')
    with pytest.raises(InputError, match=r'list\.pth: holds no state dict'):
        load_checkpoint(tmp_path / 'list.pth')


def test_another_network_is_refused(file):
    message = r'weights.pth: does not fit .*1 other shape \(first: weight \(2, 3\) for \(2, 4\)\)'
    with pytest.raises(InputError, match=message):
        load_weights(nn.Linear(4, 2), file)
    with pytest.raises(
        InputError, match=r'2 missing \(first: 0.bias\); 2 unexpected \(first: bias'
    ):
        load_weights(nn.Sequential(nn.Linear(3, 2)), file)


def test_failed_write_leaves_the_old_file(file, monkeypatch):
    before = file.read_bytes()

    def disk_full(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(torch, 'save', disk_full)
    with pytest.raises(InputError, match=r'cannot be written \(No space left on device\)'):
        save_checkpoint(dict(state_dict={}, meta={}), file)
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_safetensors_round_trip(tmp_path):
    path = tmp_path / 'weights.safetensors'
    layer = nn.Linear(3, 2)
    weights = dict(layer.state_dict(), t=layer.weight.T, tied=layer.weight, n=torch.tensor(3))
    save_checkpoint(dict(state_dict=weights, meta=dict(epoch=7, mean=(1.5, 2))), path)
    checkpoint = load_checkpoint(path)
    assert checkpoint['meta'] == dict(epoch=7, mean=[1.5, 2])
    torch.testing.assert_close(checkpoint['state_dict'], weights, rtol=0, atol=0)
    before = path.read_bytes()
    checkpoint['state_dict']['weight'].zero_()
    assert path.read_bytes() == before


def test_safetensors_of_another_program(tmp_path):
    from safetensors.torch import save_file

    save_file(nn.Linear(3, 2).state_dict(), tmp_path / 'a.safetensors', dict(format='pt'))
    assert load_weights(nn.Linear(3, 2), tmp_path / 'a.safetensors') == {}


@pytest.mark.parametrize(
    ('checkpoint', 'message'),
    [
        (
            dict(state_dict={}, meta={}, optimizer={}),
            'hold state_dict and meta only, not optim',
        ),
        (dict(state_dict={}, meta=dict(a=torch.ones(1))), 'meta cannot be written as JSON'),
    ],
)
def test_what_safetensors_cannot_hold(tmp_path, checkpoint, message):
    with pytest.raises(InputError, match=message):
        save_checkpoint(checkpoint, tmp_path / 'a.safetensors')
    assert list(tmp_path.iterdir()) == []


def test_conversion_to_safetensors(tmp_path):
    torch.save(official(1, 12, 19), tmp_path / 'official.pth')
    for name in ('a.pth', 'a.safetensors'):
        convert('espnet', tmp_path / 'official.pth', tmp_path / name)
    pickled, plain = (load_checkpoint(tmp_path / f'a.{kind}') for kind in ('pth', 'safetensors'))
    torch.testing.assert_close(plain['state_dict'], pickled['state_dict'], rtol=0, atol=0)
    assert plain['meta'] == json.loads(json.dumps(pickled['meta']))
    assert (tmp_path / 'a.safetensors').stat().st_size < (tmp_path / 'a.pth').stat().st_size


def test_prefix_of_data_parallel_is_taken_off(tmp_path):
    layer = nn.Linear(3, 2)
    weights = {f'module.{name}': value for name, value in layer.state_dict().items()}
    torch.save(weights, tmp_path / 'a.pth')
    assert load_checkpoint(tmp_path / 'a.pth')['state_dict'].keys() == layer.state_dict().keys()
    torch.save({**weights, 'other.weight': torch.ones(1)}, tmp_path / 'b.pth')
    assert 'module.bias' in load_checkpoint(tmp_path / 'b.pth')['state_dict']
