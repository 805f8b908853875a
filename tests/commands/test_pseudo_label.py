"""Pseudo labels; the processes of torchrun give the bytes that pytest's own process gives."""

import json
import os
import signal
import subprocess
import sys
import time
import weakref
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from helpers import read_image
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS, MODELS
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch.nn import functional as F

from mmseg_eff import compat
from mmseg_eff.commands.pseudo_label import LAUNCHERS, main
from mmseg_eff.converters import save_checkpoint
from mmseg_eff.datasets import ToyStreetDataset
from mmseg_eff.datasets.image_reader import ImageReader
from mmseg_eff.errors import InputError
from mmseg_eff.inference.segmentor import load_segmentor
from mmseg_eff.self_training import label_images, teacher
from mmseg_eff.self_training.label_files import read_record
from mmseg_eff.self_training.teacher import (
    build_views,
    choose_labels,
    mean_probabilities,
    threshold_of,
)
from mmseg_eff.visualization.overlay import color_table, draw_overlay

CONFIG = 'mmseg_eff::espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'
CLASSES = ToyStreetDataset.METAINFO['classes']
TOOL = Path(__file__).parents[2] / 'tools/pseudo_label.py'
LOAD, PACK = dict(type='LoadImageFromFile'), dict(type='PackSegInputs')
ANNOTATIONS = dict(type='LoadAnnotations')


def loaded(image):
    return ImageReader().from_loaded(image)


def small_config(**model):
    config = Config.fromfile(compat.PACKAGE_ROOT / '.mim/configs' / CONFIG.partition('::')[2])
    config.merge_from_dict(dict(model=dict(backbone=dict(num_blocks=(1, 1)), **model)))
    return config


def random_segmentor(gain=60, **model):
    """The demo's network, smaller, sure of some pixels and not of others."""
    init_default_scope('mmseg')
    torch.manual_seed(0)
    segmentor = MODELS.build(small_config(**model).model).eval()
    with torch.no_grad():
        segmentor.decode_head.conv_seg.weight.mul_(gain)
    return segmentor


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp('weights') / 'weights.pth'
    save_checkpoint(dict(state_dict=random_segmentor().state_dict(), meta={}), path)
    return path


def make_images(folder, names=('a', 'b', 'deep/c', 'deep/d', 'deep/e')):
    generator = np.random.default_rng(0)
    for index, name in enumerate(names):
        path = folder / f'{name}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = generator.integers(0, 256, (4, 6, 3), np.uint8)
        assert cv2.imwrite(str(path), cv2.resize(coarse, (64 + index, 33)))
    return folder


@pytest.fixture
def images(tmp_path):
    """A folder of five different images of odd sizes, in two folders."""
    return make_images(tmp_path / 'images')


def arguments(checkpoint, out, *inputs_and_options):
    argv = [CONFIG, str(checkpoint), *map(str, inputs_and_options), '--out', str(out)]
    argv += ['--device', 'cpu', '--cfg-options', 'model.backbone.num_blocks=(1,1)']
    return argv if '--scales' in argv else [*argv, '--scales', '0.5', '1']


