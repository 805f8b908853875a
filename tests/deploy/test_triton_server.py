"""A real Triton serves what ``--layout triton`` and ``triton-python`` write; `make test-triton`.

PyTriton's server has the Python backend alone. For the others, ``native_model.py`` stands in: the
server itself reads the configuration, checks the requests and makes the batches.
"""

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from clients import BINARY, infer
from exported import write_export, write_openvino
from triton_server import triton_server

import mmseg_eff
from mmseg_eff import deploy
from mmseg_eff.deploy.triton import arrange

ENVIRONMENT = os.environ.get('MMSEG_EFF_TRITON')
pytestmark = pytest.mark.skipif(not ENVIRONMENT, reason='needs a Triton: make test-triton')
SIZE = (48, 64)
ENDLESS = """
import sys
sys.path[:0] = sys.argv[2:]
import numpy as np
from clients import infer
image = np.zeros((2000, 2000, 3), np.uint8)
print('ready', flush=True)
while True:
    infer(sys.argv[1], image)
"""
PARSE = """
import sys
from google.protobuf import text_format
from google.protobuf.json_format import MessageToJson
from tritonclient.grpc.model_config_pb2 import ModelConfig
config = text_format.Parse(sys.stdin.read(), ModelConfig())
print(MessageToJson(config, preserving_proto_field_name=True))
"""


def make_model(repository, name, layout, turn=None, **options):
    folder = write_export(repository / name, **options)
    if turn:
        turn(folder)
    report = json.loads((folder / 'report.json').read_text())
    (folder / 'report.json').unlink()
    deploy.write_report(folder, arrange(folder, report, layout, name))


MODELS = {  # name -> how it is made
    'python': dict(layout='triton-python'),
    'python-batched': dict(layout='triton-python', batch=None),
    'fixed': dict(layout='triton-python', size=list(SIZE)),
    'onnx': dict(layout='triton'),
    'onnx-batched': dict(layout='triton', batch=None),
    'openvino': dict(layout='triton', turn=write_openvino),
    'openvino-batched': dict(layout='triton', turn=write_openvino, batch=None),
}


@pytest.fixture(scope='module')
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp('triton') / 'models'
    for name, options in MODELS.items():
        make_model(folder, name, **options)
    return folder


@pytest.fixture(scope='module')
def server(repository, tmp_path_factory):
    work = tmp_path_factory.mktemp('server')
    backends = work / 'stand_ins'
    for name in ('onnxruntime', 'openvino'):
        (backends / name).mkdir(parents=True)
        shutil.copy(Path(__file__).parent.parent / 'native_model.py', backends / name / 'model.py')
    with triton_server(Path(ENVIRONMENT), repository, work, backends=backends) as server:
        yield server


@pytest.fixture(scope='module')
def images():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (*SIZE, 3), np.uint8) for _ in range(16)]


@pytest.fixture(scope='module')
def expected(tmp_path_factory, images):
    """Labels of the images by the exported folder's own runtime."""
    segmenter = deploy.load_runtime(write_export(tmp_path_factory.mktemp('plain')))
    labels = [segmenter.segment(image) for image in images]
    assert len(np.unique(labels)) > 3
    return labels


def get(server, path):
    with urllib.request.urlopen(server.url + path, timeout=10) as answer:
        return json.load(answer)


def url_of(server, model):
    return f'{server.url}/v2/models/{model}'


@pytest.mark.parametrize('model', MODELS)
def test_metadata_is_that_of_the_export(server, repository, model):
    facts = get(server, f'/v2/models/{model}')
    sides = list(SIZE) if model == 'fixed' else [-1, -1]
    batch = 1 if model in ('onnx', 'openvino') else -1
    assert facts['inputs'] == [dict(name='image', datatype='UINT8', shape=[batch, *sides, 3])]
    assert facts['outputs'] == [dict(name='labels', datatype='UINT8', shape=[batch, *sides])]
    assert facts['versions'] == ['1']


@pytest.mark.parametrize('model', MODELS)
def test_protobuf_and_the_server_read_the_configuration_alike(server, repository, model):
    python = Path(ENVIRONMENT).absolute() / 'bin/python'
    text = (repository / model / 'config.pbtxt').read_text()
    parsed = json.loads(
        subprocess.run(
            [python, '-c', PARSE], input=text, capture_output=True, text=True, check=True
        ).stdout
    )
    config = get(server, f'/v2/models/{model}/config')
    assert parsed['name'] == config['name'] == model
    assert parsed['backend'] == config['backend']
    assert parsed.get('max_batch_size', 0) == config['max_batch_size']
    assert ('dynamic_batching' in parsed) == ('dynamic_batching' in config)
    for kind in ('input', 'output'):
        (ours,), (theirs,) = parsed[kind], config[kind]
        assert [str(dim) for dim in theirs['dims']] == ours['dims']
        assert theirs['data_type'] == ours['data_type']
    assert theirs['label_filename'] == 'labels.txt'


