"""What a sealed process refuses even if the check of a config's keys let it through."""

import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path

import mmengine
import pytest
import torch
from helpers import TINY
from mmengine.fileio import FileClient, get_text
from mmengine.hooks import EMAHook
from mmengine.registry import HOOKS, Registry
from mmengine.runner.checkpoint import CheckpointLoader
from mmengine.utils import get_object_from_string, import_modules_from_strings
from mmseg.registry import MODELS, RUNNERS, TRANSFORMS, VISBACKENDS
from watch import Forbidden, watch

from mmseg_eff.commands.train import main as train
from mmseg_eff.errors import InputError
from mmseg_eff.safe_config.keys import DOWNLOAD
from mmseg_eff.safe_config.process import SEAL, seal

CONV = dict(type='ConvModule', in_channels=1, out_channels=1, kernel_size=1)
URL = 'http://198.51.100.1/a.pth'  # of documentation, never assigned
REFUSED = {
    'dotted name under another key': lambda: MODELS.build(
        dict(CONV, padding_mode='os.system', padding='touch ran')
    ),
    'module under another key': lambda: MODELS.build(dict(CONV, padding_mode='evil')),
    'resize_type': lambda: TRANSFORMS.build(
        dict(type='RandomResize', scale=(8, 8), resize_type='os.system', command='touch ran')
    ),
    'type': lambda: MODELS.build(dict(type='os.system', command='touch ran')),
    'plain name of a module': lambda: MODELS.build(dict(type='evil')),
    'module of a scope': lambda: MODELS.build(dict(type='evil.Net')),
    'norm of another registry': lambda: MODELS.build(dict(CONV, norm_cfg=dict(type='Resize'))),
    'part of another registry': lambda: MODELS.build(dict(type='SGD')),
    'part that is not allowed': lambda: VISBACKENDS.build(dict(type='DVCLiveVisBackend')),
    'runner': lambda: RUNNERS.build(dict(runner_type='os.system')),
    'weights by URL': lambda: CheckpointLoader.load_checkpoint(URL),
    'weights in a cloud': lambda: CheckpointLoader.load_checkpoint('s3://bucket/a.pth'),
    'weights of a zoo': lambda: CheckpointLoader.load_checkpoint('torchvision://resnet18'),
    'file by URL': lambda: get_text(URL),
    'file in a cloud': lambda: get_text('petrel://a/b.txt'),
    'file by memcached': lambda: get_text(
        'a', backend_args=dict(backend='memcached', sys_path='.', server_list_cfg='', client_cfg='')
    ),
    'pipe': lambda: get_text('pipe'),
    'device': lambda: get_text('/dev/zero'),
    'YAML': lambda: mmengine.load('a.yaml'),
    'pickle': lambda: mmengine.load('a.pkl'),
}


@pytest.fixture
def inside(tmp_path, monkeypatch):
    """A folder with a hostile module and hostile files in it."""
    (tmp_path / 'evil.py').write_text('open("ran", "w")')
    (tmp_path / 'a.yaml').write_text('!!python/object/apply:os.system ["touch ran"]')
    (tmp_path / 'a.pkl').write_bytes(b"cos\nsystem\n(S'touch ran'\ntR.")
    os.mkfifo(tmp_path / 'pipe')
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop('evil', None)


@pytest.mark.parametrize('call', [pytest.param(call, id=name) for name, call in REFUSED.items()])
def test_refused(inside, call):
    seal()
    with watch(inside) as seen, pytest.raises((InputError, KeyError)):
        call()
    assert seen == [] and not Path('ran').exists()


@pytest.mark.parametrize(
    'name', ['plain name of a module', 'type', 'YAML', 'pickle', 'file by URL']
)
def test_they_do_it_in_a_process_that_is_not_sealed(inside, name):
    """Else the test above would show nothing."""
    with watch(inside) as seen, suppress(Exception, Forbidden):
        REFUSED[name]()
    assert seen


