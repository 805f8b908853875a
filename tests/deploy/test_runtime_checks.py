"""Exported folders from elsewhere: each is refused in one line, and none runs anything."""

import json
import os
import random
import shutil
import time

import pytest
from exported import REPORT, run_alone, write_export, write_openvino

from mmseg_eff import deploy
from mmseg_eff.commands.predict import main as predict
from mmseg_eff.deploy import load_runtime
from mmseg_eff.deploy.runtime_checks import DEFAULTS, RULES, read_report
from mmseg_eff.deploy.segmentor import load_export
from mmseg_eff.errors import InputError
from mmseg_eff.inference.segmentor import ImageReader
from mmseg_eff.visualization.overlay import color_table

SECONDS = 5
DEEP = 10**6


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    return write_export(tmp_path_factory.mktemp('made') / 'export')


@pytest.fixture
def folder(tmp_path, made):
    return shutil.copytree(made, tmp_path / 'export')


def assert_refused(folder, words, path='report.json'):
    """Loading a folder gives one line soon, which begins with a file and has some words."""
    start = time.perf_counter()
    with pytest.raises(InputError) as info:
        load_export(folder)
    assert time.perf_counter() - start < SECONDS
    line = str(info.value)
    assert line.startswith(f'{folder / path}: ') and words in line
    assert '\n' not in line and len(line) < 600


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        pytest.param('', 'Expecting value', id='nothing'),
        pytest.param('[]', 'it is a list', id='a list'),
        pytest.param('null', 'it is a NoneType', id='null'),
        pytest.param('"model"', 'it is a str', id='a text'),
        pytest.param('{}', 'it has no backend', id='no keys'),
        pytest.param('{"kept": 0.75}', 'it has no backend', id='of another tool'),
        pytest.param('[' * DEEP, 'recursion', id='deep lists'),
        pytest.param('{"a":' * DEEP, 'recursion', id='deep records'),
        pytest.param('9' * 10**5, 'digits', id='a long number'),
        pytest.param('{"classes": [' + '[],' * 3 * 10**6, 'longer than', id='a long text'),
        pytest.param(b'\xff\xfe\xff', "can't decode", id='no text'),
        pytest.param(b'PK\x03\x04' + bytes(100), 'Expecting value', id='an archive'),
    ],
)
def test_report_that_is_none(folder, text, words):
    path = folder / 'report.json'
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert_refused(folder, words)


HUGE = 10**400
OLDER = {*DEFAULTS, 'precision'}  # exports lack them
FACTS = dict(bytes=1, sha256='0' * 64)
TENSOR = dict(name='image', dtype='uint8', layout='NHWC', shape=[1, None, None, 3])


