from types import SimpleNamespace

import pytest

from mmseg_eff.deploy import backends
from mmseg_eff.deploy.backends import onnx, openvino
from mmseg_eff.errors import InputError


def test_openvino_that_cannot_write_says_why(tmp_path, monkeypatch):
    def fail(*_args, **_options):
        raise RuntimeError('basic_ios::clear: iostream error')

    package = SimpleNamespace(save_model=fail)
    monkeypatch.setattr(backends, 'deploy_package', lambda _name: package)
    path = tmp_path / 'model.xml'
    with pytest.raises(InputError, match='OpenVINO cannot write it: basic_ios'):
        openvino.save(None, path)
    path.with_suffix('.bin').unlink()
    path.with_suffix('.bin').symlink_to('/dev/full')
    with pytest.raises(OSError, match='No space left on device'):
        openvino.save(None, path)


def test_the_network_describes_itself(tmp_path, monkeypatch):
    """With a converter that writes nothing: OpenVINO would leave threads in this process."""
    described = {}

    def set_rt_info(text, path):
        described[tuple(path)] = text

    model = SimpleNamespace(set_rt_info=set_rt_info)
    package = SimpleNamespace(convert_model=lambda _path: model, save_model=lambda *_, **__: None)
    monkeypatch.setattr(backends, 'deploy_package', lambda _name: package)
    monkeypatch.setattr(onnx, 'convert', lambda _graph, folder: (folder / onnx.MODEL).touch())
    openvino.convert(SimpleNamespace(metadata=dict(output='"labels"', batch='1')), tmp_path)
    assert described == {('mmseg_eff', 'output'): '"labels"', ('mmseg_eff', 'batch'): '1'}
    assert not list(tmp_path.iterdir())
