"""Unpack zip files of labels, as tools export them, into a temporary folder."""

import re
import shutil
import stat
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from ..errors import InputError, OutputError
from ..utils.file_limit import VARIABLE, check_file, limit_from
from ..utils.image_io import IMAGE_SUFFIXES
from .image_files import OF_MACOS
from .source import naming

WANTED = ('.csv', '.json', '.txt', '.xml', '.yaml', '.yml', *IMAGE_SUFFIXES)
MOST_MB, MOST_FILES = 8192, 1_000_000
ENCRYPTED = 1  # bit of a member's flags
DAMAGED = (  # what zipfile raises for damaged members; RuntimeError for passwords
    *(zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError),
    OverflowError,
)


class Unpacked:
    """The files of an archive that hold labels or images, in a temporary folder.

    The folder is removed with the object, or when the process ends.

    Args:
        archive: The zip file.

    Attributes:
        folder: Where the files are: the only folder of the archive, or all of it.

    Raises:
        InputError: If it is no zip file, is damaged or encrypted, holds a link or a name that leads
            out of the folder, or has more than 8192 MB unpacked (``MMSEG_EFF_MAX_FILE_MB``).
    """

    def __init__(self, archive: Path) -> None:
        check_file(archive, MOST_MB)
        self.archive = archive
        root = Path(tempfile.mkdtemp(prefix='mmseg_eff-labels-'))
        self.remove = weakref.finalize(self, shutil.rmtree, root, ignore_errors=True)
        try:
            with naming(archive), zipfile.ZipFile(archive) as file:
                extract(file, root)
        except BaseException as error:
            self.remove()
            if isinstance(error, InputError) or not isinstance(error, DAMAGED):
                raise
            raise InputError(f'{archive}: cannot be unpacked ({error})') from error
        self.folder = only_folder(root)

    @contextmanager
    def naming(self) -> Iterator[None]:
        """Name the archive in place of the temporary folder in an error of the block."""
        try:
            yield
        except OutputError:
            raise
        except InputError as error:
            raise InputError(str(error).replace(str(self.folder), str(self.archive))) from error


def extract(file: zipfile.ZipFile, root: Path) -> None:
    """Write the wanted members of an archive below a folder."""
    members = [member for member in file.infolist() if is_wanted(member)]
    size, limit = sum(member.file_size for member in members), limit_from(VARIABLE, MOST_MB)
    if len(members) > MOST_FILES:
        raise InputError(f'holds {len(members)} files; at most {MOST_FILES}')
    if size > limit * 1e6:
        raise InputError(
            f'has {size / 1e6:.0f} MB unpacked; at most {limit} (environment variable {VARIABLE})'
        )
    for member in members:
        name = safe_name(member)
        target = root / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            # zipfile reads no more bytes than the size that was counted
            with file.open(member) as packed, open(target, 'xb') as unpacked:
                shutil.copyfileobj(packed, unpacked)
        except (FileExistsError, NotADirectoryError) as error:
            raise InputError(f'member {name!r:.200}: two members have this path') from error


def is_wanted(member: zipfile.ZipInfo) -> bool:
    """Whether a member is a file of labels or an image, and no file of the system's own."""
    path = PurePosixPath(member.filename.replace('\\', '/'))
    is_hidden = any(part == OF_MACOS or re.match(r'\.(?!\.?$)', part) for part in path.parts)
    return not (member.is_dir() or is_hidden) and path.suffix.lower() in WANTED


def safe_name(member: zipfile.ZipInfo) -> str:
    """The path of a member below the folder.

    Raises:
        InputError: If it leads elsewhere, or the member is a link or encrypted.
    """
    given = member.filename
    path = PurePosixPath(given.replace('\\', '/'))
    if (
        path.is_absolute()
        or '..' in path.parts
        or re.match('[A-Za-z]:', given)
        or not given.isprintable()
        or max(len(part.encode()) for part in path.parts) > 255
    ):
        raise InputError(f'member {given!r:.200}: expected a path below its folder')
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise InputError(f'member {given!r:.200}: is a link or a device')
    if member.flag_bits & ENCRYPTED:
        raise InputError(f'member {given!r:.200}: is encrypted; unpack it, and name its folder')
    return str(path)


def only_folder(root: Path) -> Path:
    """The folder below which everything is: the root, or the only folder in it, and so on."""
    while len(found := [*root.iterdir()]) == 1 and found[0].is_dir():
        (root,) = found
    return root
