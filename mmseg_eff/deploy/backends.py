"""Write a graph as ONNX with torch, and as OpenVINO's format from that."""

import contextlib
import io
import logging
import warnings
from contextlib import AbstractContextManager
from functools import partial
from importlib import import_module
from pathlib import Path
from textwrap import shorten
from types import ModuleType
from typing import TYPE_CHECKING
from unittest import mock

import torch
from mmseg.models.decode_heads import decode_head

from ..errors import InputError
from .graph import SegmentationGraph
from .runtime import disable_telemetry
from .trace_ops import PlainOperations

if TYPE_CHECKING:
    import openvino

EXAMPLE_SIZE = (360, 480)  # of the image to trace with, if any size is allowed


NEEDS = {  # packages of each backend; TensorRT runs inside ONNX Runtime
    'onnx': ('onnx', 'onnxscript', 'onnxruntime'),
    'openvino': ('onnx', 'onnxscript', 'openvino'),
    'openvino-int8': ('onnx', 'onnxscript', 'openvino', 'nncf'),
    'tensorrt': ('onnx', 'onnxscript', 'onnxruntime'),
}


def deploy_package(name: str) -> ModuleType:
    """Import a package of the extra ``deploy``.

    Raises:
        InputError: If it is not installed.
    """
    disable_telemetry()
    try:
        return import_module(name)
    except ImportError as error:
        raise InputError(
            f'the export needs {name}; install the extra [deploy]: pip install -e ".[deploy]"'
        ) from error


def check_backend(backend: str) -> None:
    """Refuse a backend that does not exist or lacks a package.

    Raises:
        InputError: It names the backends, or the package.
    """
    if backend not in NEEDS:
        raise InputError(f'backend must be one of {", ".join(NEEDS)}, got {backend!r}')
    for package in NEEDS[backend]:
        deploy_package(package)


def quiet_resize() -> AbstractContextManager:
    """Let mmseg's heads resize without a warning: to find it, they make numbers of free sizes."""
    return mock.patch.object(decode_head, 'resize', partial(decode_head.resize, warning=False))


def export_onnx(graph: SegmentationGraph, path: Path) -> None:
    """Write ``graph`` as ONNX, with its weights in the same file.

    Raises:
        InputError: If the network cannot be exported; with free sizes, a fixed size may help.
    """
    logging.getLogger('torch.onnx').setLevel(logging.ERROR)  # torchvision is not needed
    try:
        with torch.no_grad(), PlainOperations(), quiet_resize(), warnings.catch_warnings():
            warnings.simplefilter('ignore')
            with contextlib.redirect_stdout(io.StringIO()):  # the exporter prints
                program = torch.onnx.export(
                    graph.eval(),
                    graph.example(graph.size or EXAMPLE_SIZE),
                    dynamo=True,
                    dynamic_shapes=graph.free_axes,
                    input_names=graph.inputs,
                    output_names=[graph.output],
                    verbose=False,
                )
    except torch.onnx.errors.OnnxExporterError as error:
        reason = shorten(str(error.__cause__ or error), 300)
        hint = '' if graph.size else '; a fixed --size may work'
        raise InputError(f'torch cannot export this network to ONNX: {reason}{hint}') from error
    assert program is not None  # as it is with dynamo
    program.save(path, external_data=False)


def export_openvino(onnx_path: Path, path: Path) -> None:
    """Write the network in an ONNX file as OpenVINO's ``.xml`` and ``.bin``, in float32."""
    save_openvino(deploy_package('openvino').convert_model(onnx_path), path)


def save_openvino(model: 'openvino.Model', path: Path) -> None:
    """Write a model as ``.xml`` and ``.bin``, its weights as they are.

    Raises:
        OSError: If the disk is full.
        InputError: If OpenVINO cannot write it for another reason.
    """
    try:
        deploy_package('openvino').save_model(model, path, compress_to_fp16=False)
    except RuntimeError as error:
        with path.with_suffix('.bin').open('ab') as file:
            file.write(bytes(2**20))  # the system says what OpenVINO does not
        reason = shorten(str(error), 300)
        raise InputError(f'{path}: OpenVINO cannot write it: {reason}') from error
