import inspect
import sys
from pathlib import Path

import pytest

from mmseg_eff import deploy
from mmseg_eff.apis import exporting
from mmseg_eff.apis.exporting import Export
from mmseg_eff.commands import export as module
from mmseg_eff.commands.export import main
from mmseg_eff.deploy.backends import onnx
from mmseg_eff.errors import InputError

LEAF = 'mmseg_eff::espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'
REPORT = dict(
    agreement=dict(images=2, labels=0.99999, worst_image=0.9999),
    latency_ms=dict(original=8.04, export=4.06),
)
LOWER = dict(
    images=5,
    miou=[60.0, 59.8],
    network_ms=[2.0, 1.0],
    agreement=dict(images=2, labels=0.9, worst_image=0.8),
)
DEFAULTS = {
    name: parameter.default
    for name, parameter in inspect.signature(exporting.export).parameters.items()
    if parameter.kind == parameter.KEYWORD_ONLY and name != 'options'  # which are merged already
}


@pytest.fixture
def calls(monkeypatch):
    """The calls of ``export``, which then does nothing."""
    calls = []

    def export(config, checkpoint, out, **options):
        calls.append((config, checkpoint, out, options))
        precision = options['precision']
        figures = {} if precision == 'f32' else dict(precision_figures=LOWER)
        return Export(out, {**REPORT, 'precision': precision, **figures})

    monkeypatch.setattr(exporting, 'export', export)
    return calls


def test_choices_are_those_of_the_package():
    for name in module.BACKENDS:
        assert deploy.find_backend(name).PRECISIONS[0] == 'f32'
    assert module.PARTS == deploy.PARTS
    assert module.LAYOUTS == deploy.LAYOUTS
    assert module.OUTPUTS == deploy.OUTPUTS


def test_defaults_are_those_of_the_function(calls):
    assert main([LEAF, 'weights.pth', '--out', 'new']) == 0
    ((config, checkpoint, out, options),) = calls
    assert config.model.backbone.type == 'ESPNet'
    assert (checkpoint, out) == ('weights.pth', Path('new'))
    assert options == DEFAULTS


def test_every_option_reaches_the_function(calls):
    argv = [LEAF, 'weights.pth', '--out', 'new', '--cfg-options', 'model.backbone.num_blocks=(1,1)']
    argv += ['--backend', 'openvino', '--size', '64', '128', '--inside', 'resize', '--threads', '2']
    argv += ['--images', 'a.png', 'b', '--num-images', '3', '--calibration', '4']
    argv += ['--validation', '5', '--max-drop', '0.25', '--batch', '4', '--output', 'logits']
    argv += ['--precision', 'bf16', '--layout', 'triton-python']
    assert main(argv) == 0
    assert (
        main([LEAF, 'weights.pth', '--out', 'new', '--any-size', '--batch', 'any', '--inside']) == 0
    )
    (config, _, _, options), (_, _, _, others) = calls
    assert config.model.backbone.num_blocks == (1, 1)
    assert options == dict(
        backend='openvino',
        precision='bf16',
        size=['64', '128'],  # read by the function, which says what is wrong with them
        any_size=False,
        inside=['resize'],
        batch=4,
        output='logits',
        images=['a.png', 'b'],
        num_images=3,
        threads=2,
        calibration=4,
        validation=5,
        max_drop=0.25,
        layout='triton-python',
    )
    assert (others['any_size'], others['inside']) == (True, [])


@pytest.mark.parametrize('precision', ['f32', 'bf16'])
def test_what_is_printed(calls, capsys, precision):
    assert main([LEAF, 'weights.pth', '--out', 'new', '--precision', precision]) == 0
    lower = 'f32 -> bf16 on 5 images: mIoU 60.00 -> 59.80, 2.0 -> 1.0 ms\n'
    assert capsys.readouterr().out.endswith(
        '99.9990% of the labels on 2 images are equal\n'
        f'{lower if precision == "bf16" else ""}'
        'image to labels: 8.0 -> 4.1 ms; new/report.json\n'
    )


def test_a_refusal_is_one_line_with_the_figure(calls, monkeypatch, capsys):
    def refuse(*_args, **_options):
        raise InputError('onnx: 98.0000% of the labels are those of the original, 99.99% must be')

    monkeypatch.setattr(exporting, 'export', refuse)
    assert main([LEAF, 'weights.pth', '--out', 'new']) == 1
    line = 'error: onnx: 98.0000% of the labels are those of the original, 99.99% must be\n'
    assert capsys.readouterr().err == line


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--num-images', '0'], '--num-images must be 1 or more, got 0'),
        (['--max-drop', 'nan'], '--max-drop must be a finite number'),
        (['--size', '0', '8'], 'size must be two whole numbers'),
        (['--images', 'none.png'], 'none.png: no such file or folder'),
        (
            ['--backend', 'tensorrt', '--precision', 'int8'],
            "backend tensorrt has no precision 'int8'; precision must be one of f32\n",
        ),
    ],
)
def test_wrong_options(tmp_path, monkeypatch, options, message, capsys):
    def load(*_args):
        pytest.fail('the work began')

    monkeypatch.setattr(deploy, 'check_backend', lambda _backend: None)
    monkeypatch.setattr(exporting, 'load_segmentor', load)
    assert main([LEAF, 'weights.pth', '--out', str(tmp_path / 'out'), *options]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_missing_package_names_the_extra(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(onnx, 'NEEDS', ('onnxscript',))
    monkeypatch.setitem(sys.modules, 'onnxscript', None)
    assert main([LEAF, 'weights.pth', '--out', str(tmp_path / 'out')]) == 1
    assert 'needs onnxscript; install the extra [deploy]' in capsys.readouterr().err
