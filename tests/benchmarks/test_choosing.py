"""The comparison's list, and its tables, sentences and picture on invented figures."""

import json

import pytest
from choosing_list import LARGE, SMALL, rated_networks
from choosing_page import figures_of, filled
from choosing_text import PARTS, ahead, conditions, details, int8, overview
from choosing_times import Row, front, peer_ahead, rows_of

from mmseg_eff.benchmarking.picture import networks_of
from mmseg_eff.benchmarking.stages import TORCH
from mmseg_eff.errors import InputError

CONDITIONS = dict(threads=2, repeats=5, load_before=0.1, load_after=0.2, processor='a CPU')
BF16 = 'bf16: this processor has no bf16; nothing was written'


def timed(ms, **more):
    laps = [dict(network=(ms + run) / 1000) for run in (-1, 0, 1)]
    return dict(memory=99.6, laps=laps, conditions=CONDITIONS, **more)


def row(title, miou, torch_ms, export_ms, size=LARGE, is_ours=True):
    labels = dict(images=1, labels=0.975, worst_image=0.975)
    ways = {
        TORCH: timed(torch_ms),
        'openvino': timed(export_ms, labels=dict(labels, labels=1.0)),
        'openvino-bf16': dict(reason=BF16),
        'openvino-int8': timed(export_ms / 2, labels=labels),
    }
    return Row(title, is_ours, miou, 'a paper', size, False, size, 2_000_000, 10**9, size, ways)


@pytest.fixture
def rows():
    return [
        row('Small', 60.0, 100, 50, size=SMALL),
        row('Large', 75.0, 300, 200),
        row('Peer', 77.0, 240, 210, is_ours=False),
    ]


def test_every_network_of_the_comparison():
    rated = {found.title: found for found in rated_networks()}
    assert sum(found.is_ours for found in rated.values()) == 10 and len(rated) == 17
    assert {found.source for found in rated.values() if not found.is_ours} == {
        'mmseg',
        "SegNeXt's repository",
    }
    assert all(50 < found.miou < 85 for found in rated.values())
    assert rated['ESPNet p2 q8'].size == SMALL and rated['PIDNet-S'].size == LARGE


def test_who_is_ahead(rows):
    small, large, peer = rows
    assert front(rows, TORCH) == [small, peer]
    assert front(rows, 'openvino') == rows
    assert peer_ahead(large, rows, TORCH) is peer
    assert peer_ahead(small, rows, TORCH) is None
    assert peer_ahead(large, rows, 'openvino') is None
    assert peer_ahead(large, rows, 'openvino-bf16') is None


def test_tables_and_sentences(rows):
    assert overview(rows).splitlines()[2:] == [
        '| **Small** | 60.00 | 512x1024 | 2.00 | 100 | 50 |',
        '| **Large** | 75.00 | 1024x2048 | 2.00 | 300 | 200 |',
        '| Peer | 77.00 | 1024x2048 | 2.00 | 240 | 210 |',
    ]
    text = ahead(rows)
    assert '| Large | Peer | 2.00 | 0.80x | 60 | 1.0x | 1.0x |' in text
    assert 'In torch, 1 of our 2 networks' in text and 'Exported, 0 of our 2 networks' in text
    assert '0.50 to 0.50 times' in int8(rows) and "97.5% to 97.5% of the random weights'" in int8(
        rows
    )
    assert 'a CPU, 2 threads: medians of 3 to 3 runs' in conditions(rows)
    assert conditions(rows).endswith('Not available on this processor: OpenVINO, bf16.')
    table = details(rows)
    assert (
        '| Small | a paper | 1.00 | 100 / 99; 100 | 50 / 49; 100 | 25 / 24; 100; 97.5% |' in table
    )
    assert table.endswith('- OpenVINO, bf16: bf16: this processor has no bf16')


def test_page_and_picture(rows):
    report = json.loads(json.dumps(dict(networks=[found._asdict() for found in rows])))
    assert rows_of(report) == rows
    page = ''.join(f'a\n<!-- figures: {name} -->\nold\n<!-- end -->\n' for name in PARTS)
    once = filled(page, rows)
    assert 'old' not in once and overview(rows) in once and filled(once, rows) == once
    with pytest.raises(InputError, match='the page has no <!-- figures: conditions -->'):
        filled('a', rows)
    drawn = {network.title: network for network in networks_of(figures_of(rows))}
    assert drawn.keys() == {'Small', 'Large', 'Peer'}
    assert drawn['Small'].times.keys() == {TORCH, 'openvino'}
    other_size = [rows[0]._replace(size_timed=LARGE)]
    assert figures_of(other_size) == []
