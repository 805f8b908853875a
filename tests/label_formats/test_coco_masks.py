import time
from contextlib import suppress

import numpy as np
import pytest
from pycocotools import mask as coco

from mmseg_eff.errors import InputError
from mmseg_eff.label_formats.coco_masks import (
    decompress,
    outline_length,
    polygon_runs,
    rle_runs,
    segmentation_runs,
    union,
)


def painted(runs, size):
    """Mask (H, W) of runs."""
    flat = np.zeros(size[0] * size[1], bool)
    for start, end in runs:
        assert not flat[start:end].any() and start < end
        flat[start:end] = True
    return flat.reshape(size[::-1]).T


def decode_polygons(polygons, size):
    return painted(polygon_runs(polygons, size), size)


def decode_segmentation(segmentation, size):
    outline_length(segmentation)
    return painted(segmentation_runs(segmentation, size), size)


def compress(counts):
    """``rleToString`` of pycocotools' maskApi.c, which writes COCO's compressed strings."""
    text = ''
    for index, count in enumerate(counts):
        rest = count - counts[index - 2] if index > 2 else count
        more = True
        while more:
            bits = rest & 31
            rest >>= 5
            more = rest != (-1 if bits & 16 else 0)
            text += chr(48 + bits + 32 * more)
    return text


def run_lengths(mask):
    """Runs down the columns, the first one of background."""
    flat = mask.T.ravel()
    edges = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff([0, *edges, flat.size]).tolist()
    return [0, *runs] if flat[0] else runs


def mask_of(size, *boxes):
    """Mask whose boxes (top, bottom, left, right) are toggled in turn."""
    mask = np.zeros(size, bool)
    for top, bottom, left, right in boxes:
        mask[top:bottom, left:right] ^= True
    return mask


@pytest.mark.parametrize(
    ('text', 'mask'),
    [  # strings that pycocotools 2.0.11 gave for these masks
        ('d0', mask_of((4, 5))),
        ('0d0', mask_of((4, 5), (0, 4, 0, 5))),
        (
            '01l04XO00MM03300000074',
            mask_of((9, 12), (2, 7, 3, 10), (4, 5, 5, 6), (0, 1, 0, 1), (0, 9, 11, 12)),
        ),
        (
            f'f9e2?{"0" * 72}cNC3=Z1{"0" * 76}nn0',
            mask_of((100, 90), (10, 95, 3, 80), (50, 52, 40, 41)),
        ),
    ],
)
def test_strings_of_pycocotools(text, mask):
    assert compress(run_lengths(mask)) == text
    assert np.array_equal(painted(rle_runs(text, mask.shape), mask.shape), mask)


@pytest.mark.parametrize('share', [0.02, 0.5, 0.98])
@pytest.mark.parametrize('size', [(1, 40), (40, 1), (37, 53)])
def test_both_forms_of_rle(size, share):
    mask = np.random.default_rng(0).random(size) < share
    counts = run_lengths(mask)
    for form in (counts, compress(counts)):
        segmentation = dict(size=list(size), counts=form)
        assert np.array_equal(decode_segmentation(segmentation, size), mask)


def test_polygon_covers_its_pixels_and_no_more():
    box = [2, 1, 5, 1, 5, 4, 2, 4]
    assert np.array_equal(decode_polygons([box], (6, 8)), mask_of((6, 8), (1, 4, 2, 5)))
    shifted = [value + 0.4 for value in box]
    assert np.array_equal(decode_polygons([shifted], (6, 8)), mask_of((6, 8), (1, 4, 2, 5)))


def test_polygon_beyond_the_image():
    box = [-3, -3, 4, -3, 4, 20, -3, 20]
    assert np.array_equal(decode_polygons([box], (6, 8)), mask_of((6, 8), (0, 6, 0, 4)))
    right = [20, 0, 30, 0, 30, 6]
    assert not decode_polygons([right], (6, 8)).any()


