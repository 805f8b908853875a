import json

import pytest

import mmseg_eff
from mmseg_eff.config.load import load_config
from mmseg_eff.errors import InputError

CONFIG = 'espnet-p2q3_1xb8-0.6k_toystreet-128x256'


def test_report_of_clean_data(data_root):
    report = mmseg_eff.check_dataset(CONFIG, workers=1)
    assert report.errors == [] and report.notes == report.findings
    assert {name: split.pairs for name, split in report.splits.items()} == {'train': 4, 'val': 2}
    road = next(row for row in report.splits['train'].classes if row.name == 'road')
    assert 0 < road.share < 1 and road.images == 4 and road.weights['inverse-log'] > 1
    assert sum(row.share for row in report.splits['train'].classes) == pytest.approx(1, abs=1e-5)
    assert report.seconds > 0


def test_files_hold_what_is_returned(data_root, tmp_path):
    options = {'model.decode_head.num_classes': 8}
    report = mmseg_eff.check_dataset(
        CONFIG, splits=['val'], workers=1, out=tmp_path / 'out', options=options
    )
    (error,) = report.errors
    assert (error.path, error.kind) == (CONFIG, 'config')
    written = json.loads((tmp_path / 'out/report.json').read_text())
    assert [item['message'] for item in written['findings']] == [
        finding.message for finding in report.findings
    ]
    (split,) = written['splits'].values()
    assert [row['class'] for row in split['classes']] == [
        row.name for row in report.splits['val'].classes
    ]
    names = sorted(path.name for path in (tmp_path / 'out').iterdir())
    assert names == ['contact_sheet.png', 'report.json']


def test_nothing_is_printed_and_a_config_stays_as_it_is(data_root, capsys):
    config = load_config(CONFIG)
    before = config.to_dict()
    capsys.readouterr()  # mmengine tells which variables it reads
    report = mmseg_eff.check_dataset(
        config, splits=['val'], workers=1, options={'val_evaluator.ignore_index': 3}
    )
    assert config.to_dict() == before
    assert [finding.path for finding in report.errors] == [config.filename]
    assert capsys.readouterr().out == ''


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(splits=['validation']), 'splits must be some of train, val, test, got'),
        (dict(splits=[]), 'splits must be some of train, val, test, got'),
        (dict(workers=0), 'workers must be 1 or more, got 0'),
        (
            dict(splits=['test'], options={'test_dataloader': None}, name='mine'),
            'mine: has no data loader of test',
        ),
    ],
)
def test_wrong_arguments(data_root, arguments, message):
    with pytest.raises(InputError, match=f'^{message}'):
        mmseg_eff.check_dataset(CONFIG, **arguments)


def test_a_folder_that_cannot_be_made_is_refused_before_reading(data_root, tmp_path, monkeypatch):
    (tmp_path / 'file').write_text('x')
    monkeypatch.setattr('mmseg_eff.apis.dataset_checking.check_splits', None)  # would be called
    with pytest.raises(InputError, match=r'file/out: cannot be written'):
        mmseg_eff.check_dataset(CONFIG, out=tmp_path / 'file/out')