def test_names_are_not_followed(inside):
    seal()
    assert get_object_from_string('os.system') is None
    with pytest.raises(ImportError, match='Failed to import evil'):
        import_modules_from_strings(['evil'])
    with pytest.raises(InputError, match=r'torch\.hub\.load.: no part of the model registry'):
        hook = HOOKS.build(dict(type='EMAHook', ema_type='torch.hub.load', repo_or_dir='.'))
        assert isinstance(hook, EMAHook)
        MODELS.build({**hook.ema_cfg, 'model': None})


def test_storage_of_old_configs(inside):
    seal()
    assert FileClient('disk').get_text('evil.py').startswith('open')
    with pytest.raises(ValueError, match='memcached is not supported'):
        FileClient('memcached', server_list_cfg='', client_cfg='', sys_path='.')
    with pytest.raises(ValueError, match='http'):
        FileClient(prefix='http')


def test_downloads_on_request(inside, monkeypatch):
    def fetch(url, path):
        torch.save({'weight': torch.ones(1)}, path)

    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(inside / 'hub'))
    monkeypatch.setattr(torch.hub, 'download_url_to_file', fetch)
    seal(allow_download=True)
    assert CheckpointLoader.load_checkpoint(URL)['weight'] == 1
    with pytest.raises(InputError):
        CheckpointLoader.load_checkpoint('s3://bucket/a.pth')
    seal()
    with pytest.raises(InputError, match='add --allow-download'):
        CheckpointLoader.load_checkpoint(URL)


def test_everything_is_taken_back(inside):
    get = Registry.get
    seal()
    seal()
    assert Registry.get is not get
    SEAL.close()
    assert Registry.get is get
    assert get_object_from_string('os.path.join') is not None
    (inside / 'b.yaml').write_text('a: 1')
    assert mmengine.load('b.yaml') == {'a': 1}


def test_a_training_touches_nothing_else(root, data_root, tmp_path, monkeypatch):
    """A whole training: no program, no connection, no file outside the work dir."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr('mmengine.runner.runner.collect_env', dict)  # asks for compilers
    config = root / 'configs/espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'
    argv = [str(config), '--safe-config', '--work-dir', 'w', '--cfg-options', *TINY]
    with watch(tmp_path / 'w', programs=['git']) as seen:  # the record of the run asks for a commit
        assert train(argv) == 0
    assert seen == [] and Path('w/iter_2.pth').is_file()


@pytest.mark.parametrize(
    'line',
    [
        "load_from = 'hub:espnet-p2q3_cityscapes'",
        "model = dict(backbone=dict(init_cfg=dict(type='Pretrained', checkpoint='hub:espnet-p2q3_"
        "cityscapes', prefix='backbone.')))",
    ],
)
def test_no_published_weights_without_leave(root, data_root, tmp_path, monkeypatch, capsys, line):
    """A config may name them, but a training then fetches nothing, not even from a folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr('mmengine.runner.runner.collect_env', dict)
    monkeypatch.setenv('MMSEG_EFF_CACHE', str(tmp_path / 'cache'))
    shutil.copytree(root / 'configs', 'configs')
    base = 'configs/espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'
    Path('config.py').write_text(f"_base_ = '{base}'\n{line}\n")
    argv = ['config.py', '--safe-config', '--work-dir', 'w', '--cfg-options', *TINY]
    with watch('w', programs=['git']) as seen:
        assert train(argv) == 1
    assert seen == [] and not Path('cache').exists()
    assert f"'hub:espnet-p2q3_cityscapes': {DOWNLOAD}" in capsys.readouterr().err


@pytest.mark.parametrize('hook', ['SafeCheckpointHook', 'CheckpointHook'])
def test_no_resuming_from_a_url(root, data_root, tmp_path, monkeypatch, hook):
    """Which a work dir from elsewhere may name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr('mmengine.runner.runner.collect_env', dict)
    Path('w').mkdir()
    Path('w/last_checkpoint').write_text(URL)
    config = root / 'configs/espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'
    argv = [str(config), '--safe-config', '--resume', '--work-dir', 'w', '--cfg-options', *TINY]
    with watch('w', programs=['git']) as seen:
        assert train([*argv, f'default_hooks.checkpoint.type={hook}']) == 0
    assert seen == []
    (log,) = Path('w').glob('*/*.log')
    assert f'names {URL}, which is no local file' in log.read_text()
