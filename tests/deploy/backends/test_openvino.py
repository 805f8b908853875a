from types import SimpleNamespace

import pytest

from mmseg_eff.deploy import backends
from mmseg_eff.deploy.backends import openvino
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
