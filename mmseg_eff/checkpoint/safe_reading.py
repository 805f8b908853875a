"""Read checkpoint files without running any code in them."""

from collections.abc import Callable
from pathlib import Path

import torch

from ..errors import InputError
from ..utils.atomic_io import check_regular
from . import Reader, UnreadableError, check_metadata, read_pth, reason_of
from .safetensors import SUFFIX, read_safetensors

LARGEST_DOWNLOAD = 1 << 34  # bytes, where the size is not known
SETTINGS = (  # harmless classes beside the weights, whose content is dropped
    'argparse.Namespace',
    *(f'pathlib.{name}' for name in ('Path', 'PosixPath', 'WindowsPath', 'PurePosixPath')),
    *(f'pathlib._local.{name}' for name in ('PosixPath', 'WindowsPath')),
)


class Settings:
    """Placeholder for an object of ``SETTINGS``: keeps nothing and does nothing."""

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
        if path.suffix == SUFFIX:
            content = Reader(size).copy(read_safetensors(path))
        else:
            stand_ins: list[Callable | tuple[Callable, str]]
            stand_ins = [(Settings, name) for name in SETTINGS]
            with torch.serialization.safe_globals(stand_ins):
                content = read_pth(path, map_location)
    except (InputError, OSError):
        raise
    except Exception as error:  # a hostile file can make the unpickler raise anything
        reason = reason_of(error)
        advice = ', saved alone by torch.save(state_dict, path)' if ' run ' in reason else ''
        raise InputError(
            f'{path}: not a readable checkpoint ({size} bytes: {reason}); expected a complete '
            f'.pth or {SUFFIX} file of tensors{advice}'
        ) from error
    return sound(content, path)


def sound(content: object, source: str | Path) -> object:
    """Check the metadata of what was read from a file or URL, and return it.

    Raises:
        InputError: If it is of other types than programs expect.
    """
    try:
        check_metadata(content)
    except UnreadableError as error:
        raise InputError(f'{source}: {error}') from error
    return content


def sound_copy(content: object, source: str) -> object:
    """Copy what another reader loaded from a URL as plain values, without texts to evaluate.

    Raises:
        InputError: See ``sound``; and if it holds too many values.
    """
    try:
        return sound(Reader(LARGEST_DOWNLOAD).copy(content), source)
    except UnreadableError as error:
        raise InputError(f'{source}: {error}') from error
