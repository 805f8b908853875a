"""Import the engine of a backend, and turn what engines raise into one line.

The export puts a copy of this file beside ``runtime.py``.
"""

import importlib
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any


class EngineMissing(ValueError):
    """The engine or what it needs is not installed."""


def import_engine(module: str, package: str, backend: str) -> ModuleType:
    """Import the engine of a backend.

    Args:
        module: Name of the module.
        package: What pip installs.
        backend: For the message.

    Raises:
        EngineMissing: If it is not installed; it names the package.
    """
    try:
        return import_quietly(module)
    except ImportError as error:
        raise EngineMissing(f'backend {backend} needs {package}: pip install {package}') from error


def import_quietly(module: str) -> ModuleType:
    """Import a package of an engine or its converter, without its reports and its log."""
    disable_telemetry()
    level = logging.root.manager.disable
    # ExecuTorch's packages log which of their optional parts are missing
    logging.disable(max(level, logging.WARNING))
    try:
        return importlib.import_module(module)
    finally:
        logging.disable(level)


def disable_telemetry() -> None:
    """Keep the engines from reporting their use to their makers; to be called before an import.

    OpenVINO and NNCF report through the package ``openvino_telemetry`` and do without it, so here
    it counts as not installed; ONNX Runtime obeys a variable. Nothing is written to the user's
    home. A program that imported OpenVINO earlier keeps its choice (``opt_in_out --opt_out``).
    """
    modules: dict[str, Any] = sys.modules
    modules.setdefault('openvino_telemetry', None)
    os.environ.setdefault('ORT_DISABLE_TELEMETRY', '1')


@contextmanager
def engine_errors(path: Path) -> Iterator[None]:
    """Turn whatever an engine raises on the network in ``path`` into a ``ValueError`` of a line."""
    try:
        yield
    except EngineMissing:
        raise
    except ImportError as error:  # what the engine itself needs
        raise EngineMissing(str(error)) from error
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines()]
        said = [
            line for line in lines if line and not line.startswith(('Exception from', 'Check '))
        ]
        raise ValueError(f'{path}: {(said or [type(error).__name__])[0][:200]}') from error
