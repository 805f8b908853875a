import json
from pathlib import Path

import pytest

from mmseg_eff.commands.complexity import main

CONFIG = 'mmseg_eff::espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'
OTHER = 'mmseg_eff::espnet/espnet-p2q8_1xb8-558k_cityscapes-512x1024.py'


def figures(record):
    """A record's cells as they are printed."""
    giga = [f'{record[name] / 1e9:.2f}' for name in ('macs', 'paper_macs')]
    return [record['part'], f'{record["parameters"] / 1e6:.3f}', *giga]


def test_table_and_json(tmp_path, capsys):
    out = tmp_path / 'new' / 'figures.json'
    assert main([CONFIG, '--size', '256', '512', '--json', str(out)]) == 0
    title, *lines = capsys.readouterr().out.splitlines()
    assert title == f'{Path(CONFIG).stem}, 256x512'
    records = json.loads(out.read_text())
    assert [record['part'] for record in records] == ['backbone', 'decode_head', 'total']
    assert {(record['config'], *record['size']) for record in records} == {(CONFIG, 256, 512)}
    cells = [line.replace('│', ' ').split() for line in lines]
    assert all(figures(record) in cells for record in records)


def test_markdown_of_two_configs(tmp_path, capsys):
    out = tmp_path / 'figures.json'
    option = ['--cfg-options', 'model.backbone.num_blocks=(1,1)']
    assert main([CONFIG, OTHER, '--markdown', '--json', str(out), *option]) == 0
    head, rule, *body = capsys.readouterr().out.splitlines()
    assert head.count('|') == rule.count('|')
    small, large = (
        f'{Path(path).stem} | {size}' for path, size in ((CONFIG, '128x256'), (OTHER, '512x1024'))
    )
    records = json.loads(out.read_text())
    expected = [
        f'| {name} | {" | ".join(figures(record))} |'
        for name, record in zip([small] * 3 + [large] * 3, records, strict=True)
    ]
    assert body == expected
    assert records[3]['parameters'] < 150_000  # with the option; 344,000 without it


@pytest.mark.parametrize(
    ('argv', 'message'),
    [
        (['none.py'], 'none.py: no such config file'),
        ([CONFIG, '--size', '0', '8'], 'size must be two whole numbers'),
        ([CONFIG, '--size', '8', 'wide'], 'size must be two whole numbers'),
        ([CONFIG, '--cfg-options', 'crop_size=None'], f'{CONFIG}: the config has no crop_size'),
    ],
)
def test_wrong_input_is_one_line(capsys, argv, message):
    assert main(argv) == 1
    error = capsys.readouterr().err
    assert error.startswith(f'error: {message}') and error.count('\n') == 1
