"""Files that are damaged or made to harm: one line for each, in little time and memory."""

import resource
import time

import cv2
import numpy as np
import pytest
from hostile_files import no_files, odd_images, refused_images, whole_images
from PIL import Image

from mmseg_eff.dataset_check.checks import Pair, check_pair
from mmseg_eff.datasets import LoadCheckedAnnotations
from mmseg_eff.datasets.image_reader import ImageReader
from mmseg_eff.datasets.label_rules import LabelRules, label_table
from mmseg_eff.errors import InputError
from mmseg_eff.utils.pixel_limit import OF_OPENCV, VARIABLE

SECONDS, MEGABYTES = 5, 1000
PLACES = no_files()
REFUSED = refused_images()
ODD = odd_images()
RULES = LabelRules(9, 255, False, label_table(None, False), [(i, i, i) for i in range(9)])


@pytest.fixture(autouse=True)
def little_time_and_memory():
    begin, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert time.perf_counter() - begin < SECONDS
    assert used / 1024 < MEGABYTES


def read_image(path):
    return ImageReader().read(path)['img']


def read_label(path):
    results = dict(seg_map_path=str(path), seg_fields=[], reduce_zero_label=False)
    return LoadCheckedAnnotations(9)(results)['gt_seg_map']


READERS = [pytest.param(read_image, id='image'), pytest.param(read_label, id='label')]


def make(path, data):
    """Write a file, or make what stands in its place."""
    if callable(data):
        data(path)
    else:
        path.write_bytes(data)
    return path


@pytest.mark.parametrize('read', READERS)
@pytest.mark.parametrize('name', [*REFUSED, *PLACES])
def test_no_image_is_one_line(tmp_path, read, name):
    path = make(tmp_path / 'a.png', {**REFUSED, **PLACES}[name])
    with pytest.raises(InputError) as error:
        read(path)
    assert str(path) in str(error.value) and '\n' not in str(error.value)


@pytest.mark.parametrize('read', READERS)
@pytest.mark.parametrize('name', ODD)
def test_an_odd_image_is_read_or_one_line(tmp_path, read, name):
    path = make(tmp_path / 'a.png', ODD[name])
    try:
        assert read(path).ndim in (2, 3)
    except InputError as error:
        assert str(path) in str(error) and '\n' not in str(error)


@pytest.mark.parametrize('name', [*REFUSED, *PLACES])
def test_the_check_of_a_dataset_lists_it(tmp_path, name):
    whole = whole_images()
    for kind, data in (('image', whole['png']), ('label', whole['label'])):
        make(tmp_path / f'{kind}.png', data)
    bad = make(tmp_path / 'bad.png', {**REFUSED, **PLACES}[name])
    image, label = (str(tmp_path / f'{kind}.png') for kind in ('image', 'label'))
    for pair in (Pair(str(bad), label), Pair(image, str(bad))):
        check = check_pair(pair, RULES, ImageReader())
        assert [finding.path for finding in check.errors] == [str(bad)]
        assert '\n' not in check.errors[0].message


def test_the_limit_of_labels_is_named_and_can_be_changed(tmp_path, monkeypatch):
    path = tmp_path / 'a.png'
    cv2.imwrite(str(path), np.zeros((40, 60), np.uint8))
    monkeypatch.setenv(VARIABLE, '2399')
    with pytest.raises(InputError, match=f'60x40 are more than 2399 pixels .*{VARIABLE}'):
        read_label(path)
    monkeypatch.setenv(VARIABLE, '2400')
    assert read_label(path).shape == (40, 60)


def test_a_label_above_the_guard_of_pillow(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 100)
    path = tmp_path / 'a.png'
    cv2.imwrite(str(path), np.zeros((40, 60), np.uint8))
    assert read_label(path).shape == (40, 60)
    assert not check_pair(Pair(str(path), str(path)), RULES, ImageReader()).errors


def test_the_limit_of_images_is_named(tmp_path):
    path = make(tmp_path / 'a.png', REFUSED['PNG of 1e10 pixels'])
    with pytest.raises(InputError, match=f'100000x100000 are more than .* pixels .*{OF_OPENCV}'):
        read_image(path)
