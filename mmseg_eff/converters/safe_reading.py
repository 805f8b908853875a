"""Read checkpoint files without running any code in them."""

import re
import warnings
from pathlib import Path

import torch
from mmengine.logging import HistoryBuffer

from ..archive import UnreadableError
from ..compat import allow_checkpoint_globals
from ..errors import InputError
from ..files import check_regular
from ..pickle_check import check_content
from .contents import Reader, check_metadata
from .safetensors_file import SUFFIX, read_safetensors

PROGRAMS = (  # in torch's refusals -> ours
    (r'GLOBAL (\S+)', r'loading it would run \1'),
    (r'Trying to call reduce for unrecognized function', 'loading it would run a function'),
    (r'(?:getattr of|numpy\.dtype\().* is not allowed', r'\g<0>'),
)
LARGEST_DOWNLOAD = 1 << 34  # bytes, where the size is not known
SETTINGS = (  # harmless things beside the weights, which are not read
    'argparse.Namespace',
    *(f'pathlib.{name}' for name in ('Path', 'PosixPath', 'WindowsPath', 'PurePosixPath')),
    *(f'pathlib._local.{name}' for name in ('PosixPath', 'WindowsPath')),
)


class Settings:
    """Stands for an object of ``SETTINGS``: keeps nothing and does nothing."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass


def read_checkpoint(path: str | Path, map_location: str | torch.device = 'cpu') -> object:
    """Read a ``.pth`` or ``.safetensors`` file without running any code in it.

    Args:
        path: The file.
        map_location: Device of the tensors of a ``.pth`` file.

    Returns:
        What the file holds, as plain values, without the texts that mmengine evaluates; the
        weights are unchecked. ``state_dict`` and ``meta`` of a safetensors file.

    Raises:
        MissingFileError: If there is no such file.
        InputError: If the file is damaged, loading it would run code or fill the memory, or its
            metadata is of other types than programs expect.
    """
    path = Path(path)
    check_regular(path, 'checkpoint')
    size = path.stat().st_size
    try:
        content = read_safetensors(path) if path.suffix == SUFFIX else read_pth(path, map_location)
    except (InputError, OSError):
        raise
    except Exception as error:  # a hostile file can make the unpickler raise anything
        reason = describe(error)
        advice = ', saved alone by torch.save(state_dict, path)' if ' run ' in reason else ''
        raise InputError(
            f'{path}: not a readable checkpoint ({size} bytes: {reason}); expected a complete '
            f'.pth or {SUFFIX} file of tensors{advice}'
        ) from error
    return check_content_of(path, content)


def check_content_of(source: str | Path, content: object) -> object:
    """A plain copy of what was read from a file or URL, without texts to evaluate.

    Raises:
        InputError: If the metadata is not of the types that programs expect, or there is more than
            the file's size accounts for.
    """
    size = source.stat().st_size if isinstance(source, Path) else LARGEST_DOWNLOAD
    try:
        copied = Reader(size).copy(content)
        check_metadata(copied)
    except UnreadableError as error:
        raise InputError(f'{source}: {error}') from error
    return copied


def read_pth(path: Path, map_location: str | torch.device) -> object:
    """Read what ``torch.save`` wrote, after its checksums and its pickle were checked.

    Raises:
        Exception: Of any kind.
    """
    allow_checkpoint_globals()  # again: the fork's own loading takes them off torch's list
    stand_ins = [(Settings, name) for name in SETTINGS]
    statistics = dict(HistoryBuffer._statistics_methods)
    try:
        with warnings.catch_warnings(action='ignore'), torch.serialization.safe_globals(stand_ins):
            check_content(path)
            return torch.load(path, map_location=map_location, weights_only=True)
    finally:  # a file's history may bring others for all
        HistoryBuffer._statistics_methods.clear()
        HistoryBuffer._statistics_methods.update(statistics)


def describe(error: Exception) -> str:
    """Why a file is not read, for a message."""
    if isinstance(error, UnreadableError):
        return str(error)
    if isinstance(error, MemoryError):
        return 'more than the memory holds'
    found = ((re.search(pattern, str(error)), reason) for pattern, reason in PROGRAMS)
    return next((match.expand(reason) for match, reason in found if match), 'damaged or cut off')
