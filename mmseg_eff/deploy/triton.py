"""Arrange an exported folder as a model of NVIDIA Triton and OpenVINO Model Server.

    REPOSITORY/NAME/config.pbtxt      name, inputs, outputs, batching; read by Triton
                   /labels.txt        the classes, one a line
                   /1/model.onnx      version 1, which both servers read (or model.xml and .bin)
                   /report.json ...   the exported folder, which servers ignore

With ``triton-python``, version 1 is ``model.py``: it runs the folder by its own ``runtime.py`` in
Triton's Python backend, so any of our backends can be served, and what the graph does not do
itself is done there. The format of the configuration is Triton's ``ModelConfig``, a protobuf text.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..utils.protobuf_text import Word, protobuf_text
from . import triton_model
from .backends import deploy_package, find_backend

LAYOUTS = ('folder', 'triton', 'triton-python')
ENGINES = {  # our backend -> Triton's, which reads the same file
    'onnx': 'onnxruntime',
    'openvino': 'openvino',
}
BITS = (8, 16, 32, 64)
TYPES = {  # numpy's -> Triton's
    **{f'int{bits}': f'TYPE_INT{bits}' for bits in BITS},
    **{f'uint{bits}': f'TYPE_UINT{bits}' for bits in BITS},
    **{f'float{bits}': f'TYPE_FP{bits}' for bits in BITS[1:]},
}
CONFIG, LABELS = 'config.pbtxt', 'labels.txt'
VERSION = '1'
PYTHON_MODEL = f'{VERSION}/model.py'  # of triton-python
WRITTEN = (
    CONFIG,
    LABELS,
    PYTHON_MODEL,
)  # and the network may lie in the version
MOST_IMAGES = 8  # of a batch that the server makes
MOST_WAITING = 64  # requests; more are refused, so that a flood cannot fill the memory


@dataclass(frozen=True)
class Tensor:
    """An input or output.

    Attributes:
        name: Its name in the network.
        dtype: Name of numpy's type.
        dims: Its shape; -1 is any length.
    """

    name: str
    dtype: str
    dims: tuple[int, ...]


def check_layout(layout: str, backend: str, name: str) -> None:
    """Refuse what cannot be arranged, before any work.

    Args:
        layout: One of ``LAYOUTS``.
        backend: The backend exported to.
        name: Of the folder to make, which the server calls the model.

    Raises:
        InputError: It names what is allowed.
    """
    if layout not in LAYOUTS:
        raise InputError(f'layout must be one of {", ".join(LAYOUTS)}, got {layout!r}')
    if layout == 'triton' and backend not in ENGINES:
        raise InputError(
            f'layout triton needs one of the backends {", ".join(ENGINES)}, got {backend}; '
            'layout triton-python takes all'
        )
    if layout != 'folder' and not re.fullmatch(r'[A-Za-z0-9][\w.-]*', name, re.ASCII):
        raise InputError(
            f'out: the last part names the model and must be letters, digits, ".", "-" and "_" '
            f'for layout {layout}, got {name!r}'
        )


def arrange(folder: Path, report: dict, layout: str, name: str) -> dict:
    """Arrange a filled folder without a report for a server.

    Args:
        folder: It has the network and its runtime.
        report: What the report will say.
        layout: ``triton`` or ``triton-python``.
        name: Of the model, which must be the folder's own when it is served.

    Returns:
        The report, with ``model`` where the network lies now.
    """
    version = folder / VERSION
    version.mkdir()
    if layout == 'triton':
        model = Path(report['model'])
        inputs, outputs = tensors_of(folder / model)
        config = native_config(name, report, inputs, outputs)
        for file in find_backend(report['backend']).FILES:
            part = model.with_suffix(Path(file).suffix)
            (folder / part).rename(version / part)
        report = {**report, 'model': f'{VERSION}/{model}'}
    else:
        config = python_config(name, report)
        source = Path(triton_model.__file__)
        (folder / PYTHON_MODEL).write_bytes(source.read_bytes())
    (folder / CONFIG).write_text(protobuf_text(config))
    names = (' '.join(class_name.split()) for class_name in report['classes'])
    (folder / LABELS).write_text(''.join(f'{line}\n' for line in names), encoding='utf-8')
    return report


def native_config(
    name: str, report: Mapping, inputs: Sequence[Tensor], outputs: Sequence[Tensor]
) -> dict:
    """Configuration of a network that Triton's own backend reads.

    The server makes batches if the first axis of all tensors is free, but not for OpenVINO: its
    backend fixes the batch at ``max_batch_size`` and refuses smaller ones. There the free axis is
    the client's. Of precisions, that backend can be asked for bfloat16 alone.
    """
    engine, is_bf16 = ENGINES[report['backend']], report['inference_precision'] == 'bf16'
    is_free = all(tensor.dims[:1] == (-1,) for tensor in (*inputs, *outputs))
    config = {
        'name': name,
        'backend': engine,
        'default_model_filename': Path(report['model']).name,
        **common(inputs, outputs, is_free and engine == 'onnxruntime'),
    }
    if engine == 'openvino' and is_bf16:
        config['parameters'] = [{'key': 'HINT_BF16', 'value': {'string_value': 'YES'}}]
    return config


def python_config(name: str, report: Mapping) -> dict:
    """Configuration of a folder that ``triton_model`` runs, from what its report says."""
    sides = report['size'] or (-1, -1)
    image, result, count = report['input'], report['output'], report['num_labels']
    if result == 'labels':
        output = Tensor('labels', 'uint8' if count <= 256 else 'uint16', (-1, *sides))
    else:
        is_single = result == 'logits' and report['threshold'] is not None
        output = Tensor(result, 'float32', (-1, 1 if is_single else count, *sides))
    return {
        'name': name,
        'backend': 'python',
        **common(
            [Tensor('image', image['dtype'], (-1, *sides, image['channels']))],
            [output],
            True,
        ),
        'parameters': [{'key': 'threads', 'value': {'string_value': '0'}}],
    }


def common(inputs: Sequence[Tensor], outputs: Sequence[Tensor], is_batched: bool) -> dict:
    """What all configurations have; with batches, dims leave out the axis of the batch."""

    def described(tensor: Tensor, **more: object) -> dict:
        dims = tensor.dims[1:] if is_batched else tensor.dims
        return dict(name=tensor.name, data_type=Word(TYPES[tensor.dtype]), dims=list(dims), **more)

    config = {
        'max_batch_size': MOST_IMAGES if is_batched else 0,
        'input': [described(tensor) for tensor in inputs],
        'output': [described(tensor, label_filename=LABELS) for tensor in outputs],
        'version_policy': {'latest': {'num_versions': 1}},
        'instance_group': [{'count': 1, 'kind': Word('KIND_CPU')}],
    }
    if is_batched:
        policy = {'default_queue_policy': {'max_queue_size': MOST_WAITING}}
        config['dynamic_batching'] = policy
    return config


def tensors_of(path: Path) -> tuple[list[Tensor], list[Tensor]]:
    """Inputs and outputs of a network in an ONNX file or OpenVINO's ``.xml``."""
    return openvino_tensors(path) if path.suffix == '.xml' else onnx_tensors(path)


def openvino_tensors(path: Path) -> tuple[list[Tensor], list[Tensor]]:
    frontend = deploy_package('openvino').frontend.FrontEndManager().load_by_framework('ir')
    network = frontend.convert(frontend.load(str(path)))

    def described(port: Any) -> Tensor:
        dtype = np.dtype(port.get_element_type().to_dtype()).name
        dims = (-1 if dim.is_dynamic else dim.get_length() for dim in port.partial_shape)
        return Tensor(port.get_any_name(), dtype, tuple(dims))

    return list(map(described, network.inputs)), list(map(described, network.outputs))


def onnx_tensors(path: Path) -> tuple[list[Tensor], list[Tensor]]:
    onnx = deploy_package('onnx')
    graph = onnx.load(path, load_external_data=False).graph

    def described(value: Any) -> Tensor:
        tensor = value.type.tensor_type
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name
        dims = (dim.dim_value if dim.HasField('dim_value') else -1 for dim in tensor.shape.dim)
        return Tensor(value.name, dtype, tuple(dims))

    return list(map(described, graph.input)), list(map(described, graph.output))
