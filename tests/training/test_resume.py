import pytest
import torch
from mmengine.config import Config

from mmseg_eff.training.resume import set_resume


@pytest.fixture
def config(tmp_path):
    return Config(dict(work_dir=str(tmp_path), load_from='weights.pth', default_hooks=None))


def test_without_a_checkpoint_a_training_begins(config):
    set_resume(config, True)
    assert (config.resume, config.load_from) == (False, 'weights.pth')


def test_the_last_checkpoint_goes_before_the_weights_to_begin_with(config, tmp_path):
    torch.save({}, tmp_path / 'iter_2.pth')
    set_resume(config, True)
    assert (config.resume, config.load_from) == (True, None)


def test_a_path_goes_before_the_last_checkpoint(config, tmp_path):
    torch.save({}, tmp_path / 'iter_2.pth')
    set_resume(config, tmp_path / 'other.pth')
    assert (config.resume, config.load_from) == (True, f'{tmp_path}/other.pth')


@pytest.mark.parametrize('given', [True, False])
def test_otherwise_the_config_decides(config, given):
    config.resume = given
    set_resume(config, False)
    assert (config.resume, config.load_from) == (given, 'weights.pth')