@pytest.mark.parametrize(
    ('key', 'value'),
    [
        pytest.param('backend', 'os.system', id='another engine'),
        pytest.param('backend', ['onnx'], id='engines'),
        pytest.param('backend', 'openvino', id='engine of another file'),
        pytest.param('model', '../export/model.onnx', id='model above'),
        pytest.param('model', '/etc/passwd', id='model anywhere'),
        pytest.param('model', 'sub/model.onnx', id='model below'),
        pytest.param('model', 'sub\\model.onnx', id='model below, for Windows'),
        pytest.param('model', '..', id='model is the folder above'),
        pytest.param('model', 'model.onnx\0', id='model with a null'),
        pytest.param('model', 'runtime.py', id='model of another kind'),
        pytest.param('model', None, id='no model'),
        pytest.param('classes', [], id='no classes'),
        pytest.param('classes', dict(a=1), id='classes as a record'),
        pytest.param('classes', list(range(9)), id='numbers as names'),
        pytest.param('classes', ['x' * 10**4] * 9, id='long names'),
        pytest.param('palette', [[-1, 0, 0]] * 9, id='palette below 0'),
        pytest.param('palette', [[0, 0, 256]] * 9, id='palette above 255'),
        pytest.param('palette', [[0.5, 0, 0]] * 9, id='palette of fractions'),
        pytest.param('palette', [[True, False, True]] * 9, id='palette of flags'),
        pytest.param('palette', [[0, 0]] * 9, id='palette of two colours'),
        pytest.param('palette', [0] * 27, id='flat palette'),
        pytest.param('palette', [[0, 0, 0]] * 8, id='short palette'),
        pytest.param('palette', 'red', id='palette by name'),
        pytest.param('loading', dict(type='os.system'), id='another loader'),
        pytest.param('loading', dict(color_type='color', to_float32=True), id='half a loader'),
        pytest.param(
            'loading', {**REPORT['loading'], 'backend_args': {'backend': 'memcached'}}, id='storage'
        ),
        pytest.param('size', [0, 10], id='no size'),
        pytest.param('size', [10**9, 10**9], id='huge size'),
        pytest.param('size', [8, 8, 8], id='three sizes'),
        pytest.param('inside', ['labels', 'code'], id='another part inside'),
        pytest.param('inside', None, id='nothing inside'),
        pytest.param('inputs', ['original', 'image'], id='inputs in another order'),
        pytest.param('inputs', ['__class__'], id='another input'),
        pytest.param('resize', dict(scale=[8, 8]), id='half a resize'),
        pytest.param('resize', dict(scale=HUGE, keep_ratio=False, backend='cv2'), id='huge factor'),
        pytest.param(
            'resize', dict(scale=[8, -8], keep_ratio=False, backend='cv2'), id='negative scale'
        ),
        pytest.param('resize', dict(scale=0.5, keep_ratio=1, backend='cv2'), id='flag as a number'),
        pytest.param('input', dict(channels=10**9, dtype='uint8'), id='many channels'),
        pytest.param('input', dict(channels=3, dtype='object'), id='objects as pixels'),
        pytest.param('input', dict(channels=True, dtype='uint8'), id='flag as channels'),
        pytest.param('precision', 'int4', id='another precision'),
        pytest.param('inference_precision', 'int8', id='precision of no arithmetic'),
        pytest.param('num_labels', 0, id='no labels'),
        pytest.param('num_labels', 2**16 + 1, id='too many labels'),
        pytest.param('num_labels', '9', id='labels as text'),
        pytest.param('normalise', None, id='no constants'),
        pytest.param(
            'normalise', dict(mean=[float('nan')] * 3, std=[1.0] * 3, to_rgb=False), id='NaN'
        ),
        pytest.param(
            'normalise', dict(mean=[0] * 3, std=[float('inf')] * 3, to_rgb=False), id='infinite'
        ),
        pytest.param(
            'normalise', dict(mean=[0] * 3, std=[0] * 3, to_rgb=False), id='division by 0'
        ),
        pytest.param('normalise', dict(mean=[0] * 4, std=[1] * 4, to_rgb=False), id='four means'),
        pytest.param('normalise', dict(mean=[HUGE] * 3, std=[1] * 3, to_rgb=False), id='huge mean'),
        pytest.param('align_corners', 'yes', id='flag as text'),
        pytest.param('threshold', [0.5], id='thresholds'),
        pytest.param('threshold', HUGE, id='huge threshold'),
        pytest.param('batch', 0, id='no images'),
        pytest.param('batch', 2**31, id='many images'),
        pytest.param('output', 'masks', id='another output'),
        pytest.param('is_sigmoid', 1, id='sigmoid as a number'),
        pytest.param('tensors', dict(inputs=[], outputs=[]), id='no tensors'),
        pytest.param('tensors', [TENSOR], id='tensors as a list'),
        pytest.param(
            'tensors', dict(inputs=[TENSOR], outputs=[{**TENSOR, 'dtype': 'object'}]), id='objects'
        ),
        pytest.param(
            'tensors', dict(inputs=[TENSOR], outputs=[{**TENSOR, 'shape': [0] * 4}]), id='no shape'
        ),
        pytest.param('preprocessing', ['normalise'], id='steps as words'),
        pytest.param(
            'preprocessing', [dict(step='exec', inside=False, words='')], id='another step'
        ),
        pytest.param('config', dict(name='a', dataset=None, sha256='0'), id='half a hash'),
        pytest.param('weights', dict(name='a', licence=['MIT'], dataset=None), id='licences'),
        pytest.param('checkpoint_sha256', 0, id='hash of the checkpoint as a number'),
        pytest.param('files', [], id='files as a list'),
        pytest.param('files', {}, id='no files'),
        pytest.param('files', {'runtime.py': FACTS}, id='the network is not listed'),
        pytest.param('files', {'../notes.txt': FACTS}, id='a file above'),
        pytest.param('files', {'/etc/passwd': FACTS}, id='a file anywhere'),
        pytest.param('files', {'.': FACTS}, id='the folder as a file'),
        pytest.param('files', {'model.onnx': dict(FACTS, sha256='')}, id='no hash'),
        pytest.param('files', {'model.onnx': dict(FACTS, sha256=['0'] * 64)}, id='hash as a list'),
        pytest.param('files', {'model.onnx': dict(FACTS, bytes=-1)}, id='negative size'),
        pytest.param('files', {'model.onnx': dict(FACTS, bytes=2**60)}, id='huge file'),
        pytest.param('files', {'model.onnx': None}, id='no facts'),
    ],
)
def test_value_that_no_export_writes(folder, key, value):
    path = folder / 'report.json'
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    words = dict(backend='model').get(key, key) if value == 'openvino' else key
    assert_refused(folder, words)


