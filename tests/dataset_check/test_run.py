import pytest

from mmseg_eff.config.load import load_config
from mmseg_eff.dataset_check.findings import Finding
from mmseg_eff.dataset_check.report import ClassFrequency, DatasetReport, SplitSummary
from mmseg_eff.dataset_check.run import (
    absent_classes,
    check_parts,
    collect_parts,
    config_findings,
    count_classes,
)

CONFIG = 'espnet-p2q3_1xb8-0.6k_toystreet-128x256'


@pytest.fixture
def config(data_root):
    return load_config(CONFIG)


def test_test_split_is_left_out_where_it_is_val_again(config):
    parts = collect_parts(config, ('test', 'val', 'train'))
    assert [part.split for part in parts] == ['train', 'val']
    assert [part.split for part in collect_parts(config, ('test',))] == ['test']
    config.test_dataloader.dataset.split = 'train'
    parts = collect_parts(config, ('train', 'val', 'test'))
    assert [(part.split, len(part.pairs)) for part in parts] == [
        ('train', 4),
        ('val', 2),
        ('test', 4),
    ]


def test_wrapped_datasets_are_parts_of_one_split(config):
    inner = config.train_dataloader.dataset
    config.train_dataloader.dataset = dict(
        type='ConcatDataset', datasets=[inner, {**inner, 'split': 'val'}]
    )
    parts = collect_parts(config, ('train',))
    assert [(part.split, len(part.pairs)) for part in parts] == [('train', 4), ('train', 2)]
    checks = check_parts(parts, 1)
    assert [len(part) for part in checks] == [4, 2]
    rows = count_classes(parts, checks, 'train')
    pixels = [
        part.rules.count_classes(check.values)
        for part, part_checks in zip(parts, checks, strict=True)
        for check in part_checks
    ]
    assert [row.pixels for row in rows] == sum(pixels).tolist()
    assert max(row.images for row in rows) == 6
    assert count_classes(parts, checks, 'val') == []


def test_absent_classes_without_the_ignored_one(config):
    parts = collect_parts(config, ('train',))
    rows = [ClassFrequency(name, 0, 0.0, 0, {}) for name in ('road', 'car')]
    rows.append(ClassFrequency('sky', 5, 1.0, 1, {}))
    summaries = {'train': SplitSummary(4, rows)}
    notes = absent_classes(parts, summaries)
    assert [note.message for note in notes] == [
        "class 'road' never occurs",
        "class 'car' never occurs",
    ]
    rules = parts[0].rules._replace(ignore_index=1)
    assert absent_classes([parts[0]._replace(rules=rules)], summaries) == notes[:1]


def test_findings_of_a_config_leave_it_as_it_is(config):
    config.model.decode_head.num_classes = 10
    before = config.to_dict()
    (finding,) = config_findings(config, 'mine', ('train', 'val'))
    assert (finding.path, finding.kind) == ('mine', 'more outputs')
    assert config.to_dict() == before


def test_errors_and_notes_of_a_report():
    error, note = Finding('a.png', 'empty file', 'is empty'), Finding('b', 'odd name', 'holds x')
    report = DatasetReport([note, error], {}, 1.0)
    assert (report.errors, report.notes) == ([error], [note])


def test_labels_that_are_no_indices_have_a_conversion():
    """One command for each folder of them; other findings have none."""
    findings = [
        Finding('data/train/a.png', 'label format', 'of pixel format RGB'),
        Finding('data/train/b.png', 'label format', 'of pixel format RGB'),
        Finding('my data/val', '255 as class', 'holds only 0 and 255'),
        Finding('data/test/c.png', 'missing file', 'no such label file'),
    ]
    assert DatasetReport(findings, {}, 1.0).conversions == [
        'mmseg-eff convert_labels auto data/train OUT',
        "mmseg-eff convert_labels values 'my data/val' OUT",
    ]