def test_triangle_against_its_half_planes():
    mask = decode_polygons([[0, 0, 9, 0, 0, 6]], (6, 9))
    y, x = np.mgrid[:6, :9] + 0.5
    assert mask.sum() > 20
    assert np.array_equal(mask, x / 9 + y / 6 < 1)


@pytest.mark.parametrize('numbers', [[], [3, 3], [1, 1, 7, 5]])
def test_polygon_without_an_area_is_empty(numbers):
    assert not decode_polygons([numbers], (6, 8)).any()


def test_polygons_of_one_object_are_united():
    boxes = [[0, 0, 4, 0, 4, 4, 0, 4], [2, 2, 6, 2, 6, 6, 2, 6]]
    mask = decode_segmentation(boxes, (6, 8))
    expected = mask_of((6, 8), (0, 4, 0, 4)) | mask_of((6, 8), (2, 6, 2, 6))
    assert np.array_equal(mask, expected)


@pytest.mark.parametrize(
    ('segmentation', 'message'),
    [
        ([[1, 2, 3]], 'polygon of 3 values is no list of finite x, y pairs'),
        ([[1, 2, 3, float('nan')]], 'polygon of 4 values is no list of finite x, y pairs'),
        ([1, 2, 3, 4], 'polygon of 1 values is no list of finite x, y pairs'),
        (dict(size=[3, 2], counts=[6]), r'RLE of size \[3, 2\]; the image has \[2, 3\]'),
        (dict(size=[2, 3], counts=[2, 3]), 'RLE covers 5 pixels; the image has 6'),
        (dict(size=[2, 3], counts=[7, -1]), 'RLE counts are no list of whole numbers of 0 to 6'),
        (dict(size=[2, 3], counts=[6.0]), 'RLE counts are no list of whole numbers'),
        (dict(size=[2, 3], counts='7'), 'compressed RLE has a run that is not of 0 to 6'),
        (dict(size=[2, 3], counts='5'), 'RLE covers 5 pixels; the image has 6'),
        (dict(size=[2, 3], counts='0'), 'RLE covers 0 pixels; the image has 6'),
        (dict(size=[2, 3], counts='6 '), 'compressed RLE is cut or holds other characters'),
        (dict(size=[2, 3], counts='6d'), 'compressed RLE is cut'),
        ([[0, 0, 1e7, 0, 0, 2]], r'polygon reaches 1e\+07; at most 1e\+06 pixels'),
    ],
)
def test_damaged_segmentations(segmentation, message):
    with pytest.raises(InputError, match=message):
        decode_segmentation(segmentation, (2, 3))


@pytest.mark.parametrize('share', [0.001, 0.3, 0.9])
def test_strings_as_pycocotools_writes_them(share):
    mask = np.asfortranarray(np.random.default_rng(1).random((211, 307)) < share)
    rle = coco.encode(mask.view(np.uint8))
    assert np.array_equal(decompress(rle['counts'].decode()), run_lengths(mask))


def test_a_long_string_takes_time_in_proportion():
    counts = [1] * 10**6
    begin = time.perf_counter()
    runs = rle_runs(compress(counts), (1000, 1000))
    assert len(runs) == 5 * 10**5
    assert time.perf_counter() - begin < 3


@pytest.mark.parametrize('seed', range(20))
def test_any_string_is_decoded_or_refused(seed):
    rng = np.random.default_rng(seed)
    for _ in range(200):
        text = bytes(rng.integers(40, 120, rng.integers(0, 40), np.uint8)).decode()
        with suppress(InputError):
            painted(rle_runs(text, (5, 7)), (5, 7))


def test_an_outline_longer_than_any():
    with pytest.raises(InputError, match=r'outline of 8e\+08; at most 1e\+07 pixels'):
        outline_length([[0, 0, 8e5, 8e5] * 500])


def test_overlapping_runs_are_united():
    runs = np.array([[8, 9], [0, 3], [2, 5], [5, 6], [1, 2]])
    assert union(runs).tolist() == [[0, 6], [8, 9]]