@pytest.mark.parametrize('key', sorted(RULES.keys() - OLDER))
def test_missing_key(folder, key):
    path = folder / 'report.json'
    report = json.loads(path.read_text())
    del report[key]
    path.write_text(json.dumps(report))
    assert_refused(folder, f'it has no {key}')


@pytest.mark.parametrize('keys', [OLDER, ('latency_ms', 'versions')])
def test_older_and_newer_exports_load(folder, keys):
    path = folder / 'report.json'
    report = {**json.loads(path.read_text()), 'note': float('nan')}
    path.write_text(json.dumps({k: v for k, v in report.items() if k not in keys}))
    assert load_export(folder).label_dtype == 'uint8'


@pytest.mark.parametrize(('backend', 'precision'), [('openvino-int8', 'int8'), ('onnx', 'f32')])
def test_the_precision_of_older_exports(folder, backend, precision):
    path = folder / 'report.json'
    report = {**json.loads(path.read_text()), 'backend': backend}
    path.write_text(json.dumps({k: v for k, v in report.items() if k not in OLDER}))
    report = read_report(path)
    assert (report['precision'], report['inference_precision']) == (precision, 'f32')


def test_a_loader_named_in_the_report_is_not_run(folder, tmp_path, monkeypatch):
    """Its ``type`` would be looked up by mmengine, which imports what has dots."""
    monkeypatch.setattr(ImageReader, '__init__', lambda *_args: pytest.fail('it was built'))
    mark = tmp_path / 'mark'
    report = json.loads((folder / 'report.json').read_text())
    report['loading'] = dict(type='subprocess.run', args=['touch', str(mark)])
    (folder / 'report.json').write_text(json.dumps(report))
    assert_refused(folder, 'loading')
    assert not mark.exists()


def flip_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def replace_by(make):
    def replace(path):
        path.unlink()
        make(path)

    return replace


@pytest.mark.parametrize('name', ['model.onnx', 'runtime.py'])
@pytest.mark.parametrize(
    ('damage', 'words'),
    [
        pytest.param(flip_bit, 'is not the file exported', id='one bit'),
        pytest.param(lambda path: os.truncate(path, 99), 'is not the file exported', id='cut'),
        pytest.param(lambda path: os.truncate(path, 0), 'is not the file exported', id='empty'),
        pytest.param(lambda path: os.truncate(path, 2**40), 'is not the file', id='a terabyte'),
        pytest.param(lambda path: path.unlink(), 'no such file', id='gone'),
        pytest.param(replace_by(os.mkfifo), 'no such file', id='pipe'),
        pytest.param(replace_by(os.mkdir), 'no such file', id='folder'),
        pytest.param(
            replace_by(lambda path: path.symlink_to(path)), 'no such', id='link to itself'
        ),
        pytest.param(replace_by(lambda path: path.symlink_to('/dev/zero')), 'no such', id='device'),
        pytest.param(replace_by(lambda path: path.symlink_to(__file__)), 'a link', id='link away'),
    ],
)
def test_damaged_file_is_named(folder, name, damage, words):
    damage(folder / name)
    assert_refused(folder, words, name)


def test_verify_can_be_skipped_and_other_files_do_not_matter(folder):
    (folder / 'runtime.py').write_text('mine')
    (folder / 'other.onnx').touch()
    assert load_runtime(folder, verify=False).classes == tuple(REPORT['classes'])
    with pytest.raises(ValueError, match='is not the file exported'):
        load_runtime(folder)


def test_the_tools_print_one_line(folder, capsys):
    os.truncate(folder / 'model.onnx', 99)
    assert predict([str(folder), __file__, '--out', str(folder / 'labels')]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f'error: {folder}/model.onnx: is not the file exported')


