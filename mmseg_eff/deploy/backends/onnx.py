"""ONNX, written by torch and run by ONNX Runtime on the CPU, or on the GPU through TensorRT."""

import contextlib
import io
import json
import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from textwrap import shorten
from types import ModuleType
from typing import TYPE_CHECKING

from numpy.typing import NDArray

if TYPE_CHECKING:
    from ..graph import SegmentationGraph

MODEL = 'model.onnx'
FILES = (MODEL,)
ENGINE = INSTALL = 'onnxruntime'
NEEDS = ('onnx', 'onnxscript', 'onnxruntime')
EXTRA = 'deploy'
INSIDE = ('normalise', 'labels')
ALLOWED = ('resize', 'normalise', 'labels')
FIXED = ()
PRECISIONS = ('f32', 'f16', 'int8')

EXAMPLE_SIZE = (360, 480)  # of the image to trace with, if any size is allowed
TENSORRT = 'TensorrtExecutionProvider'


def convert(graph: 'SegmentationGraph', folder: Path) -> None:
    """Write ``graph`` as ONNX, with its weights in the same file.

    Raises:
        InputError: If the network cannot be exported; with free sizes, a fixed size may help.
    """
    import torch

    from ...errors import InputError
    from ..trace_ops import PlainOperations, quiet_resize

    for name in ('torch.onnx', 'onnxscript'):  # torchvision is not needed, nor all constants folded
        logging.getLogger(name).setLevel(logging.ERROR)
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
        hint = hint if graph.batch else '; a fixed --batch may work'
        raise InputError(f'torch cannot export this network to ONNX: {reason}{hint}') from error
    assert program is not None  # as it is with dynamo
    program.model.metadata_props.update(graph.metadata)
    program.save(folder / MODEL, external_data=False)


def reduce(
    graph: 'SegmentationGraph',
    folder: Path,
    report: dict,
    precision: str,
    calibration: Sequence[dict[str, NDArray]],
) -> dict:
    """Write the network with weights and arithmetic in float16, or in 8 bits; see ``Reducing``.

    Its inputs and its output stay as they are.
    """
    import onnx

    original, path = folder / report['model'], folder / f'{precision}.onnx'
    if precision == 'f16':
        from onnxruntime.transformers.float16 import convert_float_to_float16

        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # of weights that become 0 or infinite
            network = convert_float_to_float16(onnx.load(original), keep_io_types=True)
    else:
        quantize(original, path, calibration)
        network = onnx.load(path)
    props = {entry.key: entry.value for entry in onnx.load(original).metadata_props}
    onnx.helper.set_model_props(network, {**props, 'precision': json.dumps(precision)})
    onnx.save(network, path)
    return dict(model=path.name)


def quantize(original: Path, path: Path, calibration: Sequence[dict[str, NDArray]]) -> None:
    """Write a network in 8 bits: weights a channel, activations by their range on images."""
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self.inputs = iter(calibration)

        def get_next(self) -> dict[str, NDArray] | None:
            return next(self.inputs, None)

    with tempfile.TemporaryDirectory() as temporary:
        simplified = os.path.join(temporary, 'simplified.onnx')
        quant_pre_process(os.fspath(original), simplified, skip_symbolic_shape=True)
        quantization.quantize_static(
            simplified,
            os.fspath(path),
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            per_channel=True,
        )


def load(
    engine: ModuleType, path: Path, threads: int, report: dict
) -> Callable[[dict[str, NDArray]], NDArray]:
    """Load the network: on the CPU, or compiled by TensorRT for the GPU.

    TensorRT keeps its engines in the user's cache, for the next start on the same GPU: whoever
    made the folder could put others into it.

    Raises:
        ImportError: If TensorRT is asked for and not there.
    """
    engine.disable_telemetry_events()  # Windows has no variable for it
    options = engine.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # what it raises says the same
    is_tensorrt = report['backend'] == 'tensorrt'
    providers: list[str | tuple[str, dict]] = ['CPUExecutionProvider']
    if is_tensorrt:
        if TENSORRT not in engine.get_available_providers():
            raise ImportError('tensorrt needs the packages onnxruntime-gpu and tensorrt')
        home = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
        cache = Path(home, 'mmseg_eff_tensorrt', report['files'][path.name]['sha256'])
        cache.mkdir(parents=True, exist_ok=True)
        cached = dict(trt_engine_cache_enable=True, trt_engine_cache_path=str(cache))
        providers = [(TENSORRT, cached), 'CUDAExecutionProvider', *providers]
    session = engine.InferenceSession(
        os.fspath(path), options, providers=providers, enable_fallback=int(is_tensorrt)
    )
    if is_tensorrt and TENSORRT not in session.get_providers():
        raise ImportError("TensorRT's libraries or a GPU were not found by onnxruntime")
    return lambda inputs: session.run(None, inputs)[0]
