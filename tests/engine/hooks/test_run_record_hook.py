import hashlib
import json
import shutil
import subprocess
from importlib.metadata import distributions

import numpy as np
import pytest
import torch
from helpers import TINY
from mmseg.registry import DATASETS

from mmseg_eff.commands import train
from mmseg_eff.converters import load_checkpoint
from mmseg_eff.engine.hooks import run_record_hook
from mmseg_eff.engine.hooks.run_record_hook import (
    data_record,
    files_hash,
    git_commit,
    package_versions,
    weights_hash,
)

CONFIG = 'mmseg_eff::espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'
WEIGHTS = {'b': torch.tensor([[1.0, 2.0], [3.0, 4.0]]), 'a': torch.tensor(5)}


def test_weights_hash_is_the_sha256_of_names_and_bytes():
    text = b'a torch.int64 ()\n' + np.int64(5).tobytes()
    text += b'b torch.float32 (2, 2)\n' + np.arange(1, 5, dtype=np.float32).tobytes()
    assert weights_hash(WEIGHTS) == hashlib.sha256(text).hexdigest()


def test_weights_hash_is_of_values_not_of_their_layout():
    maps = torch.randn(2, 3, 4, 5)
    channels_last = maps.to(memory_format=torch.channels_last)
    assert channels_last.stride() != maps.stride()
    assert weights_hash({'maps': channels_last}) == weights_hash({'maps': maps})


@pytest.mark.parametrize(
    'other',
    [
        {**WEIGHTS, 'a': torch.tensor(6)},
        {**WEIGHTS, 'a': torch.tensor(5, dtype=torch.int32)},
        {**WEIGHTS, 'b': WEIGHTS['b'].reshape(4)},
        {'c': WEIGHTS['b'], 'a': WEIGHTS['a']},
        {**WEIGHTS, 'b': WEIGHTS['b'] + torch.tensor([[0, 0], [0, 1e-6]])},
        {**WEIGHTS, 'b': WEIGHTS['b'].bfloat16()},
    ],
    ids=['value', 'integer type', 'shape', 'name', 'one bit', 'half'],
)
def test_weights_hash_sees(other):
    assert weights_hash(other) != weights_hash(WEIGHTS)


@pytest.fixture
def folder(tmp_path):
    for name, text in (('images/1.png', 'abc'), ('images/2.png', 'd'), ('labels/1.png', '')):
        path = tmp_path / 'data' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / 'data'


def hash_folder(folder):
    return files_hash(path for path in folder.rglob('*') if path.is_file())


def test_files_hash_is_of_relative_names_and_sizes(folder, tmp_path, monkeypatch):
    text = b'images/1.png 3\nimages/2.png 1\nlabels/1.png 0\n'
    expected = hashlib.sha256(text).hexdigest()
    assert hash_folder(folder) == expected
    assert hash_folder(shutil.copytree(folder, tmp_path / 'elsewhere/copy')) == expected
    paths = [str(path) for path in folder.rglob('*.png')]
    assert files_hash(reversed(paths + paths)) == expected
    monkeypatch.chdir(folder.parent)
    assert files_hash(f'data/{name}' for name in ('images/1.png', 'images/2.png', 'labels/1.png'))
    (folder / 'images/1.png').write_text('abcd')
    assert hash_folder(folder) != expected


def test_files_hash_of_one_file(folder):
    expected = hashlib.sha256(b'1.png 3\n').hexdigest()
    assert files_hash([folder / 'images/1.png']) == expected


def test_data_record_counts_samples_and_hashes_images_with_labels(toy_root):
    root = toy_root / 'toystreet'
    one = dict(type='ToyStreetDataset', data_root=str(root), pipeline=[])
    files = [*root.glob('images/train/*'), *root.glob('labels/train/*')]
    assert len(files) == 8
    expected = dict(samples=4, hash=files_hash(files))
    assert data_record(DATASETS.build(one)) == expected
    twice = DATASETS.build(dict(type='ConcatDataset', datasets=[one, one]))
    assert data_record(twice) == {**expected, 'samples': 8}
    fewer = data_record(DATASETS.build({**one, 'indices': 3}))
    assert fewer['samples'] == 3
    assert fewer['hash'] != expected['hash']
    assert data_record([1, 2, 3]) is None  # lists no files


