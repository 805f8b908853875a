"""LiteRT, formerly TensorFlow Lite, for phones: converted by litert-torch, run on the CPU."""

import contextlib
import io
import logging
import os
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten
from types import ModuleType
from typing import TYPE_CHECKING

from numpy.typing import NDArray

if TYPE_CHECKING:
    from ..graph import SegmentationGraph

MODEL = 'model.tflite'
FILES = (MODEL,)
ENGINE = 'ai_edge_litert.interpreter'
INSTALL = 'ai-edge-litert'
NEEDS = ('litert_torch', 'ai_edge_litert', 'ai_edge_quantizer')
EXTRA = 'litert'
INSIDE = ('normalise', 'labels')
ALLOWED = ('resize', 'normalise', 'labels')
FIXED = ('size', 'batch')
PRECISIONS = ('f32', 'int8')

STDERR = threading.Lock()


def convert(graph: 'SegmentationGraph', folder: Path) -> None:
    """Write ``graph`` as a ``.tflite`` file whose input and output keep their names.

    Raises:
        InputError: If the converter refuses the network; it has the converter's reason.
    """
    import torch
    from torch import Tensor, nn

    from ...errors import InputError
    from ..trace_ops import PlainOperations, quiet_resize

    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = graph.eval()  # .graph is taken by torch

        def forward(self, **inputs: Tensor) -> dict[str, Tensor]:
            return {graph.output: self.network(**inputs)}

    assert graph.size is not None  # see FIXED
    example = dict(zip(graph.inputs, graph.example(graph.size), strict=True))
    make_contiguous(graph)
    try:
        with quiet_converter(), torch.no_grad(), PlainOperations(), quiet_resize():
            import litert_torch

            litert_torch.config.show_progress = False
            edge = litert_torch.convert(Named().eval(), sample_kwargs=example)
            edge.export(os.fspath(folder / MODEL))
    except OSError:
        raise
    except Exception as error:  # of many kinds, torch's and the converter's
        reason = shorten(str(error) or type(error).__name__, 300)
        raise InputError(f'LiteRT cannot convert this network: {reason}') from error


def make_contiguous(graph: 'SegmentationGraph') -> None:
    """Put all weights into the usual order, in place: the converter misreads any other one."""
    for parameter in graph.parameters():
        parameter.data = parameter.data.contiguous()


def reduce(
    graph: 'SegmentationGraph',
    folder: Path,
    report: dict,
    precision: str,
    calibration: Sequence[dict[str, NDArray]],
) -> dict:
    """Write the network with weights of 8 bits; see ``Backend``.

    LiteRT rounds the inputs of their convolutions to 8 bits by the range in each image, so no
    images are needed: ranges of other images cost ESPNet 9.5 points of mean IoU, this 0.07.
    Depth-wise convolutions stay in float32, where they are faster and have few weights.
    """
    path = folder / f'{precision}.tflite'
    with quiet_converter():
        from ai_edge_quantizer import qtyping, quantizer

        work = quantizer.Quantizer(os.fspath(folder / report['model']))
        names = qtyping.TFLOperationName
        for operation in (names.CONV_2D, names.FULLY_CONNECTED):
            work.add_dynamic_config('.*', operation, num_bits=8)
        work.quantize(enable_progress_report=False).export_model(os.fspath(path))
    return dict(model=path.name)


@contextmanager
def quiet_converter() -> Iterator[None]:
    """Silence what the converter's packages print, log and warn of, at their import, too."""
    level = logging.root.manager.disable
    logging.disable(max(level, logging.WARNING))
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), quiet_stderr():
            warnings.simplefilter('ignore')
            yield
    finally:
        logging.disable(level)


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Silence what C++ writes to the error output of the process, which no setting turns off."""
    with STDERR, open(os.devnull, 'w') as null:
        kept = os.dup(2)
        os.dup2(null.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def load(
    engine: ModuleType, path: Path, threads: int, report: dict
) -> Callable[[dict[str, NDArray]], NDArray]:
    """Load the network; without a number of threads LiteRT takes one.

    An interpreter serves one thread at a time, so each call takes one that no other uses.
    """

    def new_interpreter():
        with quiet_stderr():
            interpreter = engine.Interpreter(os.fspath(path), num_threads=threads or None)
            interpreter.allocate_tensors()
        return interpreter

    first = new_interpreter()
    runner = first.get_signature_runner()
    inputs = {name: facts['index'] for name, facts in runner.get_input_details().items()}
    ((_name, facts),) = runner.get_output_details().items()
    output = facts['index']
    idle = [first]

    def run(values: dict[str, NDArray]) -> NDArray:
        try:
            interpreter = idle.pop()
        except IndexError:
            interpreter = new_interpreter()
        try:
            for name, index in inputs.items():
                interpreter.set_tensor(index, values[name])
            interpreter.invoke()
            return interpreter.get_tensor(output)  # a copy, so the interpreter is free
        finally:
            idle.append(interpreter)

    return run
