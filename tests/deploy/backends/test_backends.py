"""Every backend: its file and what it promises."""

import ast
import inspect
import sys
from pathlib import Path

import pytest

from mmseg_eff.deploy import PARTS, backends
from mmseg_eff.deploy.backends import Backend, check_backend, engine_file, find_backend
from mmseg_eff.errors import InputError
from mmseg_eff.utils.names import PRECISIONS, backend_names

NAMES = backend_names()


def test_there_are_some():
    assert {'onnx', 'openvino', 'tensorrt'} <= set(NAMES)


@pytest.mark.parametrize('name', NAMES)
def test_each_has_all_of_the_protocol(name):
    backend = find_backend(name)
    for attribute in Backend.__annotations__:
        assert hasattr(backend, attribute), attribute
    for function in ('convert', 'load'):
        wanted = list(inspect.signature(getattr(Backend, function)).parameters)[1:]
        assert list(inspect.signature(getattr(backend, function)).parameters) == wanted
    assert backend.MODEL in backend.FILES
    assert set(backend.INSIDE) <= set(backend.ALLOWED) <= set(PARTS)
    assert set(backend.FIXED) <= {'size', 'batch'}
    assert backend.PRECISIONS[0] == 'f32'
    assert set(backend.PRECISIONS) <= set(PRECISIONS)
    assert (Path(__file__).parents[3] / f'requirements/{backend.EXTRA}.txt').is_file()


@pytest.mark.parametrize('name', [name for name in NAMES if len(find_backend(name).PRECISIONS) > 1])
def test_what_makes_lower_precisions_takes_what_it_is_given(name):
    wanted = ['graph', 'folder', 'report', 'precision', 'calibration']
    assert list(inspect.signature(find_backend(name).reduce).parameters) == wanted
    again = getattr(find_backend(name), 'reduce_accurately', None)
    assert not again or list(inspect.signature(again).parameters) == [*wanted, 'validation']


@pytest.mark.parametrize('name', NAMES)
def test_what_runs_in_the_folder_imports_the_standard_library_and_numpy_alone(name):
    body = ast.parse(engine_file(name).read_text()).body
    tops = set()
    for node in body:
        if isinstance(node, ast.Import):
            tops |= {alias.name.partition('.')[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level
            tops.add(node.module.partition('.')[0])
    assert tops <= {'numpy', *sys.stdlib_module_names}


def test_unknown_name():
    with pytest.raises(InputError, match=r"backend must be one of .*onnx.*, got 'caffe'"):
        find_backend('caffe')


def test_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setattr(find_backend('onnx'), 'NEEDS', ('no_such_package',))
    with pytest.raises(InputError, match=r'needs no_such_package; install the extra \[deploy\]'):
        check_backend('onnx')


def test_earlier_names_are_known():
    assert find_backend('openvino-int8') is find_backend('openvino')
    assert backends.EARLIER.keys().isdisjoint(NAMES)
