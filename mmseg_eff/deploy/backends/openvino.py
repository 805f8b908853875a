"""OpenVINO's own format, made of ONNX."""

import json
import logging
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from textwrap import shorten
from types import ModuleType
from typing import TYPE_CHECKING

from numpy.typing import NDArray

if TYPE_CHECKING:
    import openvino

    from ..graph import SegmentationGraph
    from ..validation import Validation

MODEL = 'model.xml'
FILES = (MODEL, 'model.bin')
ENGINE = INSTALL = 'openvino'
NEEDS = ('onnx', 'onnxscript', 'openvino')
EXTRA = 'deploy'
INSIDE = ('normalise', 'labels')
ALLOWED = ('resize', 'normalise', 'labels')
FIXED = ()
PRECISIONS = ('f32', 'bf16', 'f16', 'int8')
RANKING_IMAGES = 16  # of the validation, to find the operations that cost accuracy
INFO = 'mmseg_eff'  # section of the network's rt_info with what it says of itself


def convert(graph: 'SegmentationGraph', folder: Path) -> None:
    """Write ``graph`` as ``model.xml`` and ``model.bin``, in float32.

    Raises:
        InputError: If torch cannot write it as ONNX, or OpenVINO cannot write its files.
        OSError: If the disk is full.
    """
    from . import deploy_package, onnx

    onnx.convert(graph, folder)
    of_onnx = folder / onnx.MODEL
    model = deploy_package('openvino').convert_model(of_onnx)
    for key, text in graph.metadata.items():
        model.set_rt_info(text, [INFO, key])
    save(model, folder / MODEL)
    of_onnx.unlink()


def reduce(
    graph: 'SegmentationGraph',
    folder: Path,
    report: dict,
    precision: str,
    calibration: Sequence[dict[str, NDArray]],
) -> dict:
    """Make the network in a lower precision; see ``Reducing``.

    bfloat16 is asked of the engine, its weights are those of float32. float16 halves the weights,
    and is asked of the engine where the processor has it. int8 is NNCF's.

    Raises:
        InputError: If the processor has no bfloat16.
    """
    from ...errors import InputError
    from . import deploy_package

    core = deploy_package('openvino').Core()
    can = core.get_property('CPU', 'OPTIMIZATION_CAPABILITIES')
    if precision == 'bf16' and 'BF16' not in can:
        raise InputError(
            'bf16: this processor has no bf16 (avx512_bf16 or amx_bf16), OpenVINO would compute in '
            'f32; nothing was written'
        )
    model = core.read_model(folder / report['model'])
    if precision == 'bf16':
        return save_reduced(model, folder, precision, asked='bf16')
    if precision == 'f16':
        return save_reduced(model, folder, precision, asked='f16' if 'FP16' in can else 'f32')
    nncf = quiet_nncf()
    with redirect_stdout(sys.stderr):  # the progress
        quantized = nncf.quantize(
            model,
            nncf.Dataset(calibration),
            subset_size=len(calibration),
            preset=nncf.QuantizationPreset.MIXED,
        )
    return save_reduced(quantized, folder, precision)


def reduce_accurately(
    graph: 'SegmentationGraph',
    folder: Path,
    report: dict,
    precision: str,
    calibration: Sequence[dict[str, NDArray]],
    validation: 'Validation',
) -> dict:
    """Make the network in 8 bits, but for the operations that cost too much accuracy.

    Finding these takes minutes: each is returned to float32 by itself and measured.
    """
    from . import deploy_package

    model = deploy_package('openvino').Core().read_model(folder / report['model'])
    nncf = quiet_nncf()

    def score(
        compiled: 'openvino.CompiledModel', indices: Iterable[int]
    ) -> tuple[float, list[float]]:
        return validation.score(lambda inputs: compiled(inputs)[0], indices)

    with redirect_stdout(sys.stderr):
        quantized = nncf.quantize_with_accuracy_control(
            model,
            nncf.Dataset(calibration),
            nncf.Dataset(range(len(validation.inputs)), validation.inputs.__getitem__),
            score,
            max_drop=validation.max_drop,
            subset_size=len(calibration),
            preset=nncf.QuantizationPreset.MIXED,
            advanced_accuracy_restorer_parameters=nncf.AdvancedAccuracyRestorerParameters(
                ranking_subset_size=RANKING_IMAGES
            ),
        )
    return save_reduced(quantized, folder, precision)


def save_reduced(
    model: 'openvino.Model', folder: Path, precision: str, asked: str = 'f32'
) -> dict[str, str]:
    """Write a network of a lower precision, which says so.

    Args:
        model: The network.
        folder: The exported folder.
        precision: Its precision, and the name of its files.
        asked: The precision of the arithmetic, to be asked of the engine.

    Returns:
        The changed keys of the report.
    """
    facts = dict(precision=precision, inference_precision=asked)
    for key, value in facts.items():
        model.set_rt_info(json.dumps(value), [INFO, key])
    path = folder / f'{precision}.xml'
    save(model, path, is_half=precision == 'f16')
    return dict(model=path.name, inference_precision=asked)


def quiet_nncf() -> ModuleType:
    """NNCF, which logs errors only."""
    from . import deploy_package

    nncf = deploy_package('nncf')
    logging.getLogger('nncf').setLevel(logging.ERROR)
    return nncf


def save(model: 'openvino.Model', path: Path, is_half: bool = False) -> None:
    """Write a model as ``.xml`` and ``.bin``, its weights as they are or in float16.

    Raises:
        OSError: If the disk is full.
        InputError: If OpenVINO cannot write it for another reason.
    """
    from ...errors import InputError
    from . import deploy_package

    try:
        deploy_package('openvino').save_model(model, path, compress_to_fp16=is_half)
    except RuntimeError as error:
        with path.with_suffix('.bin').open('ab') as file:
            file.write(bytes(2**20))  # the system says what OpenVINO does not
        reason = shorten(str(error), 300)
        raise InputError(f'{path}: OpenVINO cannot write it: {reason}') from error


def load(
    engine: ModuleType, path: Path, threads: int, report: dict
) -> Callable[[dict[str, NDArray]], NDArray]:
    """Load the network, to compute in ``report['inference_precision']``.

    Without that, OpenVINO silently computes in bfloat16 where the CPU has it.

    A request of OpenVINO's serves one thread at a time, so each call takes one that no other uses.
    The file is read as OpenVINO's own format, or it would be tried as other programs' too.
    """
    frontend = engine.frontend.FrontEndManager().load_by_framework('ir')
    model = frontend.convert(frontend.load(os.fspath(path)))
    settings: dict[str, str | int] = {
        'PERFORMANCE_HINT': 'LATENCY',
        'INFERENCE_PRECISION_HINT': report.get('inference_precision', 'f32'),
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
