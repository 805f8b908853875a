"""``import mmseg_eff``: lazy functions, registration, and when it waits for a command."""

import subprocess
import sys
import types
from importlib import import_module
from pathlib import Path

import pytest

import mmseg_eff
from mmseg_eff import apis
from mmseg_eff.apis import EXPORTS

ROOT = Path(mmseg_eff.__file__).parents[1]


@pytest.mark.parametrize('name', EXPORTS)
def test_exports_are_lazy_names_of_both(name):
    value = getattr(import_module(f'mmseg_eff.apis.{EXPORTS[name]}'), name)
    assert callable(value) and value.__doc__
    assert getattr(mmseg_eff, name) is value and getattr(apis, name) is value
    assert name in dir(mmseg_eff) and name in dir(apis)
    assert name in mmseg_eff.__all__ and name in apis.__all__


def test_no_module_of_apis_hides_a_function():
    """``mmseg_eff.apis.train`` is a function whatever has been imported."""
    modules = {path.stem for path in (ROOT / 'mmseg_eff/apis').glob('*.py')} - {'__init__'}
    assert set(EXPORTS.values()) <= modules
    assert not modules & set(EXPORTS)
    folders = {path.name for path in (ROOT / 'mmseg_eff').iterdir()} - {'__pycache__'}
    assert not {Path(name).stem for name in folders} & set(EXPORTS)


@pytest.mark.parametrize('package', [mmseg_eff, apis], ids=lambda package: package.__name__)
def test_unknown_names_are_attribute_errors(package):
    with pytest.raises(AttributeError, match=f"module '{package.__name__}' has no attribute 'no'"):
        _ = package.no


def is_command(monkeypatch, program, original=(), parent=None):
    monkeypatch.setattr(sys, 'argv', [program, 'train'])
    monkeypatch.setattr(sys, 'orig_argv', [*original])
    monkeypatch.setattr(mmseg_eff, 'parent_process', lambda: parent)
    return mmseg_eff.is_command()


@pytest.mark.parametrize(
    'program',
    [
        str(ROOT / 'tools/train.py'),
        str(ROOT / 'mmseg_eff/.mim/tools/train.py'),
        '/usr/bin/mmseg-eff',
        'mmseg-eff',
        'mmseg-eff.exe',
    ],
)
def test_commands_register_after_their_arguments(monkeypatch, program):
    assert is_command(monkeypatch, program)
    assert not is_command(monkeypatch, program, parent=types.SimpleNamespace())  # a loader's worker


@pytest.mark.parametrize('relative', ['tools/train.py', './tools/train.py'])
def test_tools_are_known_from_the_folder(monkeypatch, relative):
    monkeypatch.chdir(ROOT)
    assert is_command(monkeypatch, relative)
    monkeypatch.chdir('/')
    assert not is_command(monkeypatch, relative)


def test_module_as_a_program(monkeypatch):
    python = ['python', '-W', 'ignore', '-m', 'mmseg_eff', 'train']
    assert is_command(monkeypatch, '-m', python)
    assert not is_command(monkeypatch, '-m', ['python', '-m', 'pytest'])


@pytest.mark.parametrize('program', ['', '-c', 'train.py', '/x/tools/train.py', 'pytest', 'mmseg'])
def test_other_programs_register_at_the_import(monkeypatch, program):
    assert not is_command(monkeypatch, program)


@pytest.mark.parametrize('argv', [None, []])
def test_a_python_without_arguments(monkeypatch, argv):
    monkeypatch.setattr(sys, 'argv', argv)
    assert not mmseg_eff.is_command()


def test_import_registers_and_leaves_the_functions_for_later():
    code = (
        'import sys, mmseg_eff\n'
        'from mmseg.registry import MODELS\n'
        'assert MODELS.get("ESPNet").__module__.startswith("mmseg_eff.")\n'
        'assert not [m for m in sys.modules if m.startswith("mmseg_eff.apis.")]\n'
    )
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_registering_twice_changes_nothing():
    from mmseg.registry import MODELS

    before = dict(MODELS.module_dict)
    mmseg_eff.register()
    assert MODELS.module_dict == before
