import errno
import os
import struct
from functools import partial

import cv2
import numpy as np
import pytest
import torch
from helpers import FunctionSegmentor, read_image
from hostile_files import arrays
from torch import nn
from torch.nn import functional as F

from mmseg_eff.datasets.image_reader import ImageReader
from mmseg_eff.errors import InputError, OutputError
from mmseg_eff.inference.inputs import collect_sources
from mmseg_eff.inference.region_readers import REGION_SUFFIXES, open_regions
from mmseg_eff.inference.tile_files import make_array
from mmseg_eff.inference.tile_grid import check_tiling, plan_tiles
from mmseg_eff.inference.tiling import Tiling, predict_tiled, save_tiled
from mmseg_eff.models.backbones.espnet import ESPNet
from mmseg_eff.visualization.overlay import OverlayStyle, color_table, draw_overlay

ARRAYS = arrays()


def picture(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def brightness(image):
    return (image.mean(2) // 64).astype(np.uint8)


def run(path, out, size=64, overlap=0, segment=brightness, style=None, **settings):
    """Segment a file by tiles; its labels and the number of tiles."""
    style = style or OverlayStyle()
    (source,) = collect_sources([path], REGION_SUFFIXES)
    tiling = Tiling(size, overlap, settings)
    told = list(save_tiled(source, out, FunctionSegmentor(segment), style, tiling))
    assert told == [len(told)] * len(told)
    return cv2.imread(str(out / f'labels/{source.name}.png'), cv2.IMREAD_UNCHANGED), len(told)


@pytest.mark.parametrize('size', [(64, 0), (64, 16), (96, 32)])
@pytest.mark.parametrize('shape', [(1, 1), (64, 65), (200, 333), (31, 400)])
def test_kept_parts_cover_the_image_once(shape, size):
    count = np.zeros(shape, int)
    for tile in plan_tiles(shape, *size):
        count[tile.keep] += 1
        for read, keep, length in zip(tile.read, tile.keep, shape, strict=True):
            assert read.start % (size[0] - 2 * size[1]) == 0
            assert 0 < read.stop - read.start <= size[0]
            assert keep.start - read.start == (size[1] if read.start else 0)
            assert read.stop - keep.stop == (size[1] if read.stop < length else 0)
    assert (count == 1).all()


@pytest.mark.parametrize(
    ('size', 'overlap', 'message'),
    [
        (100, 0, '--tile must be a multiple of 32, got 100'),
        (64, 5, '--overlap must be a multiple of 32, got 5'),
        (64, -32, '--overlap must be a multiple of 32, got -32'),
        (64, 32, r'--tile must be more than twice --overlap \(32\), got 64'),
        (0, 0, r'--tile must be more than twice --overlap \(0\), got 0'),
    ],
)
def test_wrong_tiling(size, overlap, message):
    with pytest.raises(InputError, match=message):
        check_tiling(size, overlap, prefix='--')
    with pytest.raises(InputError, match=message.replace('--', '')):
        check_tiling(size, overlap)


def write_npy(path, image):
    np.save(path, image[..., ::-1])
    return path


def write_png(path, image):
    assert cv2.imwrite(str(path), image)
    return path


def write_tiled_tiff(path, image, tile=64):
    """The simplest file that OpenSlide reads: uncompressed tiles, TIFF 6.0, section 15."""
    height, width = image.shape[:2]
    rows, columns = -(-height // tile), -(-width // tile)
    padded = np.zeros((rows * tile, columns * tile, 3), np.uint8)
    padded[:height, :width] = image[..., ::-1]
    tiles = padded.reshape(rows, tile, columns, tile, 3).swapaxes(1, 2)
    count, bytes_each = rows * columns, tile * tile * 3
    entries = 11
    lists = 8 + 2 + 12 * entries + 4  # what follows the directory
    data = lists + 6 + 8 * count
    tags = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 3, lists),  # bits per sample
        (259, 3, 1, 1),  # no compression
        (262, 3, 1, 2),  # RGB
        (277, 3, 1, 3),
        (284, 3, 1, 1),  # interleaved
        (322, 4, 1, tile),
        (323, 4, 1, tile),
        (324, 4, count, lists + 6),
        (325, 4, count, lists + 6 + 4 * count),
    ]
    assert len(tags) == entries
    with path.open('wb') as file:
        file.write(struct.pack('<2sHIH', b'II', 42, 8, entries))
        for tag in tags:
            file.write(struct.pack('<HHII', *tag))
        file.write(struct.pack('<I3H', 0, 8, 8, 8))
        file.write(struct.pack(f'<{count}I', *(data + i * bytes_each for i in range(count))))
        file.write(struct.pack(f'<{count}I', *[bytes_each] * count))
        file.write(tiles.tobytes())
    return path


@pytest.mark.parametrize('write', [write_npy, write_png, write_tiled_tiff])
def test_regions_of_files(tmp_path, write):
    if write is write_tiled_tiff:
        pytest.importorskip('openslide')
    image = picture(150, 200)
    name = {write_npy: 'a.npy', write_png: 'a.png', write_tiled_tiff: 'a.tif'}[write]
    shape, read, _ = open_regions(write(tmp_path / name, image), ImageReader())
    assert shape == (150, 200)
    for region in (slice(0, 150), slice(0, 200)), (slice(60, 131), slice(3, 70)):
        assert np.array_equal(read(region)['img'], image[region])
    labels, tiles = run(tmp_path / name, tmp_path / 'out')
    assert tiles == 12 and np.array_equal(labels, brightness(image))


@pytest.mark.parametrize(
    ('name', 'make', 'message'),
    [
        ('a.npy', lambda p: p.write_bytes(b'noise'), 'is no array'),
        ('a.npy', lambda p: np.save(p, np.zeros((4, 4), np.uint8)), r'\(H, W, 3\), RGB; is uint8'),
        ('a.npy', lambda p: np.save(p, np.zeros((4, 4, 3))), 'is float64'),
        ('a.svs', lambda p: p.write_bytes(b'noise'), 'OpenSlide cannot read it'),
        ('a.tif', lambda p: p.write_bytes(b'noise'), r'cannot be decoded as an image \(5 bytes\)'),
    ],
)
def test_unreadable_files(tmp_path, name, make, message):
    path = tmp_path / name
    make(path)
    with pytest.raises(InputError, match=message) as caught:
        open_regions(path, ImageReader())
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize('name', ARRAYS)
def test_arrays_that_are_no_image(tmp_path, name):
    path = tmp_path / 'a.npy'
    path.write_bytes(ARRAYS[name])
    with pytest.raises(InputError) as error:
        open_regions(path, ImageReader())
    assert str(error.value).startswith(f'{path}: ') and '\n' not in str(error.value)


@pytest.mark.parametrize('has_call', [True, False], ids=['by the system', 'by zeros'])
def test_arrays_take_their_space_at_once(tmp_path, monkeypatch, has_call):
    """Or a full disk would be SIGBUS when they are written to."""
    if not has_call:
        monkeypatch.delattr(os, 'posix_fallocate')
    make_array(tmp_path / 'a.npy', (2000, 3000))
    assert (tmp_path / 'a.npy').stat().st_blocks * 512 >= 2000 * 3000
    assert not np.load(tmp_path / 'a.npy').any()


def test_a_full_disk_is_an_error_before_the_first_tile(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSPC, 'No space left on device')

    path, out = write_npy(tmp_path / 'a.npy', picture(150, 200)), tmp_path / 'out'
    monkeypatch.setattr(os, 'posix_fallocate', refuse)
    line = rf'^{out}/tiles/a\.partial: cannot be written \(No space left on device\)$'
    with pytest.raises(OutputError, match=line):
        run(path, out, segment=lambda image: pytest.fail('a tile was segmented'))
    assert not list((out / 'tiles').iterdir())


def test_continues_where_it_was_stopped(tmp_path):
    path, out = write_npy(tmp_path / 'a.npy', picture(150, 200)), tmp_path / 'out'
    seen = []

    def segment(image, stop_at=None):
        if len(seen) == stop_at:
            raise KeyboardInterrupt
        seen.append(image)
        return brightness(image)

    with pytest.raises(KeyboardInterrupt):
        run(path, out, segment=partial(segment, stop_at=5))
    assert not (out / 'labels').exists() and (out / 'tiles/a.partial').is_dir()
    labels, tiles = run(path, out, segment=segment)
    assert tiles == len(seen) == 12
    assert np.array_equal(labels, brightness(picture(150, 200)))
    assert [p.name for p in (out / 'tiles').iterdir()] == ['a.json']

    run(path, out, segment=segment)  # nothing to do
    assert len(seen) == 12
    run(path, out, segment=segment, weights='others')
    assert len(seen) == 24
    write_npy(path, picture(150, 200, seed=1))
    labels, _ = run(path, out, segment=segment, weights='others')
    assert len(seen) == 36
    assert np.array_equal(labels, brightness(picture(150, 200, seed=1)))


@pytest.mark.parametrize('limit', [4096, 100, 7])
def test_overview_is_every_nth_pixel(tmp_path, monkeypatch, limit):
    monkeypatch.setattr('mmseg_eff.inference.tiling.MAX_OVERVIEW', limit)
    image = picture(150, 200)
    path, tiling = write_png(tmp_path / 'a.png', image), dict(size=96, overlap=32)
    labels, _ = run(path, tmp_path / 'out', **tiling)
    step = {4096: 1, 100: 2, 7: 29}[limit]
    colors = color_table(FunctionSegmentor.palette)
    expected = draw_overlay(image, brightness(image), colors)[::step, ::step]
    assert np.array_equal(read_image(tmp_path / 'out/overlays/a.png'), expected)
    (source,) = collect_sources([path])
    in_memory = predict_tiled(source, FunctionSegmentor(brightness), **tiling)
    assert np.array_equal(in_memory.labels, labels) and in_memory.labels.dtype == labels.dtype
    assert np.array_equal(in_memory.overlay(), expected)


def test_legend_and_borders_of_an_overview(tmp_path, monkeypatch):
    monkeypatch.setattr('mmseg_eff.inference.tiling.MAX_OVERVIEW', 100)
    image = np.zeros((150, 200, 3), np.uint8)
    image[40:90, 60:130] = 250
    path = write_png(tmp_path / 'a.png', image)
    run(path, tmp_path / 'out', 96, 32, style=OverlayStyle(legend=True, outline=True))
    drawn = read_image(tmp_path / 'out/overlays/a.png')
    (source,) = collect_sources([path])
    prediction = predict_tiled(source, FunctionSegmentor(brightness), 96, 32)
    expected = prediction.overlay(legend=True, outline=True)
    assert drawn.shape == expected.shape and len(drawn) > 75
    assert np.array_equal(drawn[75:], expected[75:])  # the legend
    assert (drawn != expected).any(2).mean() < 0.02  # borders may end where two tiles meet


def test_label_png_in_many_strips(tmp_path, monkeypatch):
    monkeypatch.setattr('mmseg_eff.inference.tile_files.STRIP', 1000)
    image = picture(150, 333)
    labels, _ = run(write_png(tmp_path / 'a.png', image), tmp_path / 'out')
    assert np.array_equal(labels, brightness(image))


def espnet_c():
    """Labels by an ESPNet-C of two branches: stride 8, receptive radius 55, no global context.

    In double precision: no rounding may decide a label.
    """
    net = ESPNet('C', num_blocks=(1, 1), num_branches=2, out_indices=(2,)).double().eval()
    head = nn.Conv2d(net.out_channels[0], 5, 1).double()

    @torch.no_grad()
    def segment(image):
        x = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].double() / 64 - 2
        logits = F.interpolate(head(net(x)[0]), image.shape[:2], mode='bilinear')
        return logits.argmax(1)[0].numpy().astype(np.uint8)

    return segment


@pytest.mark.parametrize(('overlap', 'is_equal'), [(64, True), (32, False), (0, False)])
def test_labels_of_the_whole_image(tmp_path, overlap, is_equal):
    # radius 1 + 2 + 2 * (2 * 4) + 4 + 2 * (2 * 8) = 55 of the convolutions, and the map's bilinear
    # upsampling reads one cell of 8 pixels beside: 63
    segment = espnet_c()
    image = cv2.GaussianBlur(picture(256, 384), (0, 0), 3)
    image = cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX)
    whole = segment(image)
    assert len(np.unique(whole)) > 2
    labels, tiles = run(
        write_png(tmp_path / 'a.png', image), tmp_path / 'out', 192, overlap, segment
    )
    assert tiles > 3
    assert np.array_equal(labels, whole) == is_equal
    assert (labels == whole).mean() > 0.9
