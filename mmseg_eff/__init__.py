"""Efficient semantic segmentation for MMSegmentation: importing it registers its parts.

The functions of ``mmseg_eff.apis`` are names of this package, too: ``mmseg_eff.predict(…)``.
"""

import sys
from importlib import import_module
from multiprocessing import current_process, parent_process
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _lazy_packages, _lazy_registries, _moved
from .apis import EXPORTS
from .registration import register
from .version import __version__

if TYPE_CHECKING:  # what __getattr__ finds when it is used
    from .apis import *  # noqa: F403

__all__ = ['__version__', 'register', *EXPORTS]


def is_command() -> bool:
    """Whether this process is a command, which parses its arguments before it registers.

    It is ``mmseg-eff``, ``python -m mmseg_eff`` or one of the project's ``tools/``.
    """
    # A worker has its parent's arguments; a spawned one has no parent yet when it imports __main__.
    if parent_process() is not None or current_process().name != 'MainProcess':
        return False
    program = (getattr(sys, 'argv', None) or [''])[0]
    if program == '-m':  # Python puts it there while it looks for the module
        return '-m mmseg_eff' in ' '.join(sys.orig_argv)
    package = Path(__file__).resolve().parent
    tools = (package.parent / 'tools', (package / '.mim/tools').resolve())
    return Path(program).stem == 'mmseg-eff' or Path(program).resolve().parent in tools


def __getattr__(name: str) -> Any:
    if name in EXPORTS:
        return getattr(import_module('.apis', __name__), name)
    if name == 'converters':
        return import_module('.converters', __name__)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def __dir__() -> list[str]:
    return sorted({*globals(), *EXPORTS})


_moved.install()
_lazy_packages.install()
_lazy_registries.install()
if not is_command():
    register()
