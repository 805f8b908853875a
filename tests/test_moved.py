"""Old import paths warn and lead on (``mmseg_eff._moved``)."""

import sys
from importlib import import_module

import pytest

import mmseg_eff
from mmseg_eff import _moved
from mmseg_eff._moved import MODULES


def import_old(name, monkeypatch):
    """The old module, imported anew, so that it warns."""
    name = f'mmseg_eff.{name}'
    monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.warns(DeprecationWarning, match=rf'^{name} has moved: use mmseg_eff\.'):
        module = import_module(name)
    monkeypatch.delitem(sys.modules, name)  # the next import warns again
    return module


@pytest.mark.parametrize('old', MODULES)
def test_old_module_has_the_contents_of_todays(old, monkeypatch):
    module = import_old(old, monkeypatch)
    found = set()
    for new in MODULES[old].split():
        for name, value in vars(import_module(f'mmseg_eff.{new}')).items():
            if name.isidentifier() and not name.startswith('_') and name not in found:
                assert getattr(module, name) is value
                found.add(name)
    assert found


@pytest.mark.parametrize(
    ('old', 'names'),
    [
        ('apis.inference', ['draw_overlay', 'color_table', 'ImageReader', 'write_png']),
        ('converters.checkpoint', ['load_checkpoint', 'save_checkpoint']),
        ('engine.resume', ['ResumableIterBasedTrainLoop', 'ResumableSampler']),
        ('files', ['replacing']),
    ],
)
def test_contents_that_went_apart_are_found(old, names, monkeypatch):
    module = import_old(old, monkeypatch)
    assert all(getattr(module, name).__name__ == name for name in names)


def test_from_import_works_and_warns_where_it_is_written(monkeypatch):
    monkeypatch.delitem(sys.modules, 'mmseg_eff.files', raising=False)
    with pytest.warns(DeprecationWarning) as warned:
        exec('from mmseg_eff.files import replacing', {})
    assert [warning.category for warning in warned] == [DeprecationWarning]


def test_unknown_names_are_usual_errors(monkeypatch):
    module = import_old('files', monkeypatch)
    with pytest.raises(AttributeError, match=r"module 'mmseg_eff\.files' has no attribute 'none'"):
        _ = module.none
    for name in ('mmseg_eff.apis.none', 'mmseg_eff.none', 'mmseg_eff.files.none'):
        with pytest.raises(ModuleNotFoundError):
            import_module(name)


@pytest.mark.parametrize('old', MODULES)
def test_no_module_of_today_has_an_old_path(old, root):
    path = root / 'mmseg_eff' / old.replace('.', '/')
    assert not path.is_dir() and not path.with_suffix('.py').exists()


def test_installing_twice_changes_nothing():
    before = list(sys.meta_path)
    _moved.install()
    assert sys.meta_path == before
    assert sum(isinstance(finder, _moved.MovedModules) for finder in before) == 1


def test_importing_the_package_does_not_warn(recwarn):
    assert mmseg_eff.__version__
    assert not [w for w in recwarn if 'has moved' in str(w.message)]