def test_git_commit(root, monkeypatch):
    if (root / '.git').exists() and shutil.which('git'):
        head = subprocess.run(
            ['git', 'rev-parse', 'HEAD'], cwd=root, capture_output=True, text=True, check=True
        )
        assert git_commit().removesuffix('-dirty') == head.stdout.strip()
    monkeypatch.setenv('PATH', '')
    assert git_commit() is None


def test_versions_are_those_of_what_is_imported(tmp_path, monkeypatch):
    """Another folder on the path has packages too, and wheels of torch name no build."""
    for folder, numpy_version in (('first', '1.0'), ('second', '2.0')):
        for name, version in (('numpy', numpy_version), ('torch', '2.0.0'), (folder, '3.0')):
            info = tmp_path / folder / f'{name}-{version}.dist-info'
            info.mkdir(parents=True)
            (info / 'METADATA').write_text(f'Name: {name}\nVersion: {version}\n')
    path = [str(tmp_path / folder) for folder in ('first', 'second')]
    monkeypatch.setattr(run_record_hook.metadata, 'distributions', lambda: distributions(path=path))
    monkeypatch.setattr(torch, '__version__', '2.13.0+cu126')
    expected = dict(numpy='1.0', torch='2.13.0+cu126', first='3.0', second='3.0')
    assert json.loads(json.dumps(package_versions())) == expected


@pytest.fixture
def train_own(data_root, tmp_path):
    """Trains with the hook, and with an average that takes the place of the weights."""
    config = tmp_path / 'own.py'
    hooks = [dict(type='EMAHook', momentum=0.5)]
    config.write_text(f'_base_ = {CONFIG!r}\ncustom_hooks = {hooks}\n')

    def run(*options, extra=()):
        argv = [str(config), '--work-dir', str(tmp_path / 'work'), *extra]
        return train.main([*argv, '--cfg-options', *TINY, *options])

    return run


def test_record_of_a_training_and_its_resumption(train_own, tmp_path):
    work = tmp_path / 'work'
    assert train_own('randomness.seed=3') == 0
    longer = ['train_cfg.max_iters=4', 'train_cfg.val_interval=4']
    assert train_own(*longer, 'randomness.seed=3', extra=['--resume']) == 0

    first, second = json.loads((work / 'run_record.json').read_text())
    assert not list(work.glob('.*'))
    assert (first['iteration'], second['iteration']) == (0, 2)
    assert list(first['weights']) == ['2']
    assert list(second['weights']) == ['4']
    for record, name in ((first, '2'), (second, '4')):
        checkpoint = load_checkpoint(work / f'iter_{name}.pth')
        assert record['weights'][name] == weights_hash(checkpoint['state_dict'])
        whole = torch.load(work / f'iter_{name}.pth')
        assert record['config'] == whole['meta']['cfg']
    assert first['weights']['2'] != second['weights']['4']
    assert first['data'] == second['data']
    assert first['data']['samples'] == 4
    assert (first['seed'], first['processes'], first['deterministic']) == (3, 1, False)
    assert first['threads'] == torch.get_num_threads()
    assert first['packages']['torch'] == torch.__version__


@pytest.mark.parametrize('text', ['[{"started"', '{}'])
def test_a_file_that_is_no_record_is_not_overwritten(train_own, tmp_path, capsys, text):
    path = tmp_path / 'work' / run_record_hook.NAME
    path.parent.mkdir()
    path.write_text(text)
    assert train_own() == 1
    assert f'error: {path}: not a list of records' in capsys.readouterr().err
    assert path.read_text() == text
