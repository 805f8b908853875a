from types import SimpleNamespace

import pytest
from mmengine.hooks import CheckpointHook
from mmengine.logging import HistoryBuffer

from mmseg_eff.training.outcome import best_checkpoint, last_checkpoint, last_metrics


def runner(**scalars):
    buffers = {key: HistoryBuffer(values, [1] * len(values)) for key, values in scalars.items()}
    return SimpleNamespace(message_hub=SimpleNamespace(log_scalars=buffers))


def test_metrics_are_those_of_the_last_validation():
    given = {'val/mIoU': [10.0, 20.0], 'val/time': [1.0], 'train/loss': [3.0], 'val/empty': []}
    assert last_metrics(runner(**given)) == dict(mIoU=20.0)


@pytest.mark.parametrize(
    ('save_best', 'kept', 'expected'),
    [
        ('mIoU', dict(best_ckpt_path='a.pth'), 'a.pth'),
        ('mIoU', dict(best_ckpt_path=None), None),
        (
            ['mIoU', 'aAcc'],
            dict(best_ckpt_path_dict={'mIoU': 'a.pth', 'aAcc': 'b.pth'}),
            'a.pth',
        ),
        (None, {}, None),
    ],
)
def test_best_checkpoint(save_best, kept, expected):
    hook = CheckpointHook(save_best=save_best, rule='greater' if save_best else None)
    vars(hook).update(kept)
    best = best_checkpoint(SimpleNamespace(hooks=[hook]))
    assert (best and str(best)) == expected
    assert best_checkpoint(SimpleNamespace(hooks=[])) is None


def test_last_checkpoint(tmp_path):
    run = SimpleNamespace(work_dir=str(tmp_path))
    assert last_checkpoint(run) is None
    (tmp_path / 'last_checkpoint').write_text(f'{tmp_path}/iter_2.pth')
    assert last_checkpoint(run) == tmp_path / 'iter_2.pth'
