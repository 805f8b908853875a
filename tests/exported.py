"""Small exported folders, made without torch, for tests of what reads them."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mmseg_eff import deploy
from mmseg_eff.deploy.backends import engine_file
from mmseg_eff.deploy.package import MODULES

NUM_CLASSES = 9
REPORT = dict(
    backend='onnx',
    precision='f32',
    inference_precision='f32',
    model='model.onnx',
    classes=[f'class {label}' for label in range(NUM_CLASSES)],
    palette=[[label, 2 * label, 255] for label in range(NUM_CLASSES)],
    loading=dict(color_type='color', imdecode_backend='cv2', to_float32=False),
    size=None,
    inside=['normalise', 'labels'],
    inputs=['image'],
    resize=None,
    input=dict(channels=3, dtype='uint8'),
    num_labels=NUM_CLASSES,
    normalise=dict(mean=[0.0] * 3, std=[1.0] * 3, to_rgb=False),
    align_corners=False,
    threshold=None,
    batch=1,
    output='labels',
    is_sigmoid=False,
    tensors=None,
    preprocessing=None,
    config=None,
    weights=None,
    checkpoint_sha256=None,
)


def write_network(path: Path, batch: int | None = 1) -> None:
    """Write a network of random weights from images (N, H, W, 3) to labels (N, H, W).

    Args:
        path: The file.
        batch: N; ``None`` leaves it free.
    """
    onnx = pytest.importorskip('onnx', reason='needs the extra [deploy]')
    pytest.importorskip('onnxruntime', reason='needs the extra [deploy]')
    helper, types = onnx.helper, onnx.TensorProto
    rng = np.random.default_rng(0)
    shapes = {'narrow': (16, 3, 5, 5), 'wide': (NUM_CLASSES, 16, 5, 5)}
    weights = [
        onnx.numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    nodes = [
        helper.make_node('Cast', ['image'], ['pixels'], to=types.FLOAT),
        helper.make_node('Transpose', ['pixels'], ['x'], perm=[0, 3, 1, 2]),
        helper.make_node('Conv', ['x', 'narrow'], ['y'], pads=[2] * 4),
        helper.make_node('Relu', ['y'], ['z']),
        helper.make_node('Conv', ['z', 'wide'], ['logits'], pads=[2] * 4),
        helper.make_node('ArgMax', ['logits'], ['indices'], axis=1, keepdims=0),
        helper.make_node('Cast', ['indices'], ['labels'], to=types.UINT8),
    ]
    image = helper.make_tensor_value_info('image', types.UINT8, [batch or 'N', 'H', 'W', 3])
    labels = helper.make_tensor_value_info('labels', types.UINT8, [batch or 'N', 'H', 'W'])
    graph = helper.make_graph(nodes, 'network', [image], [labels], weights)
    opsets = [helper.make_opsetid('', 17)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    helper.set_model_props(model, dict(note='kept'))
    onnx.save(model, path)


def write_export(folder: Path, *, batch: int | None = 1, **changed: object) -> Path:
    """Make an exported folder whose report has ``changed`` values."""
    folder.mkdir(parents=True, exist_ok=True)
    write_network(folder / 'model.onnx', batch)
    for path in MODULES:
        (folder / path.name).write_bytes(path.read_bytes())
    set_engine(folder, 'onnx')
    deploy.write_report(folder, {**REPORT, 'batch': batch, **changed})
    return folder


def set_engine(folder: Path, backend: str) -> None:
    """Let an exported folder be run by a backend."""
    (folder / 'engine.py').write_bytes(engine_file(backend).read_bytes())


def write_openvino(folder: Path) -> Path:
    """Turn the network of ``write_export`` into OpenVINO's, by a process without torch."""
    pytest.importorskip('openvino', reason='needs the extra [deploy]')
    run_alone(TO_OPENVINO, cwd=folder)
    (folder / 'model.onnx').unlink()
    set_engine(folder, 'openvino')
    deploy.write_report(folder, {**REPORT, 'backend': 'openvino', 'model': 'model.xml'})
    return folder


TO_OPENVINO = """
from engines import import_engine
openvino = import_engine('openvino', 'openvino', 'openvino')
model = openvino.Core().read_model('model.onnx')
openvino.save_model(model, 'model.xml', compress_to_fp16=False)
"""


def run_alone(code: str, *args: object, cwd: Path) -> list[str]:
    """Run code in an exported folder, without torch; its lines."""
    process = subprocess.run(
        [sys.executable, '-c', code, *map(str, args)],
        cwd=cwd,
        env={**os.environ, 'PYTHONDONTWRITEBYTECODE': '1'},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    assert process.stderr == ''
    return process.stdout.splitlines()