def files(folder):
    """Contents of all files below a folder, by their relative paths."""
    paths = sorted(path for path in folder.rglob('*') if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def read_label(path):
    with Image.open(path) as label:
        return np.array(label)


def slide(model, x, crop, stride):
    """Mean logits of windows at every ``stride``, the last ones moved back inside."""
    total, count = 0, torch.zeros(x.shape[2:])
    starts = [
        sorted({min(start, max(0, side - crop)) for start in range(0, side, stride)})
        for side in x.shape[2:]
    ]
    for top in starts[0]:
        for left in starts[1]:
            rows, columns = slice(top, top + crop), slice(left, left + crop)
            window = model._forward(x[..., rows, columns])
            placed = torch.zeros(1, window.shape[1], *x.shape[2:])
            placed[..., rows, columns] = window
            total, count[rows, columns] = total + placed, count[rows, columns] + 1
    return total / count


def test_launchers():
    assert LAUNCHERS == label_images.LAUNCHERS


@pytest.mark.parametrize('flip', [False, True])
@pytest.mark.parametrize('kind', ['plain', 'resized', 'padded', 'slide'])
def test_mean_probabilities(kind, flip):
    model = random_segmentor(
        **{
            'padded': dict(data_preprocessor=dict(test_cfg=dict(size_divisor=32))),
            'slide': dict(test_cfg=dict(mode='slide', crop_size=(24, 24), stride=(16, 16))),
        }.get(kind, {})
    )
    height, width, sizes = 40, 56, [(20, 28), (40, 56), (80, 112)]
    steps = [LOAD, ANNOTATIONS, PACK]
    if kind == 'resized':
        sizes = [(16, 24), (32, 48), (64, 96)]
        steps.insert(1, dict(type='Resize', scale=(48, 32), keep_ratio=False))
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    found = mean_probabilities(model, build_views(steps, [0.5, 1.0, 2.0], flip), loaded(image))

    total, views = torch.zeros(9, height, width), 0
    for rows, columns in sizes:
        for is_mirrored in (False, True) if flip else (False,):
            shown = cv2.resize(image, (columns, rows)).astype(np.float32)
            x = torch.from_numpy((shown - 100) / 50).permute(2, 0, 1)[None]
            x = x.flip(3) if is_mirrored else x
            with torch.no_grad():
                if kind == 'slide':
                    logits = slide(model, x, 24, 16)
                elif kind == 'padded':
                    x = F.pad(x, (0, -columns % 32, 0, -rows % 32))
                    logits = model._forward(x)[..., :rows, :columns]
                else:
                    logits = model._forward(x)
            logits = logits.flip(3) if is_mirrored else logits
            logits = F.interpolate(logits, (height, width), mode='bilinear')
            total, views = total + logits.softmax(1)[0], views + 1
    assert found.std() > 0.1
    torch.testing.assert_close(found, total / views, rtol=0, atol=2e-6)


def test_one_view_of_logits_at_a_time(monkeypatch):
    model, seen = random_segmentor(), []
    step = model.test_step

    def watched(data):
        assert not any(logits() is not None for logits in seen)
        (sample,) = step(data)
        seen.append(weakref.ref(sample.seg_logits.data))
        return [sample]

    monkeypatch.setattr(model, 'test_step', watched)
    image = np.zeros((32, 48, 3), np.uint8)
    mean_probabilities(model, build_views([LOAD, PACK], [0.5, 1.0], flip=True), loaded(image))
    assert len(seen) == 4


def test_one_sigmoid_output_is_two_classes():
    model = random_segmentor(
        decode_head=dict(
            num_classes=2,
            out_channels=1,
            threshold=0.3,
            loss_decode=dict(
                _delete_=True, type='CrossEntropyLoss', use_sigmoid=True, class_weight=None
            ),
        )
    )
    image = np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)
    found = mean_probabilities(model, build_views([LOAD, PACK], [1.0], flip=False), loaded(image))
    x = torch.from_numpy((image.astype(np.float32) - 100) / 50).permute(2, 0, 1)[None]
    with torch.no_grad():
        foreground = model._forward(x)[0, 0].sigmoid()
    assert foreground.std() > 0.1
    torch.testing.assert_close(found, torch.stack([1 - foreground, foreground]))
    # as the network's own prediction: label 1 above its threshold, 0.3
    made = choose_labels(found, [-1.0, -1.0], foreground=threshold_of(model))
    assert np.array_equal(made.label, (found[1] > 0.3).numpy())
    assert (made.confidence[made.label == 1] < 0.5).any()
    chosen = torch.where(found[1] > 0.3, found[1], found[0])
    assert np.array_equal(made.confidence, chosen.numpy())


def test_several_sigmoid_outputs_are_taken_one_by_one():
    loss = dict(_delete_=True, type='CrossEntropyLoss', use_sigmoid=True, class_weight=None)
    model = random_segmentor(decode_head=dict(loss_decode=loss))
    image = np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)
    found = mean_probabilities(model, build_views([LOAD, PACK], [1.0], flip=False), loaded(image))
    assert threshold_of(model) is None
    x = torch.from_numpy((image.astype(np.float32) - 100) / 50).permute(2, 0, 1)[None]
    with torch.no_grad():
        logits = model.encode_decode(x, [dict(img_shape=(32, 48), ori_shape=(32, 48))])[0]
    torch.testing.assert_close(found, logits.sigmoid())