@pytest.mark.parametrize('model', MODELS)
def test_16_clients_get_the_labels_of_the_runtime(server, images, expected, model):
    """Each sends all images; of equal ones that wait, the server makes batches where it may."""
    before = {
        name: server.metric(name, model)
        for name in ('nv_inference_request_success', 'nv_inference_exec_count')
    }

    def client(_):
        return [infer(url_of(server, model), image) for image in images]

    with ThreadPoolExecutor(16) as pool:
        answers = [*pool.map(client, range(16))]
    for labels in answers:
        assert np.array_equal(labels, expected)
    requests, batches = (server.metric(name, model) - before[name] for name in before)
    assert requests == 16 * len(images)
    is_batched = model in ('python', 'python-batched', 'fixed', 'onnx-batched')
    assert batches < requests if is_batched else batches == requests


@pytest.mark.parametrize('model', ['python', 'fixed', 'onnx-batched', 'openvino-batched'])
def test_several_images_in_a_request(server, images, expected, model):
    labels = infer(url_of(server, model), np.stack(images[:5]))
    assert np.array_equal(labels, expected[:5])


def test_images_of_several_sizes_at_once(server, images):
    """The server collects images of one size only."""
    url = url_of(server, 'python')
    cut = [image[: 16 * (index % 3 + 1)] for index, image in enumerate(images)]
    alone = [infer(url, image) for image in cut]
    with ThreadPoolExecutor(16) as pool:
        together = [*pool.map(lambda image: infer(url, image), cut)]
    assert all(map(np.array_equal, together, alone))


WRONG = {  # what is sent -> model, tensor, bytes, and what the answer says
    'size': ('fixed', dict(shape=[1, 48, 60, 3]), 48 * 60 * 3, 'unexpected shape for input'),
    'axes': ('python', dict(shape=[4, 64, 3]), 4 * 64 * 3, 'unexpected shape for input'),
    'channels': ('python', dict(shape=[1, 48, 64, 4]), 48 * 64 * 4, 'unexpected shape for input'),
    'type': ('python', dict(datatype='FP32'), 4 * 48 * 64 * 3, 'unexpected datatype|data-type'),
    'name': ('python', dict(name='picture'), 48 * 64 * 3, "unexpected inference input 'picture'"),
    'batch': ('python', dict(shape=[9, 48, 64, 3]), 9 * 48 * 64 * 3, 'must be <= 8'),
    'no pixels': ('python', dict(shape=[1, 0, 0, 3]), 0, 'byte size|must be|shape'),
    'few bytes': ('python', {}, 100, 'byte size|expected'),
    'many bytes': ('python', {}, 48 * 64 * 3 + 100, 'byte size|expected'),
    'huge shape': ('python', dict(shape=[1, 2**31, 2**31, 3]), 48 * 64 * 3, 'size|shape|bytes'),
}


def post(url, tensor, content):
    """Status and error of a request, whatever it is."""
    tensor = dict(name='image', datatype='UINT8', shape=[1, *SIZE, 3]) | tensor
    tensor['parameters'] = dict(binary_data_size=len(content))
    header = json.dumps(dict(inputs=[tensor])).encode()
    headers = {'Inference-Header-Content-Length': str(len(header)), **BINARY}
    request = urllib.request.Request(f'{url}/infer', header + content, headers)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=30)
    return caught.value.status, json.load(caught.value)['error']


@pytest.mark.parametrize('wrong', WRONG)
def test_a_wrong_request_gets_one_line(server, images, expected, wrong):
    model, tensor, size, message = WRONG[wrong]
    status, error = post(url_of(server, model), tensor, bytes(size))
    assert 400 <= status <= 500
    assert re.search(message, error), error
    assert '\n' not in error.strip()
    assert np.array_equal(infer(url_of(server, model), images[0]), expected[0])


def test_what_is_no_json_gets_one_line(server, images, expected):
    url = url_of(server, 'python')
    request = urllib.request.Request(f'{url}/infer', b'\xff\xd8 a picture', BINARY)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=30)
    assert 400 <= caught.value.status <= 500
    assert '\n' not in json.load(caught.value)['error'].strip()
    assert np.array_equal(infer(url, images[0]), expected[0])


def test_server_goes_on_when_clients_are_killed(server, images, expected):
    """Three processes that send large images and are killed, and one that sends half of one."""
    url = url_of(server, 'python')
    here = [str(Path(infer.__code__.co_filename).parent)]
    command = [sys.executable, '-c', ENDLESS, url, *here]
    clients = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(3)]
    for client in clients:
        assert client.stdout.readline() == b'ready\n'
    time.sleep(1)  # amid a request
    for client in clients:
        client.kill()
        client.wait()
        client.stdout.close()
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port)) as connection:
        head = f'POST {parts.path}/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n'
        connection.sendall(head.encode() + bytes(5000))
    assert server.is_ready()
    assert np.array_equal(infer(url, images[0]), expected[0])


