import subprocess
import sys

import cv2
import numpy as np
import pytest
from exported import run_alone, write_export, write_openvino

from mmseg_eff.deploy import Segmenter, load_runtime, runtime

REPORT = dict(
    classes=['a'],
    palette=[[1, 2, 3]],
    size=[8, 9],
    inside=['normalise', 'labels'],
    inputs=['image'],
    resize=None,
    normalise=None,
)


@pytest.mark.parametrize(
    ('image', 'message'),
    [
        (np.zeros((8, 9), np.uint8), r'of shape \(H, W, 3\), got uint8 of \(8, 9\)'),
        (np.zeros((8, 9, 3), np.float32), 'must be uint8 .* got float32'),
        (np.zeros((0, 9, 3), np.uint8), r'got uint8 of \(0, 9, 3\)'),
        (
            np.zeros((9, 8, 3), np.uint8),
            r'for 8x9, got 9x8: export with --any-size, or with --size 9 8',
        ),
    ],
)
def test_images_that_do_not_fit(image, message):
    segmenter = Segmenter(REPORT, lambda inputs: inputs['image'][..., 0])
    assert segmenter.segment(np.ones((8, 9, 3), np.uint8)).shape == (8, 9)
    with pytest.raises(ValueError, match=message):
        segmenter.segment(image)


def test_images_of_a_batch_have_one_size():
    segmenter = Segmenter({**REPORT, 'size': None}, lambda inputs: inputs['image'][..., 0])
    small, large = (np.ones((size, 9, 3), np.uint8) for size in (8, 10))
    assert [labels.shape for labels in segmenter.segment_batch([large])] == [(10, 9)]
    assert segmenter.segment_batch([]) == []
    with pytest.raises(ValueError, match=r'one size, got \[\(8, 9\), \(10, 9\)\]'):
        segmenter.segment_batch([large, small])


@pytest.mark.parametrize(('batch', 'runs'), [(1, [1] * 5), (2, [2] * 3), (8, [8]), (None, [5])])
def test_images_run_as_the_network_takes_them(batch, runs):
    given = []

    def run(inputs):
        given.append(len(inputs['image']))
        return inputs['image'][..., 0]

    images = np.arange(5 * 8 * 9 * 3).reshape(5, 8, 9, 3).astype(np.uint8)
    labels = Segmenter({**REPORT, 'batch': batch}, run).segment_batch(images)
    assert np.array_equal(labels, images[..., 0])
    assert given == runs


def test_no_exported_folder(tmp_path):
    with pytest.raises(ValueError, match='no exported network'):
        load_runtime(tmp_path)


THREADS = """
import sys
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from runtime import load_runtime
rng = np.random.default_rng(0)
images = [rng.integers(0, 256, (rng.integers(8, 40), 32, 3), np.uint8) for _ in range(40)]
segmenter = load_runtime('.', threads=1)
alone = [segmenter.segment(image) for image in images]
assert len({label.tobytes() for label in alone}) == 40

def count_wrong(seed):
    order = np.random.default_rng(seed).permutation(40)
    return sum(not np.array_equal(segmenter.segment(images[i]), alone[i]) for i in order)

with ThreadPoolExecutor(8) as pool:
    print(sum(pool.map(count_wrong, range(8))))
"""


@pytest.mark.parametrize('backend', ['onnx', 'openvino'])
def test_eight_threads_give_the_labels_of_one(tmp_path, backend):
    folder = write_export(tmp_path / 'export')
    if backend == 'openvino':
        write_openvino(folder)
    assert run_alone(THREADS, cwd=folder) == ['0']


SCORES = dict(output='probabilities', num_labels=2, threshold=None)


def labels(shape, dtype='uint8'):
    return np.zeros(shape, dtype)


