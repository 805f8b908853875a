"""The table of networks and backends: which networks, what a crash leaves, how it reads."""

import os
import time

from backend_table import table
from network_list import FOLDERS, networks, variant
from own_process import in_process

from mmseg_eff.benchmarking.stages import TORCH


def test_every_variant_of_the_configs_is_there_once(root):
    found = networks()
    names = [network.name for network in found]
    assert len(set(names)) == len(names) > 50
    folders = {path.parent.name for path in (root / 'configs').glob('*/*.py')} - {'_base_'}
    assert folders == set(FOLDERS)
    assert set(names) == {variant(path) for path in (root / 'configs').glob('[!_]*/*.py')}


def test_published_weights_come_first_and_are_of_cityscapes_where_there_are_some():
    found = networks()
    weights = [network.weights for network in found]
    assert weights[:11] == [name for name in weights if name]
    by_name = {network.name: network for network in found}
    assert by_name['espnet-p2q8'].weights == 'hub:espnet-p2q8_cityscapes'
    assert by_name['espnetv2-s2.0'].config.stem == 'espnetv2-s2.0_1xb6-49.6k_cityscapes-512x1024'
    assert by_name['eseg-lite0'].weights == 'hub:camvid'
    assert 'cityscapes' in by_name['eseg-l'].config.stem


def test_a_crash_a_hang_and_an_error_are_reasons(tmp_path):
    log = tmp_path / 'a.log'
    assert in_process(print, 'done', log=log, limit=60) == ''
    assert log.read_text() == 'done\n'
    assert in_process(int, 'x', log=log, limit=60).startswith('invalid literal for int()')
    assert in_process(os.abort, log=log, limit=60).startswith('ended with code -6:')
    assert in_process(divmod, 1, 0, log=log, limit=60).startswith(
        'ended with code 1: ZeroDivisionError: '
    )
    assert in_process(time.sleep, 60, log=log, limit=0.1) == 'took more than 0 s'
    assert [path.name for path in tmp_path.iterdir()] == ['a.log']


def test_table():
    rows = [
        dict(
            network='first',
            weights='hub:first',
            labels_found=15,
            ms={TORCH: 100.0, 'onnx': 40.04},
            backends=dict(
                onnx=dict(labels=0.99995, bytes=1_234_567), litert=dict(reason='no a|b here')
            ),
        ),
        dict(
            network='second', weights=None, backends={'onnx': dict(labels=1.0, bytes=1)} | NOTHING
        ),
    ]
    lines = table(rows, ['onnx', 'litert']).splitlines()
    assert lines[2:] == [
        '| network | weights | labels found | torch ms | onnx | litert |',
        '|---|---|--:|--:|--:|--:|',
        '| first | published | 15 | 100.0 | 99.9950% / 40.0 / 1.23 | refused |',
        '| second | random | – | – | 100.0000% / – / 0.00 | refused |',
        '',
        '| refused | by | reason |',
        '|---|---|---|',
        '| first | litert | no a\\|b here |',
        '| second | litert | took long |',
    ]


NOTHING = {'litert': dict(reason='took long')}