@pytest.mark.parametrize(
    ('step', 'scale', 'expected'),
    [
        (dict(type='Resize', scale=(100, 50), keep_ratio=True), 0.5, dict(scale=(50, 25))),
        (dict(type='Resize', scale=(100, 51), scale_factor=None), 2.0, dict(scale=(200, 102))),
        (dict(type='Resize', scale_factor=0.5), 2.0, dict(scale_factor=(1.0, 1.0))),
        (
            dict(type='ResizeShortestEdge', scale=64, max_size=200),
            0.5,
            dict(scale=32, max_size=100),
        ),
    ],
)
def test_resizing_of_the_pipeline_is_scaled(step, scale, expected):
    """No second resizing after it, and the config stays as it is."""
    steps = [LOAD, dict(step), PACK]
    (view,) = build_views(steps, [scale], flip=False)
    assert [type(part).__name__ for part in view.transforms] == [
        step['type'],
        'PackSegInputs',
    ]
    for name, value in expected.items():
        assert getattr(view.transforms[0], name) == value
    assert steps == [LOAD, step, PACK]


def test_padding_pipeline_is_refused():
    with pytest.raises(InputError, match='test_pipeline: Pad cannot be undone'):
        build_views([LOAD, dict(type='Pad', size_divisor=32), PACK], [1.0], flip=True)


def test_only_sure_pixels_keep_their_labels():
    """One row of pixels, two classes and the void; a probability must exceed its threshold."""
    probabilities = torch.tensor(
        [
            [0.50, 0.51, 0.20, 0.25, 0.10, 0.10],
            [0.30, 0.29, 0.60, 0.75, 0.10, 0.80],
            [0.20, 0.20, 0.20, 0.00, 0.80, 0.10],
        ]
    )[:, None]
    made = choose_labels(probabilities, [0.5, 0.75])
    assert made.label.tolist() == [[255, 0, 255, 255, 255, 1]] and made.label.dtype == np.uint8
    assert made.confidence.tolist() == probabilities.amax(0).tolist()
    assert (made.predicted, made.kept) == ([2, 3], [1, 1])
    assert choose_labels(probabilities, [1.0, 0.0]).label.tolist() == [[255, 255, 1, 1, 255, 1]]
    made = choose_labels(probabilities, [1.0, 0.0], ignore_index=11)
    assert made.label.tolist() == [[11, 11, 1, 1, 11, 1]]


def test_labels_report_and_overlays(checkpoint, images, tmp_path, capsys):
    out = tmp_path / 'out'
    options = ['--class-confidence', 'road=0.6', 'traffic sign=0.2', '--overlays', '2']
    assert main(arguments(checkpoint, out, images, '--save-confidence', *options)) == 0
    captured = capsys.readouterr()
    names = ['a', 'b', 'deep/c', 'deep/d', 'deep/e']
    expected = {f'{kind}/{name}.png' for kind in ('labels', 'confidence') for name in names}
    expected |= {'overlays/a.png', 'overlays/b.png', 'report.json', 'settings.json'}
    assert set(files(out)) == expected

    thresholds = torch.full((9,), 0.5)
    thresholds[CLASSES.index('road')], thresholds[CLASSES.index('traffic sign')] = 0.6, 0.2
    model = load_segmentor(small_config(), checkpoint, 'cpu')
    views = build_views(model.cfg.test_pipeline, [0.5, 1.0], flip=True)
    predicted, kept, pixels = np.zeros(9, int), np.zeros(9, int), 0
    for name in names:
        image = ImageReader().read(images / f'{name}.png')
        confidence, best = mean_probabilities(model, views, image).max(0)
        is_near = (confidence - thresholds[best]).abs() < 1e-5  # the tool's network is fused
        label = read_label(out / f'labels/{name}.png')
        wanted = best.masked_fill(confidence <= thresholds[best], 255)
        assert label.shape == image['img_shape']
        assert ((torch.from_numpy(label) == wanted) | is_near).all() and is_near.sum() < 3
        levels = read_label(out / f'confidence/{name}.png')
        assert np.abs(levels - 255 * confidence.numpy()).max() < 0.51
        predicted += best.flatten().bincount(minlength=9).numpy()
        kept += np.bincount(label.flat, minlength=256)[:9]
        pixels += label.size
    assert 0.1 < kept.sum() / pixels < 0.9
    label = read_label(out / 'labels/a.png')
    drawn = draw_overlay(
        read_image(images / 'a.png'), label, color_table(model.dataset_meta['palette'])
    )
    assert np.array_equal(read_image(out / 'overlays/a.png'), drawn)

    report = json.loads((out / 'report.json').read_text())
    rows = report['classes']
    assert [row['name'] for row in rows] == list(CLASSES)
    assert [row['kept_pixels'] for row in rows] == kept.tolist()
    assert np.abs([row['predicted_pixels'] for row in rows] - predicted).max() < 3
    assert (report['images'], report['pixels']) == (5, pixels)
    assert report['kept'] == kept.sum() / pixels
    for row in rows:
        whole = row['predicted_pixels']
        assert row['kept'] == (row['kept_pixels'] / whole if whole else None)
        assert row['share'] == row['kept_pixels'] / pixels
    assert report['scales'] == [0.5, 1.0] and report['flip'] and report['failed'] == {}
    assert report['class_confidence'] == {'road': 0.6, 'traffic sign': 0.2}
    assert f'5 images, {100 * report["kept"]:.2f} % of their pixels kept' in captured.out
    assert 'traffic sign' in captured.out


