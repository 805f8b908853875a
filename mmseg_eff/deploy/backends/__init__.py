"""Backends of the export, one file each, found by its name: convert a graph, load and run it.

A backend is a module ``NAME.py`` in this folder with what ``Backend`` lists. A copy of it lies in
each exported folder as ``engine.py``: at its top it imports the standard library and numpy alone,
and what converts is imported by ``convert``.
"""

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Protocol, cast

from numpy.typing import NDArray

from ...errors import InputError
from ...utils.names import backend_names
from ..engines import import_quietly

if TYPE_CHECKING:
    from ..graph import SegmentationGraph

Run = Callable[[dict[str, NDArray]], NDArray]  # inputs by name -> the output


class Backend(Protocol):
    """What the file of a backend defines.

    Optional are ``RUNTIME`` (name of the backend whose file runs the network, if it is another),
    ``ADDED`` (names of more files in the folder) with ``add_files(folder, report)``, which writes
    them, and what ``Reducing`` has, if ``PRECISIONS`` has more than one.

    Attributes:
        MODEL: File of the network in the exported folder.
        FILES: All files that the network consists of.
        ENGINE: Module that runs it, which ``load`` is given.
        INSTALL: What pip must install to have ``ENGINE``.
        NEEDS: Modules that converting and checking need.
        EXTRA: Extra of this package that brings them.
        INSIDE: What the graph does itself by default, of ``resize``, ``normalise``, ``labels``.
        ALLOWED: What it can do itself.
        FIXED: What must be one number: of ``size`` and ``batch``.
        PRECISIONS: What it can compute in, ``f32`` first.
    """

    MODEL: str
    FILES: tuple[str, ...]
    ENGINE: str
    INSTALL: str
    NEEDS: tuple[str, ...]
    EXTRA: str
    INSIDE: tuple[str, ...]
    ALLOWED: tuple[str, ...]
    FIXED: tuple[str, ...]
    PRECISIONS: tuple[str, ...]

    def convert(self, graph: 'SegmentationGraph', folder: Path) -> None:
        """Write ``FILES`` into a folder.

        Raises:
            InputError: If the network cannot be converted; it has the converter's reason.
        """

    def load(self, engine: ModuleType, path: Path, threads: int, report: dict) -> Run:
        """Load the network in a file, to be run by several threads at once.

        Args:
            engine: The module ``ENGINE``.
            path: The network.
            threads: Threads of the CPU; the engine chooses with 0.
            report: What the export says of the network.

        Raises:
            ImportError: If more than ``ENGINE`` is needed and not there.
        """


class Reducing(Backend, Protocol):
    """A backend with lower precisions than float32.

    Optional is ``reduce_accurately``, with a ``validation.Validation`` as one more argument, which
    is tried where ``reduce`` loses too much.
    """

    def reduce(
        self,
        graph: 'SegmentationGraph',
        folder: Path,
        report: dict,
        precision: str,
        calibration: Sequence[dict[str, NDArray]],
    ) -> dict:
        """Write the network in a lower precision beside that in float32.

        Neither accuracy nor time is judged here.

        Args:
            graph: What was converted.
            folder: It has ``FILES``.
            report: What the export says of the network in float32.
            precision: One of ``PRECISIONS``.
            calibration: Inputs of images, by name as the engine takes them; for int8.

        Returns:
            The keys of the report that change, such as ``dict(model='int8.xml')``. The new files
            are named as ``FILES`` with the precision in place of ``model``; without ``model``
            there is none, and the precision is asked of the engine alone.

        Raises:
            InputError: If the network cannot be converted or the processor lacks the precision.
        """


def find_backend(name: str) -> Backend:
    """The backend of a name.

    Raises:
        InputError: If there is none; it names them.
    """
    name = EARLIER.get(name, (name,))[0]
    names = backend_names()
    if name not in names:
        raise InputError(f'backend must be one of {", ".join(names)}, got {name!r}')
    return cast(Backend, import_module(f'.{name.replace("-", "_")}', __package__))


EARLIER = {'openvino-int8': ('openvino', 'int8')}  # earlier names, with the precision meant


def engine_file(name: str) -> Path:
    """The file that runs the networks of a backend, to be copied beside them."""
    runs = getattr(find_backend(name), 'RUNTIME', name)
    return Path(str(cast(ModuleType, find_backend(runs)).__file__))


def check_backend(name: str) -> Backend:
    """The backend of a name, whose packages are there.

    Raises:
        InputError: It names the backends, or the package and the extra.
    """
    backend = find_backend(name)
    for package in backend.NEEDS:
        deploy_package(package, backend.EXTRA)
    return backend


def deploy_package(name: str, extra: str = 'deploy') -> ModuleType:
    """Import a package that the export needs.

    Raises:
        InputError: If it is not installed; it names the extra that brings it.
    """
    try:
        return import_quietly(name)
    except ImportError as error:
        raise InputError(
            f'the export needs {name}; install the extra [{extra}]: pip install -e ".[{extra}]"'
        ) from error
