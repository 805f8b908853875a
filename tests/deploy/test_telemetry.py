"""No process of ours tells the makers of the engines that they were used."""

import subprocess
import sys

import pytest
from exported import run_alone, write_export, write_openvino
from mmengine.config import Config
from mmseg.registry import MODELS

from mmseg_eff import compat
from mmseg_eff.converters import save_checkpoint

WATCH = """
import os, sys
log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)

def hook(event, args):  # forked processes inherit it
    if event in ('socket.connect', 'socket.getaddrinfo', 'urllib.Request'):
        os.write(log, f'{event} {args[:2]}\\n'.encode())

sys.addaudithook(hook)
"""
RUN = """
import numpy as np
from runtime import load_runtime
load_runtime('.', threads=1).segment(np.zeros((16, 24, 3), np.uint8))
"""
EXPORT = """
from mmseg_eff.commands import export
from mmseg_eff.deploy import precision
if 'int8' in sys.argv:  # say it is faster
    precision.latencies = lambda *runs: (2.0, 1.0)
raise SystemExit(export.main(sys.argv[2:]))
"""
LEAF = 'mmseg_eff::espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'


def new_home(path, monkeypatch):
    """Give the processes to come a new home folder, and switch nothing off for them."""
    path.mkdir()
    for name in ('CI', 'TF_BUILD', 'JENKINS_URL', 'NNCF_CI', 'ORT_DISABLE_TELEMETRY'):
        monkeypatch.delenv(name, raising=False)
    for name in ('HOME', 'XDG_CACHE_HOME'):
        monkeypatch.setenv(name, str(path))


@pytest.mark.parametrize('backend', ['onnx', 'openvino'])
def test_an_exported_folder_alone(tmp_path, monkeypatch, backend):
    folder = write_export(tmp_path / 'export')
    if backend == 'openvino':
        write_openvino(folder)
    log, home = tmp_path / 'log', tmp_path / 'home'
    new_home(home, monkeypatch)
    run_alone(WATCH + RUN, log, cwd=folder)
    assert log.read_text() == ''
    assert list(home.rglob('*')) == []  # no number of this user


@pytest.mark.slow
@pytest.mark.parametrize(
    ('backend', 'precision'),
    [('onnx', 'f32'), ('onnx', 'int8'), ('openvino', 'f32'), ('openvino', 'int8')],
)
def test_an_export(tmp_path, monkeypatch, data_root, backend, precision):
    for package in ('onnx', 'onnxscript', 'onnxruntime', 'openvino', 'nncf'):
        pytest.importorskip(package, reason='needs the extra [deploy]')
    config = Config.fromfile(compat.PACKAGE_ROOT / '.mim/configs' / LEAF.partition('::')[2])
    weights, out, log = (tmp_path / name for name in ('weights.pth', 'out', 'log'))
    save_checkpoint(dict(state_dict=MODELS.build(config.model).state_dict(), meta={}), weights)
    options = ['--num-images', '2', '--max-drop', '100', '--backend', backend]
    options += ['--precision', precision]
    command = [sys.executable, '-c', WATCH + EXPORT, log, LEAF, weights, '--out', out, *options]
    home = tmp_path / 'home'
    new_home(home, monkeypatch)
    subprocess.run(list(map(str, command)), check=True)
    assert log.read_text() == ''
    assert not [path for path in home.rglob('*') if path.parts[len(home.parts)] != 'YAPF']