def test_share_of_every_class(checkpoint, images, tmp_path):
    """Its surest pixels in all images together."""
    out = tmp_path / 'out'
    argv = arguments(checkpoint, out, images, '--class-share', '0.4', '--overlays', '1')
    assert main(argv) == 0
    names = ['a', 'b', 'deep/c', 'deep/d', 'deep/e']
    folders = ('labels', 'all/labels', 'all/confidence')
    expected = {f'{folder}/{name}.png' for folder in folders for name in names}
    first = files(out)
    assert set(first) == expected | {'overlays/a.png', 'report.json', 'settings.json'}

    label, candidate, level = (
        np.concatenate(
            [read_label(out / folder / f'{name}.png').ravel().astype(int) for name in names]
        )
        for folder in folders
    )
    is_kept = label != 255
    assert np.array_equal(label[is_kept], candidate[is_kept]) and (candidate != 255).all()
    report = json.loads((out / 'report.json').read_text())
    assert report['class_share'] == 0.4 and report['confidence'] is None
    predicted = set(candidate)
    assert len(predicted) > 2
    for index, row in enumerate(report['classes']):
        is_class = candidate == index
        kept = is_class & is_kept
        counts = [is_class.sum(), kept.sum()]
        assert [row['predicted_pixels'], row['kept_pixels']] == counts
        if index in predicted:
            lowest = level[kept].min()
            assert lowest >= level[is_class & ~is_kept].max(initial=-1)
            assert counts[1] == np.ceil(0.4 * counts[0])
    colors = color_table(ToyStreetDataset.METAINFO['palette'])
    drawn = draw_overlay(read_image(images / 'a.png'), read_label(out / 'labels/a.png'), colors)
    assert np.array_equal(read_image(out / 'overlays/a.png'), drawn)

    for name in ('labels/b.png', 'all/labels/a.png', 'all/confidence/a.png'):
        (out / name).unlink()
    assert main(argv) == 0
    assert files(out) == first


