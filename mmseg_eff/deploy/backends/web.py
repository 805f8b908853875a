"""A static page that runs the network in the browser: ONNX, by onnxruntime-web."""

from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import InputError
from ..runtime_images import resized_size
from ..web_runtime import FILES as RUNTIME_FILES
from ..web_runtime import find_runtime, write_runtime
from . import onnx
from .onnx import ALLOWED, ENGINE, EXTRA, FILES, INSIDE, INSTALL, MODEL, NEEDS, load

if TYPE_CHECKING:
    from ..graph import SegmentationGraph

__all__ = [
    'ADDED',
    'ALLOWED',
    'ENGINE',
    'EXTRA',
    'FILES',
    'FIXED',
    'INSIDE',
    'INSTALL',
    'MODEL',
    'NEEDS',
    'PRECISIONS',
    'RUNTIME',
    'add_files',
    'convert',
    'load',
]
RUNTIME = 'onnx'
FIXED = ('batch',)
PRECISIONS = ('f32',)

PAGE = Path(__file__).parent.parent / 'web'
PAGE_FILES = tuple(
    path.relative_to(PAGE).as_posix() for path in sorted(PAGE.rglob('*')) if path.is_file()
)
ADDED = (*PAGE_FILES, *RUNTIME_FILES.values())


def convert(graph: 'SegmentationGraph', folder: Path) -> None:
    """Write ``graph`` as ONNX, after a look at whether the page can feed it.

    Raises:
        InputError: If it cannot, the network cannot be exported, or onnxruntime-web is not there.
    """
    check_graph(graph)
    find_runtime()  # before the work, not after it
    onnx.convert(graph, folder)


def check_graph(graph: 'SegmentationGraph') -> None:
    """Refuse a graph that wants more than the pixels of one 8-bit BGR image, or gives no labels.

    Raises:
        InputError: It names what helps.
    """
    if graph.channels != 3 or graph.dtype.name != 'uint8':
        raise InputError(
            f'backend web is for 8-bit colour images, got {graph.channels} channels of '
            f'{graph.dtype}'
        )
    if graph.batch != 1 or graph.output != 'labels':
        raise InputError('backend web gives the labels of one image: no other batch or output')
    if missing := sorted({'normalise', 'labels'} - set(graph.inside)):
        raise InputError(f'backend web needs {missing[0]} inside')
    if not graph.resize or 'resize' in graph.inside:
        return
    resized = graph.size and resized_size(*graph.size, graph.resize)
    if resized is None or resized != tuple(graph.size or ()):
        height, width = resized or ('H', 'W')
        raise InputError(
            f'test_pipeline: resizes images, but backend web gives the network images as they '
            f'are: --size {height} {width} with images of that size, or --inside resize '
            'normalise labels'
        )


def add_files(folder: Path, report: dict) -> None:
    """Write the page and the files of onnxruntime-web, whose version the report gets.

    Raises:
        InputError: If onnxruntime-web is not there.
    """
    for name in PAGE_FILES:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes((PAGE / name).read_bytes())
    version = write_runtime(find_runtime(), folder)
    report['versions'] = {**report['versions'], 'onnxruntime-web': version}