VALUES = (None, True, -1, 0, 1.5, 2**70, 1e308, float('nan'), '', '..', '/', [], [[]], {}, {'a': 1})


def mutate(report, rng):
    """Replace, remove or repeat something in a copy of a report."""
    report = json.loads(json.dumps(report))
    part, depth = report, rng.randrange(1, 4)
    while True:
        key = rng.choice(list(part) if isinstance(part, dict) else range(len(part)))
        if depth == 0 or not isinstance(part[key], dict | list) or not part[key]:
            break
        part, depth = part[key], depth - 1
    kind = rng.randrange(3)
    if kind == 0:
        part[key] = rng.choice(VALUES)
    elif kind == 1:
        del part[key]
    else:
        part[key] = [part[key]] * rng.choice([0, 1, 2, 10**4])
    return report


def test_mutated_reports(folder):
    rng, path = random.Random(0), folder / 'report.json'
    report, refused = json.loads(path.read_text()), 0
    for _ in range(500):
        text = json.dumps(mutate(report, rng)).encode()
        if rng.random() < 0.3:
            at = rng.randrange(len(text))
            text = text[:at] + rng.randbytes(rng.randrange(4)) + text[at + rng.randrange(4) :]
        path.write_bytes(text)
        try:
            read = read_report(path)
        except ValueError as error:
            refused += 1
            assert str(error).startswith(str(path)) and '\n' not in str(error)
            continue
        assert color_table(read['palette']).shape == (256, 3)
        assert all((folder / name).parent == folder for name in (read['model'], *read['files']))
    assert refused > 300


LOAD_ALONE = """
import sys, time
from pathlib import Path
import numpy as np
from runtime import load_runtime
for folder in sorted(Path(sys.argv[1]).iterdir()):
    start = time.perf_counter()
    try:
        load_runtime(folder, threads=1).segment(np.zeros((16, 24, 3), np.uint8))
        line = 'labels'
    except ValueError as error:
        line = str(error)
        assert line.startswith((str(folder), 'the network gives')) and '\\n' not in line, line
    assert time.perf_counter() - start < 5
    print(folder.name, line, flush=True)
"""


def test_network_that_was_damaged_together_with_its_report(made, tmp_path):
    """The hash is right, so that the engine meets the damage: in a process of its own."""
    whole = (made / 'model.onnx').read_bytes()
    damaged = dict(
        cut=whole[: len(whole) // 2],
        empty=b'',
        noise=random.Random(0).randbytes(9999),
        xml=b'<net/>',
    )
    for name, content in damaged.items():
        folder = shutil.copytree(made, tmp_path / 'all' / name)
        (folder / 'model.onnx').write_bytes(content)
        deploy.write_report(folder, REPORT)
    lines = run_alone(LOAD_ALONE, tmp_path / 'all', cwd=made)
    assert [line.split(' ')[0] for line in lines] == sorted(damaged)
    assert not any(line.endswith(' labels') for line in lines)


def damaged_bytes(content, rng):
    """Bytes with some flipped, cut out, repeated or cut off."""
    content = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 8])):
        at, length = rng.randrange(len(content)), rng.randrange(1, 100)
        kind = rng.randrange(4)
        if kind == 0:
            content[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            content[at : at + length] = content[at : at + length] * 2
        elif kind == 2:
            content[at : at + length] = rng.randbytes(length)
        else:
            del content[at : rng.choice([at + length, len(content)])]
        content = content or bytearray(1)
    return bytes(content)


@pytest.mark.slow
@pytest.mark.parametrize('name', ['model.onnx', 'model.xml', 'model.bin'])
def test_mutated_networks(tmp_path, name):
    """As above, many: an engine refuses them or labels the image, and does not crash."""
    made, rng = write_export(tmp_path / 'made'), random.Random(0)
    if name != 'model.onnx':
        write_openvino(made)
    whole, report = (made / name).read_bytes(), json.loads((made / 'report.json').read_text())
    for number in range(300):
        folder = shutil.copytree(made, tmp_path / 'all' / f'{number:03}')
        (folder / name).write_bytes(damaged_bytes(whole, rng))
        deploy.write_report(folder, report)
    assert len(run_alone(LOAD_ALONE, tmp_path / 'all', cwd=made)) == 300
