"""What ``SegRunner`` does otherwise than mmengine's runner; its processes: test_processes.py."""

from types import SimpleNamespace

import pytest
import torch
from helpers import TINY, parsed
from mmengine.config import Config
from mmengine.model import MMDistributedDataParallel
from mmengine.runner import Runner
from mmseg.registry import RUNNERS
from torch import distributed, nn

from mmseg_eff.commands._cli import add_runner_arguments, read_runner_config_of
from mmseg_eff.engine import runner as module
from mmseg_eff.engine.runner import SegRunner
from mmseg_eff.errors import InputError, MissingFileError

LEAF = 'mmseg_eff::espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'


def load_config(work_dir, **settings):
    """Two iterations on the tiny data set, without evaluation."""
    argv = [LEAF, '--work-dir', str(work_dir), '--cfg-options', *TINY]
    config = read_runner_config_of(parsed(argv, add_runner_arguments))
    config.merge_from_dict(settings)
    config.update(val_dataloader=None, val_cfg=None, val_evaluator=None)
    return config


@pytest.fixture
def on_cpu(monkeypatch):
    monkeypatch.setattr(module, 'get_device', lambda: 'cpu')


@pytest.fixture
def settings_restored():
    before = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    yield
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = before


def test_the_registry_has_it():
    assert RUNNERS.get('SegRunner') is SegRunner


@pytest.mark.parametrize('launcher', ['slurm', 'mpi'])
def test_cpu_processes_come_from_torchrun(data_root, tmp_path, on_cpu, launcher):
    config = load_config(tmp_path, launcher=launcher)
    with pytest.raises(InputError, match=f"launcher '{launcher}' needs GPUs; without .* torchrun"):
        SegRunner.from_cfg(config)


@pytest.mark.parametrize(
    ('cfg', 'broadcasts'), [(None, False), (dict(broadcast_buffers=True), True)]
)
def test_ddp_on_the_cpu(tmp_path, on_cpu, cfg, broadcasts):
    """A group of one process: DDP without a device, SyncBN as BN."""
    runner = SegRunner.__new__(SegRunner)
    runner._distributed = True
    runner.cfg = Config(dict(find_unused_parameters=True))
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.SyncBatchNorm(4))
    distributed.init_process_group('gloo', f'file://{tmp_path}/store', rank=0, world_size=1)
    try:
        wrapped = runner.wrap_model(cfg, network)
        assert isinstance(wrapped, MMDistributedDataParallel)
        assert wrapped.device_ids is None
        assert wrapped.broadcast_buffers is broadcasts
        assert wrapped.find_unused_parameters is (cfg is None)
        wrapped(torch.randn(2, 3, 4, 4)).sum().backward()
        assert not any(isinstance(m, nn.SyncBatchNorm) for m in wrapped.modules())
        assert runner.wrap_model(None, wrapped) is wrapped
        del wrapped  # after the group, it could wait for its threads forever
    finally:
        distributed.destroy_process_group()


@pytest.mark.parametrize('runner', [Runner, SegRunner])
def test_text_in_a_checkpoint_is_not_run(data_root, tmp_path, runner):
    """mmengine evaluates ``meta['config']`` of what it resumes from; our reader leaves it out."""
    runner.from_cfg(load_config(tmp_path)).train()
    path = tmp_path / 'iter_2.pth'
    checkpoint = torch.load(path, weights_only=False)
    touched = tmp_path / 'touched'
    code = f"__import__('pathlib').Path({str(touched)!r}).touch()"
    checkpoint['meta'].update(config=code, cfg=code)
    checkpoint['message_hub']['runtime_info'].update(config=code, cfg=code)
    torch.save(checkpoint, path)
    resumed = runner.from_cfg(load_config(tmp_path))
    resumed.resume(str(path))
    assert resumed.iter == 2
    assert resumed.message_hub.get_info('cfg') in (None, resumed.cfg.pretty_text)
    assert not touched.exists()


def test_what_a_check_has_read_is_not_read_again(data_root, tmp_path):
    """It is renamed and checked as what is read; only the next loading takes it."""
    runner = SegRunner.from_cfg(load_config(tmp_path))
    (name, old), *_ = runner.model.state_dict().items()
    weights = {f'module._orig_mod.{name}': torch.full_like(old, 3.0)}
    runner.keep_checkpoint('nowhere.pth', dict(model_state_dict=weights, meta={}))
    loaded = runner.load_checkpoint('nowhere.pth')
    assert (runner.model.state_dict()[name] == 3).all() and 'state_dict' in loaded
    with pytest.raises(MissingFileError, match=r'nowhere\.pth'):
        runner.load_checkpoint('nowhere.pth')
    runner.keep_checkpoint('other.pth', dict(state_dict=weights))
    with pytest.raises(MissingFileError, match=r'nowhere\.pth'):
        runner.load_checkpoint('nowhere.pth')
    runner.keep_checkpoint('nowhere.pth', dict(state_dict=weights, meta=dict(iter='1')))
    with pytest.raises(InputError, match=r'nowhere\.pth: meta\.iter is str; expected an integer'):
        runner.load_checkpoint('nowhere.pth')


@pytest.mark.parametrize('on_gpu', [False, True])
def test_deterministic_warns_on_a_gpu_and_fails_on_a_cpu(monkeypatch, settings_restored, on_gpu):
    monkeypatch.setattr(module, 'torch', SimpleNamespace(**vars(torch)))
    monkeypatch.setattr(module.torch, 'cuda', SimpleNamespace(is_available=lambda: on_gpu))
    runner = SegRunner.__new__(SegRunner)
    runner.set_randomness(7)
    assert not torch.are_deterministic_algorithms_enabled()
    runner.set_randomness(7, deterministic=True)
    assert torch.are_deterministic_algorithms_enabled()
    assert torch.is_deterministic_algorithms_warn_only_enabled() is on_gpu
    assert (runner.seed, runner.deterministic) == (7, True)
