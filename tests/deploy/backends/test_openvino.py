from types import SimpleNamespace

import numpy as np
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


# Slow, as other tests with the engine: after OpenVINO has converted and compiled in a process, the
# SIGINT that tests/utils/test_signals.py sends itself there crashes.
@pytest.mark.slow
def test_weights_in_float16(reduce_exported):
    folder, network, figures = reduce_exported('openvino', 'f16')
    assert sorted(path.name for path in folder.iterdir()) == ['f16.bin', 'f16.xml']
    assert network.report['inference_precision'] in ('f16', 'f32')
    assert figures.miou[0] == 100 and 90 < figures.miou[1] <= 100
    assert 8_000 < (folder / 'f16.bin').stat().st_size < 11_000  # 4800 weights
    assert network.segment(np.zeros((33, 50, 3), np.uint8)).shape == (33, 50)


@pytest.mark.slow
def test_bfloat16_or_why_not(reduce_exported):
    """It needs a processor that has it; OpenVINO would silently compute in float32."""
    core = pytest.importorskip('openvino', reason='needs the extra [deploy]').Core()
    if 'BF16' in core.get_property('CPU', 'OPTIMIZATION_CAPABILITIES'):
        folder, network, figures = reduce_exported('openvino', 'bf16')
        assert sorted(path.name for path in folder.iterdir()) == ['bf16.bin', 'bf16.xml']
        assert network.report['inference_precision'] == 'bf16'
        assert 70 < figures.miou[1] < 100
    else:
        with pytest.raises(InputError, match=r'^bf16: this processor has no bf16 .*'):
            reduce_exported('openvino', 'bf16')


class Model:
    """What is written about a network into its file."""

    def __init__(self, path):
        assert path.name == 'model.xml'
        self.info = {}

    def set_rt_info(self, text, keys):
        self.info['/'.join(keys)] = text


class Package:
    """OpenVINO, which is asked for a processor's precisions and how to run a network."""

    def __init__(self, *capabilities):
        self.capabilities, self.settings = list(capabilities), []
        model = SimpleNamespace(load=lambda path: path, convert=lambda model: model)
        manager = SimpleNamespace(load_by_framework=lambda _name: model)
        self.frontend = SimpleNamespace(FrontEndManager=lambda: manager)

    def Core(self):
        return self

    def get_property(self, device, name):
        assert (device, name) == ('CPU', 'OPTIMIZATION_CAPABILITIES')
        return self.capabilities

    def read_model(self, path):
        return Model(path)

    def save_model(self, model, path, compress_to_fp16):
        path.write_text(f'{model.info}, half: {compress_to_fp16}')

    def compile_model(self, model, device, settings):
        self.settings.append(settings)
        return SimpleNamespace(create_infer_request=lambda: None)


@pytest.fixture
def reduce(tmp_path, monkeypatch):
    """``reduce`` on a processor with some precisions."""

    def reduce(precision, *capabilities):
        monkeypatch.setattr(backends, 'deploy_package', lambda _name: Package(*capabilities))
        return openvino.reduce(None, tmp_path, dict(model='model.xml'), precision, [])

    return reduce


def test_bfloat16_is_asked_of_the_engine(reduce, tmp_path):
    facts = dict(model='bf16.xml', inference_precision='bf16')
    assert reduce('bf16', 'FP32', 'BF16') == facts
    info = {'mmseg_eff/precision': '"bf16"', 'mmseg_eff/inference_precision': '"bf16"'}
    assert (tmp_path / 'bf16.xml').read_text() == f'{info}, half: False'
    with pytest.raises(InputError, match='this processor has no bf16'):
        reduce('bf16', 'FP32', 'FP16')


@pytest.mark.parametrize(('capabilities', 'asked'), [(('FP32',), 'f32'), (('FP32', 'FP16'), 'f16')])
def test_float16_is_asked_where_the_processor_has_it(reduce, tmp_path, capabilities, asked):
    assert reduce('f16', *capabilities) == dict(model='f16.xml', inference_precision=asked)
    assert (tmp_path / 'f16.xml').read_text().endswith(', half: True')


@pytest.mark.parametrize(
    ('report', 'asked'), [({}, 'f32'), (dict(inference_precision='bf16'), 'bf16')]
)
def test_the_precision_of_the_report_is_asked_of_the_engine(tmp_path, report, asked):
    """Without that, the engine takes bfloat16 where the processor has it."""
    package = Package()
    openvino.load(package, tmp_path / 'model.xml', 0, report)
    (settings,) = package.settings
    assert settings['INFERENCE_PRECISION_HINT'] == asked


@pytest.mark.slow
def test_int8_by_nncf(reduce_exported):
    pytest.importorskip('nncf', reason='needs the extra [deploy]')
    folder, network, figures = reduce_exported('openvino', 'int8')
    assert sorted(path.name for path in folder.iterdir()) == ['int8.bin', 'int8.xml']
    assert network.report['inference_precision'] == 'f32'
    assert figures.miou[0] == 100 and 70 < figures.miou[1] < 100


@pytest.mark.slow
def test_int8_but_for_what_costs_accuracy(reduce_exported, monkeypatch):
    """The first attempt loses too much, the second keeps operations in float32."""
    pytest.importorskip('nncf', reason='needs the extra [deploy]')
    again, calls = openvino.reduce_accurately, []

    def reduce_accurately(graph, folder, report, precision, calibration, validation):
        calls.append(validation.score)
        return again(graph, folder, report, precision, calibration, validation)

    monkeypatch.setattr(openvino, 'reduce_accurately', reduce_accurately)
    _, _, figures = reduce_exported('openvino', 'int8', max_drop=0.5)
    assert len(calls) == 1
    assert 99.5 <= figures.miou[1] <= 100
