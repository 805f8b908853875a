"""Read checkpoint files without running any code in them."""

import re
import warnings
import zipfile
from pathlib import Path

import torch

from ..compat import allow_checkpoint_globals
from ..errors import InputError, MissingFileError
from .safetensors_file import SUFFIX, read_safetensors

PROGRAMS = (  # in torch's refusals -> ours
    (r'GLOBAL (\S+)', r'loading it would run \1'),
    (r'Trying to call reduce for unrecognized function', 'loading it would run a function'),
    (r'(?:getattr of|numpy\.dtype\().* is not allowed', r'\g<0>'),
    (r'TorchScript', 'a TorchScript archive, which is a program'),
    (r'legacy \.tar', "a .tar of torch's first years, which can hold code"),
)
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
        What the file holds, unchecked; ``state_dict`` and ``meta`` of a safetensors file.

    Raises:
        MissingFileError: If there is no such file.
        InputError: If the file is damaged, or loading it would run code or fill the memory.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f'{path}: no such checkpoint')
    try:
        if path.suffix == SUFFIX:
            return read_safetensors(path)
        refuse_inflating(path)
        allow_checkpoint_globals()  # again: the fork's own loading takes them off torch's list
        stand_ins = [(Settings, name) for name in SETTINGS]
        with warnings.catch_warnings(action='ignore'), torch.serialization.safe_globals(stand_ins):
            return torch.load(path, map_location=map_location, weights_only=True)
    except (InputError, OSError):
        raise
    except Exception as error:  # a hostile file can make the unpickler raise anything
        found = ((re.search(pattern, str(error)), reason) for pattern, reason in PROGRAMS)
        reasons = (match.expand(reason) for match, reason in found if match)
        reason = next(reasons, 'damaged or cut off')
        advice = ', saved alone by torch.save(state_dict, path)' if ' run ' in reason else ''
        raise InputError(
            f'{path}: not a readable checkpoint ({path.stat().st_size} bytes: {reason}); expected '
            f'a complete .pth or {SUFFIX} file of tensors{advice}'
        ) from error


def refuse_inflating(path: Path) -> None:
    """Refuse an archive that unpacks to more than its size; ``torch.save`` does not compress."""
    with path.open('rb') as file:
        if file.read(4) != b'PK\x03\x04':
            return
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(part.file_size for part in archive.infolist())
    if unpacked > path.stat().st_size:
        raise InputError(
            f'{path}: its {path.stat().st_size} bytes would unpack to {unpacked}; expected an '
            'uncompressed checkpoint'
        )
