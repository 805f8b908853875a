import os

import pytest
import torch

from mmseg_eff.engine import checkpoints
from mmseg_eff.engine.checkpoints import (
    damage,
    find_checkpoint,
    folders_of,
    has_checkpoint,
    meta_of,
    named_by,
    number_in,
    saved_in,
)
from mmseg_eff.errors import InputError


@pytest.fixture
def said(monkeypatch):
    lines = []
    monkeypatch.setattr(checkpoints, 'say', lines.append)
    return lines


def save(path):
    path.parent.mkdir(exist_ok=True)
    torch.save(dict(weight=torch.zeros(3), meta=dict(iter=1)), path)
    return path


def cut(path):
    path.write_bytes(path.read_bytes()[:300])


@pytest.fixture
def run(tmp_path):
    """A work dir with three checkpoints, of which the last but one was written last."""
    for number in (2, 10, 8):
        save(tmp_path / f'run/iter_{number}.pth')
    return tmp_path / 'run'


def find(run, **kwargs):
    found = find_checkpoint(run, [run], **kwargs)
    return found and found.path


def test_numbers_in_names():
    assert number_in('iter_12.pth', 'iter_{}.pth') == 12
    assert number_in('iter_000012.pth', 'iter_{:06d}.pth') == 12
    names = (
        'iter_.pth',
        'iter_-1.pth',
        'iter_1xpth',
        'best_iter_1.pth',
        'iter_1.pth.tmp',
        'iter_١.pth',
    )
    for name in (*names, f'iter_{"9" * 5000}.pth'):
        assert number_in(name, 'iter_{}.pth') is None
    assert number_in('iter_1.pth', 'iter_1.pth') is None


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        (None, 'is not there'),
        ('', 'names no checkpoint'),
        ('iter_20.pth', 'names iter_20.pth, which is not there'),
        ('/nowhere/iter_20.pth', 'names /nowhere/iter_20.pth, which is not there'),
        ('http://host/iter_20.pth', 'names no checkpoint'),
        ('\x1b[2J', 'names no checkpoint'),
        (b'\xff\0', 'names no checkpoint'),
    ],
    ids=repr,
)
def test_without_a_checkpoint_named_the_newest_counts(run, said, text, reason):
    last = run / 'last_checkpoint'
    if text is not None:
        last.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert find(run) == run / 'iter_10.pth'
    assert said[-1] == f'{last}: {reason}; {run}/iter_10.pth is the newest whole'


def test_damaged_ones_are_skipped_with_a_line(run, said):
    cut(run / 'iter_10.pth')
    (run / 'iter_9.pth').mkdir()
    assert find(run) == run / 'iter_8.pth'
    assert said[:2] == [
        f'{run}/iter_10.pth: skipped, damaged or cut off (300 bytes)',
        f'{run}/iter_9.pth: skipped, is a folder; expected a regular file',
    ]
    for path in run.glob('iter_*[0-9].pth'):
        if path.is_file():
            cut(path)
    with pytest.raises(InputError, match='none of its 4 checkpoints is whole; move them away'):
        find(run)


def test_nothing_there(tmp_path, said):
    assert find(tmp_path / 'new') is None
    assert find(tmp_path) is None
    assert said == []


def test_a_copied_folder_is_resumed_from_its_own_files(run, tmp_path, said):
    original = save(tmp_path / 'original/iter_8.pth')
    (run / 'last_checkpoint').write_text(str(original))
    assert find(run) == run / 'iter_8.pth'
    assert said == [
        f'{run}/last_checkpoint: names {original}, in another folder; {run}/iter_8.pth is taken'
    ]
    (run / 'iter_8.pth').unlink()
    assert find(run) == original
    assert said[-1].endswith('which is taken: here is none of that name')
    original.unlink()
    assert find(run) == run / 'iter_10.pth'


def test_a_folder_of_its_own_is_not_another_one(tmp_path, said):
    path = save(tmp_path / 'out/run/iter_4.pth') if (tmp_path / 'out').mkdir() is None else None
    run = tmp_path / 'run'
    run.mkdir()
    (run / 'last_checkpoint').write_text(str(path))
    folders = folders_of(run, tmp_path / 'out')
    assert folders == [tmp_path / 'out/run', run]
    assert find_checkpoint(run, folders).path == path
    assert said == []
    (run / 'last_checkpoint').unlink()
    assert find_checkpoint(run, folders).path == path


def test_templates(run):
    save(run / 'epoch_30.pth')
    save(run / 'step-4.pth')
    names = [path.name for path in saved_in([run], 'step-{}.pth')]
    assert names == ['step-4.pth', 'iter_10.pth', 'iter_8.pth', 'iter_2.pth', 'epoch_30.pth']
    assert find(run, template='epoch_{}.pth') == run / 'epoch_30.pth'


@pytest.mark.parametrize('name', ['last_checkpoint', 'iter_10.pth', 'iter_8.pth'])
def test_pipes_are_not_read(run, name, said):
    (run / name).unlink(missing_ok=True)
    os.mkfifo(run / name)
    (run / 'iter_2.pth').unlink()
    assert find(run) == run / ('iter_8.pth' if name == 'iter_10.pth' else 'iter_10.pth')
    assert has_checkpoint(run, {})
    assert damage(run / name) in ('is a pipe; expected a regular file', '')


def test_what_is_named_may_be_no_text(tmp_path):
    path = tmp_path / 'last_checkpoint'
    assert named_by(tmp_path) == ''
    path.write_text('a/iter_4.pth\n')
    assert named_by(tmp_path) == 'a/iter_4.pth'
    path.write_text('x' * 10**6)
    assert len(named_by(tmp_path)) == checkpoints.LONGEST


def test_whether_there_is_something_to_go_on_from(tmp_path):
    assert not has_checkpoint(tmp_path, {})
    save(tmp_path / 'best_mIoU_iter_4.pth')
    assert not has_checkpoint(tmp_path, {})
    save(tmp_path / 'step-4.pth')
    assert has_checkpoint(tmp_path, dict(filename_tmpl='step-{}.pth'))
    save(tmp_path / 'epoch_4.pth')
    assert has_checkpoint(tmp_path, {})


def test_meta_of_anything(run):
    assert meta_of(run / 'iter_2.pth') == dict(iter=1)
    torch.save([1], run / 'iter_3.pth')
    (run / 'iter_4.pth').write_text('text')
    assert meta_of(run / 'iter_3.pth') == meta_of(run / 'iter_4.pth') == meta_of(run) == {}
