import errno
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest
from exported import REPORT, write_export

from mmseg_eff.deploy import fill_folder, new_folder, write_report
from mmseg_eff.deploy import package as module
from mmseg_eff.deploy.backends import onnx
from mmseg_eff.errors import InputError

HOLD = """
import fcntl, os, sys
file = open(sys.argv[1], 'w')
fcntl.lockf(file, fcntl.LOCK_EX)
print(f'pid {os.getpid()}', file=file, flush=True)
print(flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    return write_export(tmp_path_factory.mktemp('made') / 'export')


@pytest.fixture
def out(tmp_path, made):
    """An earlier export, alone in a folder."""
    return shutil.copytree(made, tmp_path / 'place/out')


def export_to(path, made):
    """A new export to ``path``, whose network has one byte more."""
    with new_folder(path) as folder:
        shutil.copytree(made, folder, dirs_exist_ok=True)
        with (folder / 'model.onnx').open('ab') as file:
            file.write(b'\0')
        write_report(folder, REPORT)


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture
def fill(tmp_path, monkeypatch):
    """``fill_folder`` with a file in the place of the network, described with changes."""

    def convert(_graph, folder):
        (folder / 'model.onnx').write_bytes(b'network')

    monkeypatch.setattr(onnx, 'convert', convert)
    known = ('size', 'resize', 'input', 'num_labels', 'normalise', 'align_corners', 'threshold')

    def fill(**changed):
        described = {key: REPORT[key] for key in known}
        described.update(inside=('normalise', 'labels'), inputs=('image',))
        described.update(changed)
        meta = dict(classes=tuple(REPORT['classes']), palette=REPORT['palette'])
        model = SimpleNamespace(dataset_meta=meta)
        graph = SimpleNamespace(describe=lambda: described)
        return fill_folder(model, graph, 'onnx', tmp_path, loading=REPORT['loading'])

    return fill


def test_a_filled_folder_has_network_and_runtime_and_no_report(fill, tmp_path):
    facts = fill()
    names = {'model.onnx', 'engine.py', *(path.name for path in module.MODULES)}
    assert {path.name for path in tmp_path.iterdir()} == names == facts.pop('files').keys()
    assert facts == REPORT  # lists, as in the file


def test_a_report_that_the_runtime_would_refuse_is_refused_at_once(fill):
    with pytest.raises(InputError, match=r'^this network cannot be exported: inputs must be \[im'):
        fill(inputs=('picture',))


def foreign_report(path, text='{"kept": 0.75, "images": 5}'):
    (path / 'report.json').write_text(text)


def list_a_file(path):
    (path / 'notes.txt').touch()
    write_report(path, REPORT)


def link_cache(path):
    (path.parent.parent / 'elsewhere').mkdir()
    (path.parent.parent / 'elsewhere/runtime.cpython-311.pyc').touch()
    (path / '__pycache__').symlink_to(path.parent.parent / 'elsewhere')


def add_unlisted_cache(path):
    (path / '__pycache__').mkdir()
    (path / '__pycache__/mine.txt').touch()


@pytest.mark.parametrize(
    ('spoil', 'named'),
    [
        pytest.param(lambda path: (path / 'notes.txt').touch(), 'notes.txt', id='a file'),
        pytest.param(list_a_file, 'notes.txt', id='a file in the list'),
        pytest.param(lambda path: (path / '.notes').touch(), '.notes', id='a hidden file'),
        pytest.param(lambda path: (path / 'model.xml').touch(), 'model.xml', id='unlisted network'),
        pytest.param(lambda path: (path / 'labels').mkdir(), 'labels', id='a folder'),
        pytest.param(lambda path: (path / 'link').symlink_to('/nowhere'), 'link', id='a link'),
        pytest.param(lambda path: os.mkfifo(path / 'pipe'), 'pipe', id='a pipe'),
        pytest.param(link_cache, '__pycache__', id="a link as Python's cache"),
        pytest.param(add_unlisted_cache, '__pycache__/mine.txt', id="not only Python's cache"),
        pytest.param(
            lambda path: (path / 'runtime.py').write_text('mine'), 'runtime.py', id='a changed file'
        ),
        pytest.param(foreign_report, 'report.json', id='report of pseudo_label'),
        pytest.param(
            lambda path: foreign_report(path, '{"findings": [], "splits": {}}'),
            'report.json',
            id='report of check_dataset',
        ),
        pytest.param(lambda path: foreign_report(path, '[]'), 'report.json', id='a list'),
        pytest.param(lambda path: (path / 'report.json').unlink(), 'engine.py', id='no report'),
    ],
)
def test_a_folder_with_anything_else_is_refused_before_the_work(out, spoil, named):
    spoil(out)
    before = sorted(out.rglob('*')), content(out)
    with pytest.raises(InputError, match=rf'^{out}/{named}: '), new_folder(out):
        raise AssertionError('the work began')
    assert (sorted(out.rglob('*')), content(out)) == before
    assert list(out.parent.iterdir()) == [out]


@pytest.mark.parametrize('is_linux', [True, False])
def test_an_export_is_replaced_and_nothing_stays_beside_it(out, made, monkeypatch, is_linux):
    if not is_linux:
        monkeypatch.setattr(module, 'exchange', lambda *_paths: False)
    (out / '__pycache__').mkdir()
    (out / '__pycache__/runtime.cpython-311.pyc').touch()  # of a run in the folder
    export_to(out, made)
    assert (out / 'model.onnx').stat().st_size == (made / 'model.onnx').stat().st_size + 1
    assert list(out.parent.iterdir()) == [out] and not (out / '__pycache__').exists()


def test_new_and_empty_folders(tmp_path, made):
    (tmp_path / 'empty').mkdir()
    for name in ('empty', 'deep/new', 'with [brackets]*'):
        export_to(tmp_path / name, made)
        assert (tmp_path / name / 'report.json').is_file()
        assert len(list((tmp_path / name).parent.glob('.*'))) == 0


def test_a_file_that_comes_during_the_work_stays(out, made):
    before = content(made)
    with pytest.raises(InputError, match='would be deleted'), new_folder(out) as folder:
        shutil.copytree(made, folder, dirs_exist_ok=True)
        (out / 'mine.txt').write_text('mine')
    assert content(out) == {**before, 'mine.txt': b'mine'}
    assert list(out.parent.iterdir()) == [out]


def test_a_link_leads_to_the_folder_replaced(out, made):
    link = out.parent / 'link'
    link.symlink_to('out')
    export_to(link, made)
    assert link.is_symlink() and sorted(out.parent.iterdir()) == [link, out]
    assert (out / 'model.onnx').stat().st_size > (made / 'model.onnx').stat().st_size


@pytest.mark.parametrize('name', ['/', '/proc', 'file', 'loop'])
def test_what_cannot_be_a_folder_is_refused(tmp_path, name):
    (tmp_path / 'file').touch()
    (tmp_path / 'loop').symlink_to('loop')
    message = 'is no folder that can be replaced'
    with pytest.raises(InputError, match=message), new_folder(tmp_path / name):
        raise AssertionError('the work began')


def test_a_second_export_into_the_folder_is_refused(out, made):
    path = out.parent / '.out.lock'
    command = [sys.executable, '-c', HOLD, str(path)]
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with subprocess.Popen(command, **pipes) as process:
        process.stdout.readline()
        with pytest.raises(InputError, match=rf'{out}: in use .* \(pid {process.pid}\)'):
            export_to(out, made)
        process.kill()
    export_to(out, made)
    assert list(out.parent.iterdir()) == [out]


@pytest.fixture(scope='module')
def dead():
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, '-c', ''])
    process.wait()
    return process.pid


def test_leftovers_of_killed_exports_go_and_nothing_else(out, made, dead):
    place = out.parent
    for name in (f'.out.{dead}.tmp', f'.out.old.{dead}.tmp'):
        shutil.copytree(made, place / name)
        (place / name / '__pycache__').mkdir()
        (place / name / '__pycache__/runtime.cpython-311.pyc').touch()
    (place / f'.out.{dead}.tmp/report.json').unlink()  # killed early
    stay = [f'.out.{os.getppid()}.tmp', f'.other.{dead}.tmp', f'.out.x.{dead}.tmp', '.out.tmp']
    for name in stay:
        shutil.copytree(made, place / name)
    export_to(out, made)
    assert sorted(path.name for path in place.iterdir()) == sorted(['out', *stay])


def test_leftovers_that_hold_something_else_stay(out, made, dead):
    mine = out.parent / f'.out.{dead}.tmp/mine.txt'
    mine.parent.mkdir()
    mine.touch()
    export_to(out, made)
    assert mine.exists()


@pytest.mark.parametrize('is_removed', [False, True])
def test_a_kill_between_the_renamings_loses_nothing(out, made, dead, is_removed):
    old = out.rename(out.with_name(f'.out.old.{dead}.tmp'))
    if is_removed:  # the kill came later, when the old export was partly removed
        export_to(out, made)
        shutil.copytree(made, old)
        (old / 'model.onnx').unlink()
    with pytest.raises(KeyboardInterrupt), new_folder(out):
        raise KeyboardInterrupt
    size = (made / 'model.onnx').stat().st_size
    assert (out / 'model.onnx').stat().st_size == size + is_removed
    assert list(out.parent.iterdir()) == [out]


def test_a_failing_rename_puts_the_old_export_back(out, made, monkeypatch):
    rename, before = module.Path.rename, content(out)

    def fail(path, target):
        if str(path).endswith(f'.out.{os.getpid()}.tmp'):
            raise OSError(errno.EIO, 'Input/output error')
        return rename(path, target)

    monkeypatch.setattr(module, 'exchange', lambda *_paths: False)
    monkeypatch.setattr(module.Path, 'rename', fail)
    with pytest.raises(OSError, match='Input/output'):
        export_to(out, made)
    assert content(out) == before and list(out.parent.iterdir()) == [out]


def test_a_full_disk_names_the_folder_and_leaves_no_half_export(out):
    before = content(out)
    with pytest.raises(OSError, match='No space left') as info, new_folder(out) as folder:
        (folder / 'model.onnx').write_bytes(b'half')
        raise OSError(errno.ENOSPC, 'No space left on device')
    assert info.value.filename == str(out)
    assert content(out) == before and list(out.parent.iterdir()) == [out]