def test_stopped_run_goes_on(checkpoint, images, tmp_path, capsys):
    out = tmp_path / 'out'
    argv = arguments(checkpoint, out, images)
    assert main(argv) == 0
    first, times_before = files(out), {}
    (out / 'labels/a.png').unlink()
    (out / 'labels/deep/c.png').write_bytes(first['labels/deep/c.png'][:20])
    dead = subprocess.run([sys.executable, '-c', 'import os; print(os.getpid())'], capture_output=1)
    (out / f'labels/deep/.d.png.{int(dead.stdout)}.tmp').write_bytes(b'half')
    for path in (out / 'labels').rglob('*.png'):
        times_before[path] = path.stat().st_mtime_ns
    assert main(argv) == 0
    assert files(out) == first
    changed = {
        path.name for path, before in times_before.items() if path.stat().st_mtime_ns > before
    }
    assert changed == {'c.png'}

    images.joinpath('b.png').write_bytes(images.joinpath('a.png').read_bytes())  # another image
    assert main(argv) == 0
    assert np.array_equal(read_label(out / 'labels/a.png'), read_label(out / 'labels/b.png'))
    assert files(out)['labels/deep/e.png'] == first['labels/deep/e.png']


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--scales', '1'], 'scales [0.5, 1.0], now [1.0]'),
        (['--no-flip'], 'flip True, now False'),
        (['--confidence', '0.9'], 'confidence 0.5, now 0.9'),
        (['--class-confidence', 'sky=0.3'], "class_confidence {}, now {'sky': 0.3}"),
        (['--class-share', '0.3'], 'confidence 0.5, now None; class_share None, now 0.3'),
        (['--save-confidence', '--overlays', '1'], 'save_confidence False, now True; overlays'),
    ],
)
def test_other_settings_are_refused(checkpoint, images, tmp_path, capsys, options, message):
    out = tmp_path / 'out'
    assert main(arguments(checkpoint, out, images / 'a.png')) == 0
    before = files(out)
    assert main(arguments(checkpoint, out, images, *options)) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith(f'error: {out}/settings.json: the labels there have {message}')
    assert files(out) == before


def test_other_weights_or_network_are_refused(checkpoint, images, tmp_path, capsys):
    out, other = tmp_path / 'out', tmp_path / 'other.pth'
    argv = arguments(checkpoint, out, images / 'a.png')
    assert main(argv) == 0
    save_checkpoint(dict(state_dict=random_segmentor(gain=50).state_dict(), meta={}), other)
    assert main(arguments(other, out, images / 'a.png')) == 1
    assert 'the labels there have checkpoint_sha256 ' in capsys.readouterr().err
    at = argv.index('--cfg-options') + 1
    argv.insert(at, 'model.data_preprocessor.mean=(90,90,90)')
    assert main(argv) == 1
    assert 'the labels there have config_sha256 ' in capsys.readouterr().err


def test_labels_of_others_stay(checkpoint, images, tmp_path, capsys):
    label = tmp_path / 'out/labels/a.png'
    label.parent.mkdir(parents=True)
    label.write_bytes(b'of a person')
    assert main(arguments(checkpoint, tmp_path / 'out', images)) == 1
    assert '/out/labels: holds files of something else' in capsys.readouterr().err
    assert label.read_bytes() == b'of a person'


def test_bad_image_does_not_stop_the_others(checkpoint, images, tmp_path, capsys):
    bad = images / 'deep/c.png'
    whole = bad.read_bytes()
    argv = arguments(checkpoint, tmp_path / 'out', images)
    bad.write_bytes(whole[:30])
    assert main(argv) == 1
    assert f'error: {bad}: cannot be decoded as an image (30 bytes)' in capsys.readouterr().err
    report = json.loads((tmp_path / 'out/report.json').read_text())
    assert report['images'] == 4 and list(report['failed']) == [str(bad)]
    assert not (tmp_path / 'out/labels/deep/c.png').exists()
    bad.write_bytes(whole)
    assert main(argv) == 0
    assert json.loads((tmp_path / 'out/report.json').read_text())['images'] == 5


def test_a_fault_of_the_network_is_a_line_of_its_image(
    checkpoint, images, tmp_path, capsys, monkeypatch
):
    def fault(model, views, image):
        if image['img_path'].endswith('b.png'):
            raise RuntimeError('out of memory')
        return mean_probabilities(model, views, image)

    monkeypatch.setattr(teacher, 'mean_probabilities', fault)
    assert main(arguments(checkpoint, tmp_path / 'out', images)) == 1
    assert f'error: {images}/b.png: does not fit into memory' in capsys.readouterr().err
    assert len(list((tmp_path / 'out/labels').rglob('*.png'))) == 4


@pytest.mark.parametrize('text', ['[]', '{', '[' * 10**5, ''])
def test_settings_that_are_none(checkpoint, images, tmp_path, capsys, text):
    path = tmp_path / 'out/settings.json'
    path.parent.mkdir()
    path.write_text(text)
    assert main(arguments(checkpoint, tmp_path / 'out', images)) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith(f'error: {path}: ')


