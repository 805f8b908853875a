"""The files of onnxruntime-web that the page of a browser export loads: from npm or a folder."""

import base64
import gzip
import os
import re
import tarfile
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError
from ..hub.cache import cache_folder
from ..hub.download import fault, fetch

VARIABLE = 'MMSEG_EFF_WEB_RUNTIME'  # node_modules/onnxruntime-web/dist, or a tarball
FOLDER = 'onnxruntime-web'  # in the exported folder
WASM = 'ort-wasm-simd-threaded'
FILES = {  # in the package's dist/ -> in the exported folder
    # .js, because not all servers know the type of .mjs
    'ort.wasm.min.mjs': f'{FOLDER}/ort.wasm.min.js',
    f'{WASM}.mjs': f'{FOLDER}/{WASM}.js',
    f'{WASM}.wasm': f'{FOLDER}/{WASM}.wasm.gz',
    'ort.webgpu.min.mjs': f'{FOLDER}/ort.webgpu.min.js',
    f'{WASM}.asyncify.mjs': f'{FOLDER}/{WASM}.asyncify.js',
    f'{WASM}.asyncify.wasm': f'{FOLDER}/{WASM}.asyncify.wasm.gz',
}


class Package(NamedTuple):
    """A package in npm's registry, for ``fetch``.

    Attributes:
        name: Its name and version.
        url: Address of its tarball.
        file: Path of the tarball in a mirror and in the cache.
        size: Bytes.
        integrity: As ``npm view PACKAGE dist.integrity`` prints it.
    """

    name: str
    url: str
    file: str
    size: int | None
    integrity: str

    @property
    def hashes(self) -> dict[str, str]:
        """Hexadecimal digits by algorithm."""
        algorithm, _, digest = self.integrity.partition('-')
        return {algorithm: base64.b64decode(digest).hex()}


PACKAGE = Package(
    name='onnxruntime-web 1.30.0',
    url='https://registry.npmjs.org/onnxruntime-web/-/onnxruntime-web-1.30.0.tgz',
    file='npm/onnxruntime-web-1.30.0.tgz',
    size=33106585,
    integrity=(
        'sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=='
    ),
)


def find_runtime(package: Package = PACKAGE) -> Path:
    """The folder or tarball that ``MMSEG_EFF_WEB_RUNTIME`` names, or else the package's tarball.

    That is fetched on first use into the cache of the weights.

    Raises:
        InputError: If the folder lacks a file, or the tarball cannot be fetched or is another one
            than expected.
    """
    named = os.environ.get(VARIABLE)
    if named and not named.endswith('.tgz'):
        for name in FILES:
            if not Path(named, name).is_file():
                raise InputError(
                    f'{Path(named, name)}: no such file; {VARIABLE} must name the folder dist of '
                    f'{package.name}'
                )
        return Path(named)
    path = Path(named or cache_folder() / package.file)
    if not named:
        try:
            fetch(package, path)
        except InputError as error:
            raise InputError(f'{error}, or its folder dist by {VARIABLE}') from error
    if reason := fault(package, path):
        raise InputError(f'{path}: is not {package.name} as npm has it: {reason}')
    return path


def write_runtime(source: Path, folder: Path) -> str:
    """Write the files of the runtime into an exported folder.

    Args:
        source: Of ``find_runtime``.
        folder: The exported folder.

    Returns:
        The version of onnxruntime-web.
    """
    (folder / FOLDER).mkdir(exist_ok=True)
    for name, target in FILES.items():
        content = read_file(source, name)
        if target.endswith('.gz'):  # a quarter of the bytes; the page unpacks them
            content = gzip.compress(content, 9, mtime=0)
        (folder / target).write_bytes(content)
    text = (folder / FILES['ort.wasm.min.mjs']).read_text(encoding='utf-8', errors='replace')
    found = re.search(r'ONNX Runtime Web v([\w.-]+)', text[:1000])
    return found[1] if found else 'unknown'


def read_file(source: Path, name: str) -> bytes:
    """Content of a file of the package's ``dist``, in a folder or a tarball."""
    if source.is_dir():
        return (source / name).read_bytes()
    with tarfile.open(source) as archive:
        file = archive.extractfile(f'package/dist/{name}')
        assert file is not None  # a regular file in the tarball that was checked
        return file.read()
