"""One server process for all tests here: what it answers, and that nothing ends it."""

import base64
import http.client
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import cv2
import numpy as np
import pytest
from exported import NUM_CLASSES, write_export
from PIL import Image

import mmseg_eff
from mmseg_eff.commands import main as mmseg_eff_command

pytest.importorskip('litserve', reason='needs the extra [serve]')
pytest.importorskip('python_multipart', reason='needs the extra [serve]')

MAX_BYTES, MAX_PIXELS = 200_000, 100_000
OPTIONS = ['--max-bytes', MAX_BYTES, '--max-pixels', MAX_PIXELS, '--max-batch', 4, '--threads', 1]
RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (48, 64, 3), np.uint8)
PNG = {'content-type': 'image/png'}


def encoded(suffix, pixels=PIXELS):
    return cv2.imencode(suffix, pixels)[1].tobytes()


def by_pillow(format, **options):
    file = io.BytesIO()
    Image.fromarray(PIXELS[..., ::-1]).save(file, format, **options)
    return file.getvalue()


class Server:
    """A server process and its address."""

    def __init__(self, folder, *options):
        command = [sys.executable, '-m', 'mmseg_eff', 'serve', str(folder), '--port', '0']
        self.process = subprocess.Popen(
            [*command, *map(str, options)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.first_line = self.process.stdout.readline()
        if not self.first_line:
            pytest.fail(self.process.communicate()[1])
        self.host, port = re.search(r'http://([\d.]+):(\d+)', self.first_line).groups()
        self.port = int(port)

    def ask(self, path, data=None, headers=PNG):
        """Status, media type and body of an answer."""
        url = f'http://{self.host}:{self.port}{path}'
        request = urllib.request.Request(url, data, headers if data is not None else {})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.headers['content-type'], answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers['content-type'], error.read()

    def labels(self, data, headers=PNG):
        """Labels of an image."""
        status, kind, body = self.ask('/predict', data, headers)
        assert (status, kind) == (200, 'image/png'), body
        return cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_UNCHANGED)

    def error(self, data, headers=PNG, path='/predict'):
        """Status and line of a request that is refused."""
        status, kind, body = self.ask(path, data, headers)
        facts = json.loads(body)
        assert kind == 'application/json' and [*facts] == ['error']
        assert '\n' not in facts['error']
        return status, facts['error']

    def connect(self):
        return socket.create_connection((self.host, self.port), timeout=60)

    def end(self, number=signal.SIGTERM):
        """Exit status, the lines after the first, and stderr."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


@contextmanager
def serving(folder, *options):
    server = Server(folder, *options)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.communicate()


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return write_export(tmp_path_factory.mktemp('served') / 'exported')


@pytest.fixture(scope='module')
def server(folder):
    with serving(folder, *OPTIONS) as server:
        yield server


@pytest.fixture
def expected(folder, tmp_path):
    """Labels that ``predict`` gives a file of some content."""

    def predict(content):
        path = tmp_path / 'image.png'
        path.write_bytes(content)  # by its content, whatever the suffix
        return next(mmseg_eff.predict(folder, path)).labels

    return predict


def rotated():
    exif = Image.Exif()
    exif[0x0112] = 6
    return by_pillow('JPEG', exif=exif)


GOOD = {
    'png': encoded('.png'),
    'jpg': encoded('.jpg'),
    'webp': encoded('.webp'),
    'bmp': encoded('.bmp'),
    'tif': encoded('.tif'),
    'grey': encoded('.png', PIXELS[..., 0]),
    '16 bits': encoded('.png', PIXELS.astype(np.uint16) * 257),
    'alpha': encoded('.png', np.dstack([PIXELS, PIXELS[..., 0]])),
    'turned by EXIF': rotated(),
    'one pixel': encoded('.png', PIXELS[:1, :1]),
}


@pytest.mark.parametrize('name', GOOD)
def test_labels_are_those_of_predict(server, expected, name):
    labels = expected(GOOD[name])
    assert np.array_equal(server.labels(GOOD[name]), labels)
    assert name == 'one pixel' or len(np.unique(labels)) > 1
    assert (name == 'turned by EXIF') == (labels.shape == (64, 48))


def form(*fields):
    """The body of a form and its headers; a field is a name, a file name or None, and content."""
    body = b''
    for name, file, content in fields:
        what = f'name="{name}"' + (f'; filename="{file}"' if file else '')
        head = f'--edge\r\nContent-Disposition: form-data; {what}\r\n\r\n'
        body += head.encode() + content + b'\r\n'
    return body + b'--edge--\r\n', {'content-type': 'multipart/form-data; boundary=edge'}


@pytest.mark.parametrize('file', ['photo.png', '../../etc/passwd', 'none.gif'])
def test_a_form(server, expected, file):
    labels = server.labels(*form(('image', file, GOOD['png'])))
    assert np.array_equal(labels, expected(GOOD['png']))


def test_other_answers(server, expected):
    labels = expected(GOOD['png'])
    status, kind, body = server.ask('/predict?format=json', GOOD['png'])
    facts = json.loads(body)
    assert (status, kind) == (200, 'application/json')
    content = np.frombuffer(base64.b64decode(facts['labels']), np.uint8)
    assert np.array_equal(cv2.imdecode(content, cv2.IMREAD_UNCHANGED), labels)
    assert facts['classes'] == [f'class {label}' for label in range(NUM_CLASSES)]
    shares = {f'class {label}': np.mean(labels == label) for label in np.unique(labels)}
    assert facts['shares'] == pytest.approx(shares)
    accepting = server.ask('/predict', GOOD['png'], {**PNG, 'accept': 'application/json'})
    assert accepting == (status, kind, body)
    status, kind, body = server.ask('/predict?format=overlay', GOOD['png'])
    overlay = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_UNCHANGED)
    assert (status, kind, overlay.shape) == (200, 'image/png', PIXELS.shape)


def test_info_and_health(server, folder):
    status, _, body = server.ask('/info')
    facts = json.loads(body)['model']
    report = json.loads((folder / 'report.json').read_text())
    assert status == 200 and 'files' not in facts
    for key in ('classes', 'palette', 'size', 'input', 'backend'):
        assert facts[key] == report[key]
    assert str(folder) not in body.decode()
    assert server.ask('/health') == (200, None, b'ok')


def test_the_client_of_the_docs(server, root, tmp_path):
    page = (root / 'docs/export_server.md').read_text()
    (code,) = re.findall(r'^```python\n(# ask\.py\n.*?)^```', page, re.DOTALL | re.MULTILINE)
    names = dict(__name__='ask')
    exec(code, names)
    url = f'http://{server.host}:{server.port}'
    (tmp_path / 'image.png').write_bytes(GOOD['png'])
    (tmp_path / 'cut.png').write_bytes(GOOD['png'][:200])
    assert sum(names['ask'](tmp_path / 'image.png', url).values()) == pytest.approx(1)
    with pytest.raises(SystemExit, match='cannot be decoded'):
        names['ask'](tmp_path / 'cut.png', url)


BAD = {
    'empty': (b'', PNG, 400, 'is empty'),
    'text': (b'hello', PNG, 415, 'must be one of BMP, JPEG, PNG, TIFF, WEBP'),
    'text, said so': (b'hello', {'content-type': 'text/plain'}, 415, "field 'image'"),
    'no type': (b'a=b', {}, 415, "field 'image'"),  # urllib says it is a form without files
    'GIF': (by_pillow('GIF'), PNG, 415, 'must be one of'),
    'PNG cut in its header': (GOOD['png'][:20], PNG, 400, 'its header'),
    'cut PNG': (GOOD['png'][:-2000], PNG, 400, 'cannot be decoded'),
    'cut JPEG': (GOOD['jpg'][:-2000], PNG, 400, 'cannot be decoded'),
    'cut TIFF': (GOOD['tif'][:2000], PNG, 415, 'cut off'),
    'many pixels': (encoded('.png', np.zeros((400, 400), np.uint8)), PNG, 413, 'max-pixels'),
    'many bytes': (bytes(MAX_BYTES + 1), PNG, 413, 'max-bytes'),
    'very many bytes': (bytes(50 * MAX_BYTES), PNG, 413, 'max-bytes'),
    'form without an image': (*form(('photo', 'a.png', GOOD['png'])), 400, 'no such file'),
    'form with text': (*form(('image', None, b'abc')), 400, 'no such file'),
    'form with two files': (*form(*[('image', 'a.png', GOOD['png'])] * 2), 400, 'files'),
    'form with many fields': (*form(*[(f'a{i}', None, b'') for i in range(99)]), 400, 'fields'),
    'form without a boundary': (b'abc', {'content-type': 'multipart/form-data'}, 400, 'oundary'),
    'broken form': (b'--edge\r\nabc', form()[1], 400, ''),
}


@pytest.mark.parametrize('name', BAD)
def test_bad_uploads(server, expected, name):
    content, headers, status, reason = BAD[name]
    found = server.error(content, headers)
    assert found[0] == status and reason in found[1], found
    assert server.process.poll() is None
    assert np.array_equal(server.labels(GOOD['png']), expected(GOOD['png']))


def test_other_errors_are_json_too(server):
    assert server.error(None, path='/none')[0] == 404
    assert server.error(None, path='/predict')[0] == 405
    assert server.error(None, path='/docs')[0] == 404  # its page would load scripts of others
    assert server.error(GOOD['png'], path='/predict?format=gif')[0] == 400


def test_parallel_clients(server, expected):
    """16 of them, of several sizes, with a bad one among them."""
    images = [
        encoded('.png', RNG.integers(0, 256, (40 + i % 3, 50, 3), np.uint8)) for i in range(8)
    ]
    labels = [expected(image) for image in images]
    jobs = [index % 9 for index in range(144)]

    def ask(job):
        return server.error(GOOD['png'][:200])[0] if job == 8 else server.labels(images[job])

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, jobs))
    for job, answer in zip(jobs, answers, strict=True):
        assert answer == 400 if job == 8 else np.array_equal(answer, labels[job])


def test_clients_that_go(server):
    head = 'POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 9999'
    for _ in range(20):
        with server.connect() as connection:
            connection.sendall(f'{head}\r\n\r\nsome'.encode())
    for _ in range(20):  # after the upload, before the answer
        client = http.client.HTTPConnection(server.host, server.port)
        client.request('POST', '/predict', GOOD['png'], PNG)
        client.close()
    with server.connect() as connection:
        connection.sendall(b'no HTTP at all\r\n\r\n')
        assert b'400' in connection.recv(100)
    server.labels(GOOD['png'])
    assert server.ask('/health')[0] == 200


def test_a_stop_is_one_word_and_status_0(server):
    """The last test of the server, after all that came before."""
    server.labels(GOOD['png'])
    status, out, err = server.end()
    assert (status, out) == (0, 'stopped\n')
    assert 'Traceback' not in err
    with pytest.raises(ConnectionRefusedError):
        server.connect()


@pytest.mark.slow
def test_time_and_number_of_requests(folder):
    with serving(folder, '--timeout', 2, '--max-requests', 1) as server:
        server.labels(GOOD['png'])
        with server.connect() as connection:
            connection.sendall(
                b'POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n'
                b'Content-Length: 99\r\n\r\nab'
            )
            time.sleep(0.5)
            assert server.error(GOOD['png']) == (503, '1 requests are waiting: come again')
            assert b'504 Gateway Timeout' in connection.recv(100)
        server.labels(GOOD['png'])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != 'linux', reason='reads /proc')
def test_workers_and_parents_that_are_killed(folder):
    with serving(folder, '--timeout', 3) as server:
        before = processes_of(server)
        (worker,) = (pid for pid, words in before.items() if '--multiprocessing-fork' in words)
        os.kill(worker, signal.SIGKILL)
        end = time.monotonic() + 120
        while server.ask('/predict', GOOD['png'])[0] != 200:  # a new one is started
            assert time.monotonic() < end
        server.process.kill()
        server.process.communicate()
        end = time.monotonic() + 20
        while processes_of(server):
            assert time.monotonic() < end
            time.sleep(0.1)


@pytest.mark.slow
def test_ctrl_c_goes_to_all_processes(folder):
    with serving(folder) as server:
        server.labels(GOOD['png'])
        for pid in processes_of(server):
            os.kill(pid, signal.SIGINT)
        out, err = server.process.communicate(timeout=60)
        assert (server.process.returncode, out, err) == (0, 'stopped\n', '')


def processes_of(server):
    """Command lines of the processes in the server's session, by their ids."""
    lines = subprocess.run(
        ['ps', '-ww', '-o', 'pid=,args=', '--sid', str(server.process.pid)],
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    return {int(pid): words for pid, words in (line.split(None, 1) for line in lines)}


@pytest.mark.slow
def test_why_a_worker_does_not_start(tmp_path, capsys):
    folder = write_export(tmp_path / 'exported')
    (folder / 'model.onnx').write_bytes(b'damaged')
    assert mmseg_eff_command(['serve', str(folder), '--port', '0']) == 1
    out, err = capsys.readouterr()
    assert out == '' and err.count('\n') == 1
    assert 'model.onnx: is not the file exported' in err


def test_port_in_use_is_one_line(folder, capsys):
    with socket.create_server(('127.0.0.1', 0)) as taken:
        port = taken.getsockname()[1]
        assert mmseg_eff_command(['serve', str(folder), '--port', str(port)]) == 1
    assert capsys.readouterr().err == (
        f'error: 127.0.0.1:{port}: cannot listen (Address already in use)\n'
    )


@pytest.mark.parametrize(
    ('option', 'value', 'message'),
    [
        ('--workers', '0', 'error: --workers must be 1 or more, got 0\n'),
        ('--max-bytes', 'many', "error: --max-bytes must be a whole number, got 'many'\n"),
        ('--timeout', 'nan', "error: --timeout must be a finite number, got 'nan'\n"),
    ],
)
def test_wrong_options(capsys, option, value, message):
    assert mmseg_eff_command(['serve', 'none', option, value]) == 1
    assert capsys.readouterr().err == message
