"""The first lines of a training's log say what is trained, on what, from what and where."""

import re

import pytest
from helpers import TINY
from mmengine.config import ConfigDict
from torch import nn

from mmseg_eff.commands import train
from mmseg_eff.training.first_lines import length_line, weights_line

HEAD = 'mmengine - INFO - mmseg_eff'
LEAF = 'mmseg_eff::espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'


def logs_of(capsys, work_dir, *options):
    """Lines of a tiny training's log from its head on, as printed and as written, without times."""
    capsys.readouterr()
    assert train.main([LEAF, '--work-dir', str(work_dir), '--cfg-options', *TINY, *options]) == 0
    printed = capsys.readouterr().out
    (file,) = work_dir.glob('*/*.log')
    return [
        [re.sub(r'^.*? - mmengine - ', '', line) for line in text.partition(HEAD)[2].splitlines()]
        for text in (printed, file.read_text())
    ]


def test_log_of_a_training(data_root, tmp_path, capsys):
    """Its head, one line for the settings of all parameters, and little else."""
    logs = logs_of(capsys, tmp_path, 'optim_wrapper.paramwise_cfg.norm_decay_mult=0.')
    expected = (
        r'.* trains espnet-p2q3_1xb8-0\.6k_toystreet-128x256',
        r'train: 4 images in .*/toystreet \(ToyStreetDataset\)',
        r'val: 2 images in .*/toystreet \(ToyStreetDataset\)',
        r'classes: 9: road, sidewalk, building, pole, traffic sign, vegetation, …',
        r'network: ESPNet \+ ESPNetHead, [\d,]+ parameters',
        r'weights: random',
        r'length: 2 iterations in batches of 2, 1\.0 times through the images; validation every 2',
        r'device: \S.*',
        rf'folder: {re.escape(str(tmp_path))}, with the log in (\S+) and the config in (\S+)',
    )
    for lines in logs:
        for line, pattern in zip(lines[: len(expected)], expected, strict=True):
            assert (found := re.fullmatch(pattern, line.strip())), line
        assert all((tmp_path / name).is_file() for name in found.groups())
        (settings,) = [line for line in lines if 'settings of the optimizer' in line]
        assert re.search(r'weight_decay=0 \(\d+\)$', settings)
        text = '\n'.join(lines)
        for absent in (
            'System environment',
            'Hooks will be executed',
            'paramwise_options',
            'deprecated',
        ):
            assert absent not in text
        assert 'Iter(train) [2/2]' in text and 'mIoU' in text
    assert len(logs[0]) < 50


def test_weights_to_begin_with_are_named(data_root, tmp_path, capsys):
    logs_of(capsys, tmp_path / 'first')
    lines, _ = logs_of(capsys, tmp_path / 'second', f'load_from={tmp_path}/first/iter_2.pth')
    (index,) = [i for i, line in enumerate(lines[:9]) if line.strip().startswith('weights: ')]
    assert re.search(r'iter_2\.pth: (\d+) of \1 tensors loaded$', lines[index])
    assert lines[index + 1].strip().startswith('backbone: ')


@pytest.mark.parametrize(
    ('init', 'settings', 'expected'),
    [
        (None, {}, 'weights: random'),
        (
            dict(type='Pretrained', checkpoint='lite0.pth'),
            {},
            'weights: 0 from lite0.pth, the rest random',
        ),
        (None, dict(resume=True), 'weights: resumed from the last checkpoint'),
        (None, dict(load_from='https://a/b.pth'), 'weights: https://a/b.pth'),
    ],
)
def test_where_weights_come_from(init, settings, expected):
    model = nn.Sequential(nn.Conv2d(1, 1, 1))
    model[0].init_cfg = init
    assert weights_line(model, ConfigDict(settings)) == expected


class Started:
    """What ``length_line`` reads of a runner."""

    world_size = 2

    def __init__(self, **train_cfg):
        loader = dict(batch_size=4)
        self.cfg = ConfigDict(train_cfg=train_cfg, train_dataloader=loader)


def test_lengths_of_trainings():
    by_iterations = length_line(Started(max_iters=100, val_interval=50), 400)
    assert by_iterations == (
        'length: 100 iterations in batches of 8 (2 processes), 2.0 times through the images; '
        'validation every 50'
    )
    by_epochs = length_line(Started(max_epochs=40), 400)
    assert by_epochs == 'length: 40 epochs in batches of 8 (2 processes)'
