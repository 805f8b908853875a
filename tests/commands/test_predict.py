import json
import re
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from helpers import parsed, read_image
from videos import make_video

from mmseg_eff import predict
from mmseg_eff.commands import predict as module
from mmseg_eff.commands.predict import main
from mmseg_eff.converters import save_checkpoint
from mmseg_eff.inference.segmentor import load_segmentor, segment_image
from mmseg_eff.visualization.overlay import color_table, draw_overlay

TOY = 'mmseg_eff::espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    """Weights of the demo's network, as they are drawn."""
    from mmengine.config import Config
    from mmengine.registry import init_default_scope
    from mmseg.registry import MODELS

    from mmseg_eff import compat

    init_default_scope('mmseg')
    config = Config.fromfile(compat.PACKAGE_ROOT / '.mim/configs' / TOY.partition('::')[2])
    path = tmp_path_factory.mktemp('weights') / 'weights.pth'
    save_checkpoint(dict(state_dict=MODELS.build(config.model).state_dict(), meta={}), path)
    return path


def brightness(image):
    return (image.mean(2) // 64).astype(np.uint8)


def test_folder_video_and_a_bad_file(checkpoint, tmp_path, make_image, capsys):
    source, out = tmp_path / 'in', tmp_path / 'out'
    make_image(source / 'a.png')
    make_image(source / 'deep/b.jpg', 37, 51)  # an odd size
    make_video(source / 'clip.mp4')
    (source / 'bad.png').write_bytes((source / 'a.png').read_bytes()[:200])
    (source / 'notes.txt').write_text('no image')

    argv = [TOY, str(checkpoint), str(source), '--out', str(out), '--device', 'cpu']
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
    model = load_segmentor(module.read_config_of(parsed([TOY])), checkpoint)
    image = read_image(source / 'deep/b.jpg')
    expected = draw_overlay(image, label, color_table(model.dataset_meta['palette']))
    assert np.array_equal(read_image(out / 'overlays/deep/b.png'), expected)


def test_options_of_overlays_and_the_speed(checkpoint, tmp_path, make_image, capsys):
    image = make_image(tmp_path / 'a.png', 64, 96)
    argv = [TOY, str(checkpoint), str(image), '--out', str(tmp_path / 'out'), '--device', 'cpu']
    assert main([*argv, '--legend', '--outline', '--palette', 'colorblind']) == 0
    assert re.search(
        r'\n1 image in [0-9.]+ s: \d+ ms per image, \d+ ms of', capsys.readouterr().out
    )
    model = load_segmentor(module.read_config_of(parsed([TOY])), checkpoint, 'cpu')
    (prediction,) = predict(model, image)
    expected = prediction.overlay(legend=True, outline=True, palette='colorblind')
    found = read_image(tmp_path / 'out/overlays/a.png')
    assert found.shape == expected.shape and found.shape[0] > 64
    assert (found == expected).mean() > 0.9  # the command's network is optimised
    assert main([*argv, '--palette', 'dark']) == 1
    assert capsys.readouterr().err == 'error: palette dark is unknown; allowed are colorblind\n'


def test_a_camera_that_is_not_there(checkpoint, tmp_path, capsys):
    argv = [TOY, str(checkpoint), 'camera:97', '--out', str(tmp_path / 'out'), '--device', 'cpu']
    assert main([*argv, '--max-frames', '3']) == 1
    captured = capsys.readouterr()
    assert '0 of 1 inputs' in captured.out and 'ms per image' not in captured.out
    line = 'error: camera:97: cannot be opened (no such camera, or another program uses it)\n'
    assert captured.err.endswith(line)


def test_wrong_opacity(checkpoint, tmp_path, capsys):
    assert main([TOY, str(checkpoint), '.', '--out', str(tmp_path), '--opacity', '2']) == 1
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
        return SimpleNamespace(
            segment=segment, palette=palette, classes=tuple('abcd'), report=report
        )

    (folder / 'resize.json').write_text('null')
    monkeypatch.setattr('mmseg_eff.deploy.segmentor.load_runtime', load_runtime)
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
    line = f'error: tiles need an export that does not resize; {folder} does\n'
    assert capsys.readouterr().err == line
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
        f"_base_ = '{TOY}'\n"
        "test_pipeline = [dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]\n"
    )
    model = load_segmentor(config, checkpoint, 'cpu')
    expected = segment_image(model, read_image(image))

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
    assert main([TOY, str(checkpoint), '--out', str(tmp_path)]) == 1
    assert f'no INPUT after checkpoint ({TOY} is no exported folder)' in capsys.readouterr().err