@pytest.mark.parametrize('record', ['[1]', '{', '{"image": 1}', 'null'])
def test_a_label_with_another_record_is_made_anew(tmp_path, record):
    text = PngInfo()
    text.add_text('pseudo-label', record)
    Image.new('L', (4, 4)).save(tmp_path / 'a.png', pnginfo=text)
    assert read_record(tmp_path / 'a.png') is None


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--class-confidence', 'rod=0.3'], 'class_confidence: expected classes of road,'),
        (['--class-confidence', 'road'], "road: expected CLASS=NUMBER, got ''"),
        (['--class-confidence', 'road=x'], "of road must be a number from 0 to 1, got 'x'"),
        (['--confidence', '1.5'], '--confidence must be a number from 0 to 1, got 1.5'),
        (['--scales', '1', '0'], '--scales must be above 0, got 0'),
        (['--images-of', CONFIG], 'give either IMAGE… or --images-of CONFIG'),
        (['--class-share', '0'], '--class-share must be above 0, at most 1, got 0'),
        (['--class-share', '1', '--confidence', '0'], 'give either --class-share or --confidence'),
    ],
)
def test_wrong_options(checkpoint, images, tmp_path, capsys, options, message):
    assert main(arguments(checkpoint, tmp_path / 'out', images, *options)) == 1
    error = capsys.readouterr().err
    assert message in error and error.startswith('error: ') and error.count('\n') == 1
    assert not (tmp_path / 'out').exists()


def write_training(path, root, labels, **unlabelled):
    """A config that trains on two datasets, the second without labels."""
    common = dict(type='ToyStreetDataset', pipeline=[LOAD, ANNOTATIONS, PACK])
    prefix = dict(img_path=str(root / 'extra'), seg_map_path=str(labels))
    second = {**common, 'data_prefix': prefix, **unlabelled}
    datasets = [dict(common, data_root=str(root / 'toystreet')), second]
    path.write_text(
        f'train_dataloader = dict(dataset=dict(type="ConcatDataset", datasets={datasets}))'
    )
    return str(path)


def test_images_of_a_training(checkpoint, toy_root, tmp_path, monkeypatch):
    """Each label is where the dataset will look for it, with its suffix."""
    monkeypatch.chdir(tmp_path)  # OUT is relative, the config's path is not
    make_images(tmp_path / 'extra', ('x_image', 'deep/y_image', 'deep/z_image'))
    (tmp_path / 'toystreet').symlink_to(toy_root / 'toystreet')
    training = write_training(
        tmp_path / 'training.py',
        tmp_path,
        tmp_path / 'out/labels/extra',
        img_suffix='_image.png',
        seg_map_suffix='_label.png',
        indices=[0, 2],
    )
    assert main(arguments(checkpoint, 'out', '--images-of', training)) == 0
    made = {name for name in files(tmp_path / 'out') if name.startswith('labels')}
    assert made == {'labels/extra/deep/y_label.png', 'labels/extra/x_label.png'}

    dataset = DATASETS.build(Config.fromfile(training).train_dataloader.dataset)
    assert len(dataset) == 4 + 2
    labelled = [dataset[index]['data_samples'].gt_sem_seg.data for index in (4, 5)]
    assert all(0 < (label != 255).sum() < label.numel() for label in labelled)
    assert torch.equal(
        labelled[1][0], torch.from_numpy(read_label('out/labels/extra/x_label.png')).long()
    )