@pytest.mark.parametrize(
    ('output', 'changed'),
    [
        pytest.param(labels((1, 9, 8)), {}, id='another size'),
        pytest.param(labels((2, 8, 9)), {}, id='two images'),
        pytest.param(labels((1, 8, 9)), dict(batch=2), id='one of two images'),
        pytest.param(labels((1, 3, 8, 9), 'float32'), SCORES, id='scores of other classes'),
        pytest.param(labels((1, 2, 4, 9), 'float32'), SCORES, id='scores of another size'),
        pytest.param(labels((1, 2, 8, 9)), SCORES, id='whole scores'),
        pytest.param(labels((8, 9)), {}, id='no axis of images'),
        pytest.param(labels((1, 8, 9), 'int32'), {}, id='labels of 32 bits'),
        pytest.param(labels((1, 8, 9), 'float32'), {}, id='fractions'),
        pytest.param(labels(()), {}, id='a number'),
        pytest.param([labels((1, 8, 9))], {}, id='a list'),
        pytest.param({}, {}, id='a record'),
        pytest.param(labels((1, 8, 9), 'float32'), dict(num_labels=300), id='wide fractions'),
        pytest.param(labels((1, 0, 8, 9), 'float32'), dict(inside=[]), id='logits of no class'),
        pytest.param(labels((4, 8, 9), 'float32'), dict(inside=[]), id='logits without images'),
        pytest.param(labels((1, 4, 8, 9), 'uint8'), dict(inside=[]), id='whole logits'),
    ],
)
def test_output_that_the_report_does_not_describe(output, changed):
    constants = dict(mean=[0], std=[1], to_rgb=False)
    segmenter = Segmenter({**REPORT, 'normalise': constants, **changed}, lambda _inputs: output)
    with pytest.raises(ValueError, match='the network gives'):
        segmenter.segment(np.zeros((8, 9, 3), np.uint8))


COMMAND = """
import sys
for name in {hidden}:
    sys.modules[name] = None
from runtime import main
status = main([*sys.argv[1:], '--threads', '1'])
assert not {{'torch', 'mmseg', 'mmcv', 'mmseg_eff'}} & set(sys.modules)
print(status)
"""


@pytest.mark.parametrize('hidden', [['cv2'], ['PIL']])
def test_the_folder_is_a_command(tmp_path, hidden):
    folder = write_export(tmp_path / 'export')
    rng = np.random.default_rng(0)
    images = {name: rng.integers(0, 256, (16, 24, 3), np.uint8) for name in 'ab'}
    for name, image in images.items():
        cv2.imwrite(str(tmp_path / f'{name}.png'), image)
    paths = [tmp_path / f'{name}.png' for name in images]
    code = COMMAND.format(hidden=hidden)
    out = tmp_path / 'new/labels'
    assert run_alone(code, *paths, '--out', out, cwd=folder) == ['0']
    segmenter = load_runtime(folder, threads=1)
    for path, image in zip(paths, images.values(), strict=True):
        read = cv2.imread(str(out / path.name), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(read, segmenter.segment(image))


def test_the_command_names_what_fails_and_goes_on(tmp_path):
    folder = write_export(tmp_path / 'export', size=[16, 24])
    cv2.imwrite(str(tmp_path / 'large.png'), np.zeros((32, 24, 3), np.uint8))
    cv2.imwrite(str(tmp_path / 'good.png'), np.zeros((16, 24, 3), np.uint8))
    names = ['none.png', 'large.png', 'good.png']
    command = [sys.executable, str(folder / 'runtime.py'), *names, '--out', 'labels']
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        'error: none.png: No such file or directory',
        'error: large.png: the network was exported for 16x24, got 32x24: export with --any-size, '
        'or with --size 32 24',
    ]
    assert [path.name for path in (tmp_path / 'labels').iterdir()] == ['good.png']


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['a.png'], 'the following arguments are required: --out'),
        (['a.png', 'b/a.jpg', '--out', 'labels'], 'two images have one name'),
    ],
)
def test_wrong_commands(arguments, message, capsys):
    with pytest.raises(SystemExit):
        runtime.main(arguments)
    assert message in capsys.readouterr().err


def test_images_of_a_loader_of_ones_own(tmp_path, monkeypatch, capsys):
    folder = write_export(tmp_path / 'export', loading=None)
    monkeypatch.setattr(runtime, '__file__', str(folder / 'runtime.py'))
    assert runtime.main(['a.png', '--out', str(tmp_path / 'labels')]) == 1
    assert capsys.readouterr().err.endswith('are read by a transform of its own\n')
