"""onnxruntime-web from a tarball, whose hash is compared, or from a folder."""

import base64
import hashlib
import io
import tarfile

import pytest

from mmseg_eff.deploy.web_runtime import (
    FILES,
    PACKAGE,
    VARIABLE,
    find_runtime,
    read_file,
    write_runtime,
)
from mmseg_eff.errors import InputError
from mmseg_eff.hub.cache import VARIABLE as CACHE
from mmseg_eff.hub.download import MIRROR


@pytest.fixture
def tarball(tmp_path, monkeypatch):
    """A tarball in a folder that is the mirror; the cache is empty."""
    path = tmp_path / 'mirror' / PACKAGE.file
    path.parent.mkdir(parents=True)
    with tarfile.open(path, 'w:gz') as archive:
        for name in FILES:
            content = f'/*! ONNX Runtime Web v1.2.3-dev.4 */ {name}'.encode()
            member = tarfile.TarInfo(f'package/dist/{name}')
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    monkeypatch.setenv(MIRROR, str(tmp_path / 'mirror'))
    monkeypatch.setenv(CACHE, str(tmp_path / 'cache'))
    monkeypatch.delenv(VARIABLE, raising=False)
    return path


@pytest.fixture
def package(tarball):
    digest = base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
    return PACKAGE._replace(size=tarball.stat().st_size, integrity=f'sha512-{digest}')


def test_tarball_is_fetched_once_and_written(tarball, package, tmp_path):
    source = find_runtime(package)
    assert source == tmp_path / 'cache' / PACKAGE.file
    tarball.unlink()
    assert find_runtime(package) == source
    (tmp_path / 'export').mkdir()
    assert write_runtime(source, tmp_path / 'export') == '1.2.3-dev.4'
    for target in FILES.values():
        assert (tmp_path / 'export' / target).is_file()


def test_another_tarball_is_refused(tarball, package):
    content = bytearray(tarball.read_bytes())
    content[-1] ^= 1
    tarball.write_bytes(content)
    with pytest.raises(InputError, match=r'is not the file expected: its SHA-512 is \w+ instead'):
        find_runtime(package)
    with pytest.raises(InputError, match=r'bytes instead of 33106585'):
        find_runtime()


def test_damage_in_the_cache_is_found(package):
    path = find_runtime(package)
    path.write_bytes(b'damaged')
    with pytest.raises(InputError, match=f'{path}: is not onnxruntime-web .* has 7 bytes'):
        find_runtime(package)


def test_named_tarball_is_checked(tarball, package, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tarball))
    assert find_runtime(package) == tarball
    with pytest.raises(InputError, match=r'is not onnxruntime-web 1\.30\.0 as npm has it'):
        find_runtime()


def test_no_network_names_the_ways(tarball, package):
    tarball.unlink()
    with pytest.raises(InputError, match=f'cannot be fetched from .* by {MIRROR}, .* {VARIABLE}'):
        find_runtime(package)


def test_folder_needs_all_files(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    *names, last = FILES
    for name in names:
        (tmp_path / name).write_text(name)
    with pytest.raises(InputError, match=f'{last}: no such file; {VARIABLE} must name the folder'):
        find_runtime()
    (tmp_path / last).write_text('wasm')
    assert find_runtime() == tmp_path
    assert read_file(tmp_path, last) == b'wasm'


def test_pinned_hash_is_a_sha512():
    assert len(PACKAGE.hashes['sha512']) == 128
    assert PACKAGE.url.startswith('https://registry.npmjs.org/onnxruntime-web/')
