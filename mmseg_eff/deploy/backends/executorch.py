"""ExecuTorch, PyTorch's runtime for phones, with XNNPACK on the CPU.

Its runtime for Python needs torch; that of a phone does not. Labels are made outside the graph:
ExecuTorch has neither their upsampling nor their maximum in XNNPACK.
"""

import contextlib
import io
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from textwrap import shorten
from threading import Lock
from types import ModuleType
from typing import TYPE_CHECKING
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..graph import SegmentationGraph

MODEL = 'model.pte'
FILES = (MODEL,)
ENGINE = 'executorch.runtime'
INSTALL = EXTRA = 'executorch'
NEEDS = ('executorch', 'torchao')
INSIDE = ('normalise',)
ALLOWED = ('resize', 'normalise')
FIXED = ('size', 'batch')
PRECISIONS = ('f32', 'int8')

METHOD = 'forward'
INT8 = 'int8.pte'
LOADING = Lock()
networks: WeakSet = WeakSet()  # that are loaded in this process


def convert(graph: 'SegmentationGraph', folder: Path) -> None:
    """Write ``graph`` as ExecuTorch's program for XNNPACK, in float32.

    Raises:
        InputError: If ExecuTorch cannot convert or run it; it has ExecuTorch's reason.
    """
    with converter_errors():
        write(trace(graph), graph, folder / MODEL)


def reduce(
    graph: 'SegmentationGraph',
    folder: Path,
    report: dict,
    precision: str,
    calibration: Sequence[dict[str, NDArray]],
) -> dict:
    """Write the network in 8 bits, with a scale for each channel of a weight.

    Args:
        graph: The network.
        folder: Where to write it.
        report: What the export says of the float32 network.
        precision: ``int8``.
        calibration: Inputs that give the ranges of the values.

    Returns:
        What changes in the report.

    Raises:
        InputError: If ExecuTorch cannot convert or run it; it has ExecuTorch's reason.
    """
    import torch

    with converter_errors():
        from executorch.backends.xnnpack.quantizer import xnnpack_quantizer
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

        config = xnnpack_quantizer.get_symmetric_quantization_config(is_per_channel=True)
        quantizer = xnnpack_quantizer.XNNPACKQuantizer().set_global(config)
        network = prepare_pt2e(trace(graph), quantizer)
        with torch.no_grad():
            for inputs in calibration:
                network(*(torch.from_numpy(inputs[name]) for name in graph.inputs))
        write(convert_pt2e(network), graph, folder / INT8)
    return {'model': INT8}


def example_of(graph: 'SegmentationGraph') -> 'tuple[Tensor, ...]':
    """Inputs of the one size that an export has."""
    assert graph.size is not None  # see FIXED
    return graph.example(graph.size)


def trace(graph: 'SegmentationGraph') -> 'nn.Module':
    """The network's operations, in forms that XNNPACK has."""
    import torch

    from ..delegate_ops import DelegatedOperations
    from ..trace_ops import PlainOperations, quiet_resize

    delegated = DelegatedOperations(graph.channels)
    with torch.no_grad(), PlainOperations(), delegated, quiet_resize():
        return torch.export.export(graph.eval(), example_of(graph)).module()


def lower(network: 'nn.Module', graph: 'SegmentationGraph'):
    """A traced network as ExecuTorch's ``EdgeProgramManager``, divided between its kernels."""
    import torch
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    with torch.no_grad():
        program = torch.export.export(network, example_of(graph))
        return to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])


def write(network: 'nn.Module', graph: 'SegmentationGraph', path: Path) -> None:
    """Write a traced network, and run it once: some fail only then."""
    from executorch import runtime

    path.write_bytes(lower(network, graph).to_executorch().buffer)
    example = dict(zip(graph.inputs, example_of(graph), strict=True))
    run = load(runtime, path, 0, {'inputs': graph.inputs})
    with kernel_messages():
        run({name: value.numpy() for name, value in example.items()})


def load(
    engine: ModuleType, path: Path, threads: int, report: dict
) -> Callable[[dict[str, NDArray]], NDArray]:
    """Load the network; its calls wait for each other.

    The networks of a process share their threads, which cannot be replaced while one is loaded:
    further ones take the number of the first.
    """
    import torch
    from executorch.extension.pybindings import portable_lib

    with LOADING, kernel_messages():
        if threads and not networks:
            portable_lib._unsafe_reset_threadpool(threads)
        program = engine.Runtime.get().load_program(path)
        program.load_method(METHOD)
        networks.add(program)
    lock = Lock()

    def run(inputs: dict[str, NDArray]) -> NDArray:
        given = [
            torch.from_numpy(np.require(inputs[name], None, ['C', 'W']))
            for name in report['inputs']
        ]
        with lock:
            return program.load_method(METHOD).execute(given)[0].numpy()  # loaded already

    return run


@contextlib.contextmanager
def kernel_messages() -> Iterator[None]:
    """Keep what ExecuTorch writes to the process's error stream and to Python's.

    Raises:
        RuntimeError: If the block fails; it begins with the first checks that failed.
    """
    sys.stderr.flush()
    before = os.dup(2)
    with tempfile.TemporaryFile() as file, contextlib.redirect_stderr(io.StringIO()) as text:
        os.dup2(file.fileno(), 2)
        try:
            yield
        except Exception as error:
            file.seek(0)
            lines = (file.read().decode(errors='replace') + text.getvalue()).splitlines()
            reasons = [line for line in lines if line and not line.startswith('[cpuinfo')]
            raise RuntimeError('; '.join([*reasons[:2], str(error)])) from error
        finally:
            os.dup2(before, 2)
            os.close(before)


@contextlib.contextmanager
def converter_errors() -> Iterator[None]:
    """Keep a conversion quiet, and turn what it raises into an ``InputError`` of a line."""
    from ...errors import InputError

    level, handlers = logging.root.manager.disable, list(logging.root.handlers)
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter('ignore')
            yield
    except Exception as error:
        if isinstance(error, OSError):
            raise
        reason = shorten(str(error) or type(error).__name__, 300)
        raise InputError(f'ExecuTorch cannot convert this network: {reason}') from error
    finally:
        logging.disable(level)
        logging.root.handlers[:] = handlers  # ExecuTorch adds one when it is imported