def test_a_flood_is_refused_and_the_server_goes_on(server, images, expected):
    """More requests than may wait: some are refused in one line, all others are right."""
    url = url_of(server, 'python')
    large = np.tile(images[0], (10, 10, 1))
    right = infer(url, large)

    def client(_):
        try:
            return np.array_equal(infer(url, large), right)
        except ValueError as error:
            return str(error)

    with ThreadPoolExecutor(120) as pool:
        answers = [*pool.map(client, range(240))]
    refused = {answer for answer in answers if isinstance(answer, str)}
    assert all('exceeds maximum queue size' in line.lower() for line in refused), refused
    assert True in answers and refused
    assert False not in answers
    assert np.array_equal(infer(url, images[0]), expected[0])


def test_client_of_the_docs(server, repository, images, expected, root, tmp_path):
    page = (root / 'docs/export_server.md').read_text()
    (client,) = re.findall(r'^```python\n(# client\.py\n.*?)^```$', page, re.M | re.S)
    assert len(client.splitlines()) <= 40
    (tmp_path / 'client.py').write_text(client)
    assert cv2.imwrite(str(tmp_path / 'image.png'), images[3])
    url = url_of(server, 'onnx-batched')
    command = [sys.executable, 'client.py', 'image.png', 'labels.png', url]
    subprocess.run(command, cwd=tmp_path, check=True)
    labels = cv2.imread(str(tmp_path / 'labels.png'), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(labels, expected[3])
    done = subprocess.run(
        [*command[:-1], url_of(server, 'absent')], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "unknown model: 'absent'" in line


def test_a_broken_model_says_why_and_the_others_are_served(tmp_path, images, expected):
    """A damaged network, and a cache of Python's files in the folder, which is ignored."""
    repository = tmp_path / 'models'
    for name in ('whole', 'damaged'):
        make_model(repository, name, 'triton-python')
    (repository / 'whole/__pycache__').mkdir()
    with (repository / 'damaged/model.onnx').open('ab') as file:
        file.write(b'x')
    work = tmp_path / 'server'
    work.mkdir()
    options = ('--exit-on-error=false', '--strict-readiness=false')
    with triton_server(Path(ENVIRONMENT), repository, work, *options) as server:
        assert np.array_equal(infer(url_of(server, 'whole'), images[0]), expected[0])
        with pytest.raises(ValueError, match='damaged'):
            infer(url_of(server, 'damaged'), images[0])
        assert 'model.onnx: is not the file exported' in server.log.read_text()


def test_espnet_of_the_authors(shared, tmp_path, official_weights):
    """The command's folder on a real image: the labels that torch gives."""
    image = next((shared / 'data/cityscapes_sample').rglob('*leftImg8bit.*'))
    pixels = cv2.resize(cv2.imread(str(image)), (512, 256), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(tmp_path / 'image.png'), pixels)
    config = 'mmseg_eff::espnet/espnet-p2q8_1xb8-558k_cityscapes-512x1024.py'
    weights = 'hub:espnet-p2q8_cityscapes'
    folder = tmp_path / 'models/espnet'
    options = dict(images=tmp_path / 'image.png', layout='triton-python', threads=1)
    result = mmseg_eff.export(config, weights, folder, **options)
    assert result.agreement.labels == 1
    model = mmseg_eff.load_model(config, weights, device='cpu')
    (prediction,) = mmseg_eff.predict(model, pixels)
    work = tmp_path / 'server'
    work.mkdir()
    with triton_server(Path(ENVIRONMENT), tmp_path / 'models', work) as server:
        with ThreadPoolExecutor(16) as pool:
            url = url_of(server, 'espnet')
            answers = [*pool.map(lambda _: infer(url, pixels), range(16))]
        assert server.metric('nv_inference_exec_count', 'espnet') < 16
    shares = [np.mean(labels == prediction.labels) for labels in answers]
    assert min(shares) > 0.9999
    assert (folder / '1/__pycache__').is_dir()  # Triton's Python wrote it
    mmseg_eff.export(config, weights, folder, **options)  # in place of the one that was served


def test_connection_is_kept(server, images, expected):
    """One connection serves many requests, and one that was wrong does not end it."""
    parts = urlsplit(url_of(server, 'python'))
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    connection.request('POST', f'{parts.path}/infer', b'{}')
    assert connection.getresponse().read()
    connection.request('GET', '/v2/health/live')
    assert connection.getresponse().status == 200
    connection.close()
