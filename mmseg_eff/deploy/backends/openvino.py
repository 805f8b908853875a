"""OpenVINO's own format, made of ONNX."""

import os
from collections.abc import Callable
from pathlib import Path
from textwrap import shorten
from types import ModuleType
from typing import TYPE_CHECKING

from numpy.typing import NDArray

if TYPE_CHECKING:
    import openvino

    from ..graph import SegmentationGraph

MODEL = 'model.xml'
FILES = (MODEL, 'model.bin')
ENGINE = INSTALL = 'openvino'
NEEDS = ('onnx', 'onnxscript', 'openvino')
EXTRA = 'deploy'
INSIDE = ('normalise', 'labels')
ALLOWED = ('resize', 'normalise', 'labels')
FIXED = ()
PRECISIONS = ('f32',)


def convert(graph: 'SegmentationGraph', folder: Path) -> None:
    """Write ``graph`` as ``model.xml`` and ``model.bin``, in float32.

    Raises:
        InputError: If torch cannot write it as ONNX, or OpenVINO cannot write its files.
        OSError: If the disk is full.
    """
    from . import deploy_package, onnx

    onnx.convert(graph, folder)
    of_onnx = folder / onnx.MODEL
    save(deploy_package('openvino').convert_model(of_onnx), folder / MODEL)
    of_onnx.unlink()


def save(model: 'openvino.Model', path: Path) -> None:
    """Write a model as ``.xml`` and ``.bin``, its weights as they are.

    Raises:
        OSError: If the disk is full.
        InputError: If OpenVINO cannot write it for another reason.
    """
    from ...errors import InputError
    from . import deploy_package

    try:
        deploy_package('openvino').save_model(model, path, compress_to_fp16=False)
    except RuntimeError as error:
        with path.with_suffix('.bin').open('ab') as file:
            file.write(bytes(2**20))  # the system says what OpenVINO does not
        reason = shorten(str(error), 300)
        raise InputError(f'{path}: OpenVINO cannot write it: {reason}') from error


def load(
    engine: ModuleType, path: Path, threads: int, report: dict
) -> Callable[[dict[str, NDArray]], NDArray]:
    """Load the network in float32 (some CPUs would silently take bfloat16).

    A request of OpenVINO's serves one thread at a time, so each call takes one that no other uses.
    The file is read as OpenVINO's own format, or it would be tried as other programs' too.
    """
    frontend = engine.frontend.FrontEndManager().load_by_framework('ir')
    model = frontend.convert(frontend.load(os.fspath(path)))
    settings: dict[str, str | int] = {
        'PERFORMANCE_HINT': 'LATENCY',
        'INFERENCE_PRECISION_HINT': 'f32',
    }
    if threads:
        settings['INFERENCE_NUM_THREADS'] = threads
    network = engine.Core().compile_model(model, 'CPU', settings)
    idle = [network.create_infer_request()]

    def run(inputs: dict[str, NDArray]) -> NDArray:
        try:
            request = idle.pop()
        except IndexError:
            request = network.create_infer_request()
        try:
            return request.infer(inputs, share_inputs=True)[0]  # a copy, so the request is free
        finally:
            idle.append(request)

    return run
