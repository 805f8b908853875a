import json
from pathlib import Path

import pytest
from in_process import replace_workers

import mmseg_eff
from mmseg_eff.benchmarking.stages import STAGES, Candidate, load_candidate
from mmseg_eff.config.load import load_config
from mmseg_eff.converters import save_checkpoint
from mmseg_eff.errors import InputError
from mmseg_eff.models import ESPNet

CONFIG = 'espnet-p2q3_1xb8-0.6k_toystreet-128x256'
OPTIONS = {'model.backbone.num_blocks': (1, 1)}
FAST = dict(size=(32, 64), repeats=2, threads=1, options=OPTIONS)


@pytest.fixture
def memory(monkeypatch):
    """Stands in for the processes; what they were asked for."""
    return replace_workers(monkeypatch)


def test_complexity_of_a_name_and_of_a_config():
    size, rows, total = mmseg_eff.complexity(CONFIG, (64, 128), options=OPTIONS)
    assert size == (64, 128) and [row.part for row in rows] == ['backbone', 'decode_head']
    assert total.macs == sum(row.macs for row in rows)
    backbone = ESPNet(num_blocks=(1, 1))
    assert rows[0].parameters == sum(value.numel() for value in backbone.parameters())
    config = load_config(CONFIG, OPTIONS)
    before = config.to_dict()
    assert mmseg_eff.complexity(config, (64, 128)).total == total
    assert config.to_dict() == before


def test_benchmark_in_a_process_of_its_own_for_memory(capsys):
    (row,) = mmseg_eff.benchmark(CONFIG, **FAST)
    assert (row.name, row.input_shape, row.miou) == (CONFIG, (32, 64), None)
    assert [tuple(lap) for lap in row.laps] == [STAGES] * 2
    median, high = row.milliseconds()['all']
    assert 0 < median <= high and row.memory > row.parameters * 4 / 1e6
    assert (row.conditions.threads, row.conditions.repeats) == (1, 2)
    assert capsys.readouterr().out == ''


def test_networks_in_all_forms(memory, tmp_path, make_image):
    file = Path(load_config(CONFIG).filename)
    weights = tmp_path / 'weights.pth'
    model = load_candidate(Candidate('x', CONFIG, None, OPTIONS), 1, True)[0].model
    save_checkpoint(dict(state_dict=model.state_dict(), meta={}), weights)
    networks = [
        (file, weights),
        Candidate('named', CONFIG, cfg_options=OPTIONS),
    ]
    json_file, plot_file = tmp_path / 'a.json', tmp_path / 'a.png'
    rows = mmseg_eff.benchmark(
        networks,
        [make_image(tmp_path / 'a/1.png'), make_image(tmp_path / 'a/2.png')],
        miou={'named': 61.5},
        json_file=json_file,
        plot_file=plot_file,
        **FAST,
    )
    assert [row.name for row in rows] == [CONFIG, 'named']
    assert [row.miou for row in rows] == [None, 61.5]
    assert [candidate.checkpoint for candidate, *_ in memory] == [str(weights), None]
    written = json.loads(json_file.read_text())
    assert [row['laps'] for row in written['networks']] == [row.laps for row in rows]
    assert plot_file.read_bytes().startswith(b'\x89PNG')


@pytest.mark.parametrize(
    ('networks', 'arguments', 'message'),
    [
        ([], {}, 'there is no network to measure'),
        ([CONFIG], dict(repeats=0), 'repeats must be 1 or more, got 0'),
        ([CONFIG], dict(threads=0), 'threads must be 1 or more, got 0'),
        ([CONFIG], dict(size=(8, 0)), 'size must be two whole numbers'),
        ([CONFIG, CONFIG], {}, 'two of the networks have the same name'),
        ([CONFIG], dict(miou={'other': 50}), "--miou: no network 'other'; there are espnet-p2q3"),
        ([(CONFIG, 'hub:none')], {}, 'none: no published weights of this name'),
        ('none.py', {}, 'none.py: no such config file'),
        (CONFIG, dict(images='none.png'), 'none.png: no such image file'),
        (CONFIG, dict(plot_file='a.png'), '--plot needs the --miou of one network at least'),
    ],
)
def test_wrong_arguments(networks, arguments, message):
    with pytest.raises(InputError, match=f'^{message}'):
        mmseg_eff.benchmark(networks, **arguments)
