import pytest
import torch
from mmengine.logging import MessageHub, MMLogger
from mmseg.visualization import SegLocalVisualizer

from mmseg_eff.engine.isolated_run import isolated_run


def use(folder, text):
    """What a runner does, with names that the next one has, too."""
    folder.mkdir()
    MMLogger.get_instance('run', log_file=str(folder / 'log')).info(text)
    hub = MessageHub.get_instance('run')
    hub.update_scalar('val/mIoU', len(text))
    backends = [dict(type='LocalVisBackend')]
    visualizer = SegLocalVisualizer.get_instance('v', vis_backends=backends, save_dir=str(folder))
    visualizer.add_scalar('mIoU', 1.0)
    return hub.get_scalar('val/mIoU').data[0].tolist()


def test_runs_share_nothing_by_name(tmp_path):
    outer = MMLogger.get_instance('outer')
    for name in ('a', 'bb'):
        with isolated_run():
            assert use(tmp_path / name, name) == [len(name)]
            handlers = MMLogger.get_instance('run').handlers
        assert (tmp_path / name / 'log').read_text().endswith(f'{name}\n')
        assert len(list((tmp_path / name).glob('vis_data/scalars.json'))) == 1
        assert handlers[-1].stream is None  # closed
    assert MMLogger.get_current_instance() is outer
    assert not SegLocalVisualizer._instance_dict


def test_everything_is_back_after_an_error():
    logger = MMLogger.get_instance('outer')
    with pytest.raises(KeyError), isolated_run():
        assert not MMLogger._instance_dict
        torch.use_deterministic_algorithms(True, warn_only=True)
        raise KeyError
    assert MMLogger.get_current_instance() is logger
    assert not torch.are_deterministic_algorithms_enabled()
