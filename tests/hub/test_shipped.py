"""The network that the package brings: a small file, checked before use, with the mIoU it has."""

import shutil

import numpy as np
import pytest

import mmseg_eff
from mmseg_eff.checkpoint.io import load_checkpoint
from mmseg_eff.errors import InputError
from mmseg_eff.hub import cache, find, get
from mmseg_eff.hub.download import MIRROR
from mmseg_eff.utils.pixel_limit import open_limited

NAME = 'camvid'
CLASSES = ('Sky', 'Building', 'Pole', 'Road', 'Pavement', 'Tree', 'SignSymbol', 'Fence', 'Car')


@pytest.fixture(autouse=True)
def offline(tmp_path, monkeypatch):
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / 'cache'))
    monkeypatch.setenv(MIRROR, str(tmp_path / 'nothing here'))


def test_file_is_small_and_says_what_it_is():
    path = get(NAME)
    assert path == get(f'hub:{NAME}') and path.stat().st_size < 10e6
    checkpoint = load_checkpoint(path)
    assert [*checkpoint['meta']['dataset_meta']['classes']][:9] == [*CLASSES]
    assert {str(value.dtype) for value in checkpoint['state_dict'].values()} == {
        'torch.float16',
        'torch.int64',
    }


@pytest.mark.parametrize('damage', ['flipped', 'short', 'missing'])
def test_damaged_file_is_refused(tmp_path, monkeypatch, damage):
    copy = tmp_path / 'camvid.safetensors'
    shutil.copyfile(get(NAME), copy)
    content = bytearray(copy.read_bytes())
    if damage == 'flipped':
        content[5_000_000] ^= 1
    copy.write_bytes(content[:-1] if damage == 'short' else content)
    if damage == 'missing':
        copy.unlink()
    monkeypatch.setattr(cache, 'shipped_path', lambda weights: copy)
    with pytest.raises(InputError, match=f'^{copy}: is damaged, install mmseg_eff again: it'):
        get(NAME)


def camvid(shared):
    """Options that make the config read CamVid as it lies there."""
    options = {'test_dataloader.num_workers': 0, 'test_dataloader.persistent_workers': False}
    for dataset in ('train_dataloader.dataset', 'test_dataloader.dataset'):
        options[f'{dataset}.data_root'] = str(shared / 'data/camvid')
        options[f'{dataset}.img_suffix'] = '.webp'
    return options


def test_labels_of_real_images(shared):
    """Every tenth image of CamVid val."""
    images = sorted((shared / 'data/camvid/val').glob('*.webp'))[::10]
    model = mmseg_eff.load_model(NAME, device='cpu')
    correct = total = 0
    for path, prediction in zip(images, mmseg_eff.predict(model, images), strict=True):
        labels = np.asarray(open_limited(shared / f'data/camvid/valannot/{path.stem}.png'))
        counted = labels < len(prediction.classes)
        correct += np.sum((prediction.labels == labels) & counted)
        total += counted.sum()
    assert correct / total > 0.85


@pytest.mark.slow
def test_miou_is_that_of_the_index(shared, tmp_path):
    row = find(NAME)
    result = mmseg_eff.evaluate(
        row.config.rpartition('/')[2], f'hub:{NAME}', work_dir=tmp_path, options=camvid(shared)
    )
    assert result.metrics['mIoU'] == pytest.approx(row.miou, abs=0.01)