@pytest.mark.parametrize(
    ('labels', 'unlabelled', 'message'),
    [
        ('elsewhere', {}, 'no dataset of train_dataloader has a seg_map_path below out/labels'),
        (
            'out/labels',
            dict(reduce_zero_label=True),
            'would read the labels in out/labels as other',
        ),
        ('out/labels', dict(metainfo=dict(classes=CLASSES[1:])), 'as other classes'),
        ('out/labels', dict(seg_map_suffix='.tif'), 'a.tif: labels are written as .png'),
        ('out/labels', dict(img_suffix='.jpg'), 'extra: holds no image *.jpg'),
    ],
)
def test_wrong_training(
    checkpoint, toy_root, tmp_path, monkeypatch, capsys, labels, unlabelled, message
):
    monkeypatch.chdir(tmp_path)
    make_images(tmp_path / 'extra', ('a',))
    (tmp_path / 'toystreet').symlink_to(toy_root / 'toystreet')
    training = write_training(tmp_path / 'training.py', tmp_path, labels, **unlabelled)
    assert main(arguments(checkpoint, 'out', '--images-of', training)) == 1
    error = capsys.readouterr().err
    assert message in error and error.count('\n') == 1
    assert not files(tmp_path / 'out')


def test_label_wanted_for_two_images(checkpoint, toy_root, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    make_images(tmp_path / 'extra', ('a',))
    make_images(tmp_path / 'more', ('a',))
    datasets = [
        dict(
            type='ToyStreetDataset',
            data_prefix=dict(img_path=str(tmp_path / name), seg_map_path='out/labels'),
        )
        for name in ('extra', 'more')
    ]
    training = tmp_path / 'training.py'
    training.write_text(f'train_dataloader = dict(dataset=dict(datasets={datasets}))')
    assert main(arguments(checkpoint, 'out', '--images-of', training)) == 1
    error = capsys.readouterr().err
    assert f'wanted for two images, {tmp_path}/extra/a.png and {tmp_path}/more/a.png' in error


def environment():
    return {**os.environ, 'GLOO_SOCKET_IFNAME': 'lo', 'OMP_NUM_THREADS': '1'}


@pytest.mark.slow
@pytest.mark.parametrize(
    ('options', 'files_of_an_image', 'finished'),
    [
        (['--save-confidence'], 3, 'labels/a.png'),
        (['--class-share', '0.4'], 4, 'all/labels/a.png'),
    ],
)
def test_two_processes_share_the_images(
    checkpoint, images, tmp_path, options, files_of_an_image, finished
):
    """With a label that one of them finds finished, and an image that the other cannot read."""
    (images / 'b.png').write_bytes(b'bad')
    one, two = tmp_path / 'one', tmp_path / 'two'
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    assert main(arguments(checkpoint, one, images, *options)) == 1
    assert main(arguments(checkpoint, two, images / 'a.png', *options)) == 0
    torch.set_num_threads(threads)
    begun = files(two)[finished]
    command = [sys.executable, '-W', 'ignore', '-m', 'torch.distributed.run', '--standalone']
    command += ['--local-addr', '127.0.0.1', '--nproc-per-node', '2', str(TOOL)]
    command += [*arguments(checkpoint, two, images, *options), '--launcher', 'pytorch']
    done = subprocess.run(command, env=environment(), capture_output=True, text=True)
    assert done.returncode == 1, done.stderr[-3000:]
    assert done.stderr.count(f'error: {images}/b.png: cannot be decoded') == 1
    assert done.stdout.count('4 images, ') == 1
    assert len(files(one)) == 4 * files_of_an_image + 2
    assert files(two) == files(one)
    assert files(two)[finished] == begun


@pytest.mark.slow
def test_killed_run_goes_on(checkpoint, tmp_path):
    images = make_images(tmp_path / 'images', [f'{index:03d}' for index in range(40)])
    whole, killed = tmp_path / 'whole', tmp_path / 'killed'
    command = [sys.executable, '-W', 'ignore', str(TOOL)]

    def start(out):
        argv = arguments(checkpoint, out, images)
        return subprocess.Popen(
            [*command, *argv], env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )

    def wait(process):
        error = process.communicate()[1]
        assert process.returncode == 0, error[-3000:]

    wait(start(whole))
    counts = []
    for wanted in (1, 12, 24):
        process = start(killed)
        while len(list(killed.glob('labels/*.png'))) < wanted:
            assert process.poll() is None
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        counts.append(len(list(killed.glob('labels/*.png'))))
        for path in killed.glob('labels/*.png'):
            assert path.read_bytes() == (whole / 'labels' / path.name).read_bytes()
    assert counts[0] < counts[1] < counts[2] < 40
    wait(start(killed))
    assert files(killed) == files(whole)
