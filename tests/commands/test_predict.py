import json
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from helpers import FunctionSegmentor, parsed, read_image

from mmseg_eff.commands import predict as module
from mmseg_eff.commands.predict import main
from mmseg_eff.converters import save_checkpoint
from mmseg_eff.deploy import segmentor as inference
from mmseg_eff.errors import InputError, OutputError
from mmseg_eff.inference.inputs import collect_sources
from mmseg_eff.inference.predict import predict
from mmseg_eff.inference.segmentor import load_segmentor
from mmseg_eff.visualization.overlay import color_table, draw_overlay

LEAF = 'mmseg_eff::espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    """Weights of the demo's network, as they are drawn."""
    from mmengine.config import Config
    from mmengine.registry import init_default_scope
    from mmseg.registry import MODELS

    from mmseg_eff import compat

    init_default_scope('mmseg')
    config = Config.fromfile(compat.PACKAGE_ROOT / '.mim/configs' / LEAF.partition('::')[2])
    path = tmp_path_factory.mktemp('weights') / 'weights.pth'
    save_checkpoint(dict(state_dict=MODELS.build(config.model).state_dict(), meta={}), path)
    return path


def make_video(path, frames=3, size=(64, 48)):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), 5, size)
    for index in range(frames):
        writer.write(np.full((size[1], size[0], 3), 60 * index, np.uint8))
    writer.release()
    return path


def brightness(image):
    return (image.mean(2) // 64).astype(np.uint8)


def plain(image, label):
    return draw_overlay(image, label, color_table([[255, 0, 0]]))


def test_folder_video_and_a_bad_file(checkpoint, tmp_path, make_image, capsys):
    source, out = tmp_path / 'in', tmp_path / 'out'
    make_image(source / 'a.png')
    make_image(source / 'deep/b.jpg', 37, 51)  # an odd size
    make_video(source / 'clip.mp4')
    (source / 'bad.png').write_bytes((source / 'a.png').read_bytes()[:200])
    (source / 'notes.txt').write_text('no image')

    argv = [LEAF, str(checkpoint), str(source), '--out', str(out), '--device', 'cpu']
    assert main(argv) == 1
    captured = capsys.readouterr()
    assert '3 of 4 inputs' in captured.out
    assert f'error: {source}/bad.png: cannot be decoded as an image (200 bytes)' in captured.err
    files = sorted(str(p.relative_to(out)) for p in out.rglob('*') if p.is_file())
    assert files == [
        'labels/a.png',
        *(f'labels/clip/{frame:06d}.png' for frame in range(3)),
        'labels/deep/b.png',
        'overlays/a.png',
        'overlays/clip.mp4',
        'overlays/deep/b.png',
    ]
    label = cv2.imread(str(out / 'labels/deep/b.png'), cv2.IMREAD_UNCHANGED)
    assert label.shape == (37, 51) and label.max() < 9
    model = load_segmentor(module.read_config_of(parsed([LEAF])), checkpoint)
    image = read_image(source / 'deep/b.jpg')
    expected = draw_overlay(image, label, color_table(model.dataset_meta['palette']))
    assert np.array_equal(read_image(out / 'overlays/deep/b.png'), expected)


def test_names_of_the_outputs(tmp_path, make_image):
    for name in ('x/a.png', 'x/a.jpg', 'x/b.webp', 'y/b.png'):
        make_image(tmp_path / name)

    def names(*inputs):
        return sorted(
            source.name for source in collect_sources([str(tmp_path / i) for i in inputs])
        )

    assert names('x') == ['a.jpg', 'a.png', 'b']
    assert names('x/a.*') == ['a.jpg', 'a.png']
    assert names('.') == ['x/a.jpg', 'x/a.png', 'x/b', 'y/b']
    assert names('x/b.webp', 'x') == ['a.jpg', 'a.png', 'b']
    assert names('x/b.webp', 'y/b.png') == ['b.png', 'b.webp']
    make_image(tmp_path / 'y/b.webp')
    with pytest.raises(InputError, match=r'b\.webp: two inputs have this name'):
        names('x/b.webp', 'y/b.webp', 'y/b.png')


def test_hidden_files_and_earlier_outputs_are_skipped(tmp_path, make_image, capsys):
    for name in (
        *('a.png', 'deep/b.jpg', '.hidden.png', '.cache/c.png', 'deep/._b.jpg'),
        *('labels/d.png', 'run/labels/a.png', 'run/overlays/a.png', 'run/e.png'),
    ):
        make_image(tmp_path / name)
    for name in ('notes.txt', 'deep/x.json', 'deep/list.csv'):
        (tmp_path / name).write_text('x')
    names = [source.name for source in collect_sources([str(tmp_path)])]
    assert names == ['a', 'deep/b', 'labels/d', 'run/e']  # labels/ alone are of no run
    expected = 'skipped 3 files of another suffix: list.csv, notes.txt, x.json\n'
    assert capsys.readouterr().err == expected
    names = [source.name for source in collect_sources([str(tmp_path / 'run/overlays')])]
    assert names == ['a']  # asked for
    assert [s.name for s in collect_sources([str(tmp_path / '.hidden.png')])] == ['.hidden']


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        ('none.png', 'no such file or folder, and no match as a glob'),
        ('empty', 'holds no image or video; known suffixes are .bmp'),
        ('notes.txt', 'holds no image or video'),
        ('*.gif', 'no match as a glob'),
    ],
)
def test_nothing_to_segment(tmp_path, given, message):
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'notes.txt').write_text('x')
    with pytest.raises(InputError, match=message) as caught:
        collect_sources([str(tmp_path / given)])
    assert str(caught.value).startswith(str(tmp_path / given))


def test_damaged_video_leaves_no_overlay(tmp_path):
    video = make_video(tmp_path / 'clip.mp4')
    video.write_bytes(video.read_bytes()[:600])
    failed = predict(
        collect_sources([str(video)]), tmp_path / 'out', FunctionSegmentor(brightness), plain
    )
    assert 'frames could be decoded' in failed[video]
    assert not list((tmp_path / 'out/overlays').iterdir())


def test_overlay_mixes_colors_of_the_palette():
    image = np.full((1, 3, 3), 100, np.uint8)
    label = np.array([[0, 1, 255]], np.uint8)
    overlay = draw_overlay(image, label, color_table([[200, 0, 0], [0, 0, 50]]), opacity=0.5)
    assert overlay.tolist() == [[[50, 50, 150], [75, 50, 50], [50, 50, 50]]]  # BGR


def test_wrong_opacity(checkpoint, tmp_path, capsys):
    assert main([LEAF, str(checkpoint), '.', '--out', str(tmp_path), '--opacity', '2']) == 1
    assert '--opacity must be between 0 and 1, got 2.0' in capsys.readouterr().err


@pytest.fixture
def exported(tmp_path, monkeypatch):
    """An exported folder whose engine tells dark from bright; the images it has seen."""
    folder, seen = tmp_path / 'exported', []
    folder.mkdir()

    def segment(image):
        seen.append(image.shape)
        return brightness(image)

    def load_runtime(path, threads):
        assert str(path) == str(folder)
        report = dict(resize=json.loads((folder / 'resize.json').read_text()))
        palette = [[i, i, i] for i in range(4)]
        return SimpleNamespace(segment=segment, palette=palette, report=report)

    (folder / 'resize.json').write_text('null')
    monkeypatch.setattr(inference, 'load_runtime', load_runtime)
    return folder, seen


@pytest.mark.parametrize('tile', [None, 32])
def test_exported_folder(exported, tmp_path, make_image, tile):
    folder, seen = exported
    paths = [make_image(tmp_path / name) for name in ('a.png', 'b.png')]
    option = [] if tile is None else ['--tile', str(tile), '--overlap', '0']
    argv = [str(folder), str(paths[0]), '--out', str(tmp_path / 'out'), *option, str(paths[1])]
    assert main(argv) == 0
    assert len(seen) == 2 * (1 if tile is None else 4)
    for path in paths:
        labels = cv2.imread(str(tmp_path / 'out/labels' / path.name), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(labels, brightness(read_image(path)))


def test_tiles_must_not_be_resized(exported, tmp_path, make_image, capsys):
    folder, seen = exported
    (folder / 'resize.json').write_text('{"scale": [64, 32]}')
    image = make_image(tmp_path / 'a.png')
    assert main([str(folder), str(image), '--out', str(tmp_path), '--tile', '512']) == 1
    assert f'needs an export that does not resize; {folder} does' in capsys.readouterr().err
    assert not seen


@pytest.mark.parametrize(
    ('option', 'name'),
    [
        (['--crf'], 'crf'),
        (['--output-stride', '8'], 'output-stride'),
        (['--device', 'cpu'], 'device'),
        (['--cfg-options', 'a=1'], 'cfg-options'),
    ],
)
def test_options_of_a_config(exported, tmp_path, make_image, capsys, monkeypatch, option, name):
    monkeypatch.setattr(module, 'build_crf', lambda args: None)
    folder, seen = exported
    image = make_image(tmp_path / 'a.png')
    assert main([str(folder), str(image), '--out', str(tmp_path / 'out'), *option]) == 1
    assert f'error: --{name} is for a config; {folder} is an exported' in capsys.readouterr().err
    assert not seen


def test_tiles_of_a_config(checkpoint, tmp_path, make_image, capsys):
    config, image = tmp_path / 'config.py', make_image(tmp_path / 'a.png', 80, 130)
    config.write_text(
        f"_base_ = '{LEAF}'\n"
        "test_pipeline = [dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]\n"
    )
    model = load_segmentor(config, checkpoint, 'cpu')
    expected = inference.segment_image(model, read_image(image))

    resize = "dict(type='Resize', scale=(40, 20))"
    config.write_text(config.read_text().replace(', dict', f', {resize}, dict'))
    argv = [str(config), str(checkpoint), str(image), '--out', str(tmp_path), '--device', 'cpu']
    assert main([*argv, '--tile', '512']) == 0  # one tile
    assert 'resolution of the image: no Resize of the test' in capsys.readouterr().out
    label = cv2.imread(str(tmp_path / 'labels/a.png'), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(label, expected)
    assert main([*argv, '--tile', '100']) == 1
    assert '--tile must be a multiple of 32, got 100' in capsys.readouterr().err


def test_no_input(checkpoint, tmp_path, capsys):
    assert main([LEAF, str(checkpoint), '--out', str(tmp_path)]) == 1
    assert f'no INPUT behind checkpoint ({LEAF} is no exported folder)' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('fault', 'reason'),
    [
        (RuntimeError("can't allocate memory: you tried to"), 'does not fit into memory'),
        (MemoryError(), 'does not fit into memory'),
        (RuntimeError('kernel larger than input'), 'RuntimeError: kernel larger than input'),
        (IndexError('x'), 'IndexError: x'),
        (cv2.error('odd'), 'error: odd'),
    ],
)
def test_any_fault_of_one_image_is_its_line(tmp_path, make_image, monkeypatch, fault, reason):
    def segment(image):
        if image.shape[1] == 51:
            raise fault
        return brightness(image)

    for name, width in (('a', 64), ('b', 51), ('c', 64)):
        make_image(tmp_path / f'in/{name}.png', 48, width)
    sources = collect_sources([str(tmp_path / 'in')])
    failed = predict(sources, tmp_path / 'out', FunctionSegmentor(segment), plain)
    bad = tmp_path / 'in/b.png'
    assert list(failed) == [bad] and failed[bad].startswith(f'{bad}: {reason}')
    assert sorted(p.name for p in (tmp_path / 'out/labels').iterdir()) == ['a.png', 'c.png']
    monkeypatch.setenv('MMSEG_EFF_TRACEBACK', '1')
    with pytest.raises(type(fault)):
        predict(sources, tmp_path / 'out', FunctionSegmentor(segment), plain)


def test_a_full_disk_ends_the_folder(tmp_path, make_image, monkeypatch):
    def refuse(*_):
        raise OSError(28, 'No space left on device')

    for name in 'ab':
        make_image(tmp_path / f'in/{name}.png')
    sources = collect_sources([str(tmp_path / 'in')])
    monkeypatch.setattr('pathlib.Path.write_bytes', refuse)
    line = r'out/labels/a\.png: cannot be written \(No space left on device\)'
    with pytest.raises(OutputError, match=line):
        predict(sources, tmp_path / 'out', FunctionSegmentor(brightness), plain)


def test_a_video_that_opencv_cannot_write(tmp_path, monkeypatch):
    """OpenCV says nothing of it."""

    class Silent:
        def __init__(self, path, *_):
            Path(path).touch()

        def write(self, _frame):
            pass

        def release(self):
            pass

    sources = collect_sources([str(make_video(tmp_path / 'clip.mp4'))])
    monkeypatch.setattr(cv2, 'VideoWriter', Silent)
    monkeypatch.setattr(cv2, 'VideoWriter_fourcc', lambda *_: 0)
    with pytest.raises(OutputError, match=r'overlays/clip\.mp4: cannot be written'):
        predict(sources, tmp_path / 'out', FunctionSegmentor(brightness), plain)
    assert not list((tmp_path / 'out/overlays').iterdir())


@pytest.mark.parametrize('color', [(-1, 0, 0), (256, 0, 0), (0.5, 0, 0), (0, 0), 'red', 7])
def test_colours_that_are_none(color):
    with pytest.raises(InputError, match=r'palette has the colour .* for class 1; expected three'):
        color_table([(0, 0, 0), color])
