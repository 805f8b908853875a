import os

import cv2
import numpy as np
import pytest
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS
from PIL import Image

from mmseg_eff.dataset_check.checks import (
    Pair,
    check_duplicates,
    check_folders,
    check_pair,
    dataset_pairs,
    list_files,
)
from mmseg_eff.dataset_check.findings import Finding
from mmseg_eff.dataset_check.report import DatasetReport
from mmseg_eff.datasets import ToyStreetDataset
from mmseg_eff.datasets.image_reader import ImageReader
from mmseg_eff.datasets.label_rules import LabelRules, label_table
from mmseg_eff.datasets.label_values import check_values
from mmseg_eff.errors import InputError

PALETTE = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
RULES = LabelRules(3, 255, False, label_table(None, False), PALETTE)
READER = ImageReader()
LABEL = np.array([[0, 1, 2, 2], [1, 255, 0, 0]], np.uint8)


@pytest.fixture
def image(tmp_path):
    path = tmp_path / 'image.png'
    cv2.imwrite(str(path), np.zeros((2, 4, 3), np.uint8))
    return str(path)


def label_file(tmp_path, palette=None, label=LABEL, mode='P'):
    path = tmp_path / 'label.png'
    picture = Image.fromarray(label)
    if palette:  # of all 256 colours, or Pillow would store fewer bits a pixel
        colors = np.zeros((256, 3), np.uint8)
        colors[: len(palette)] = palette
        picture.putpalette(colors.tobytes())
    picture.convert(mode).save(path)
    return str(path)


@pytest.mark.parametrize(
    ('palette', 'fault'),
    [
        (PALETTE, None),
        ([(9, 9, 9), (0, 255, 0), (255, 0, 0)], None),  # other colours: says nothing
        ([(i, i, i) for i in range(256)], None),
        (PALETTE[::-1], 'palette index 0 would be class 0, but has the colour'),
    ],
)
def test_palette(tmp_path, image, palette, fault):
    check = check_pair(Pair(image, label_file(tmp_path, palette)), RULES, READER)
    assert check.values.tolist() == np.bincount(LABEL.ravel(), minlength=256).tolist()
    assert [finding.kind for finding in check.findings] == (['palette'] if fault else [])
    assert not fault or check.findings[0].message.startswith(fault)


def test_binary_file_holds_0_and_1(tmp_path, image):
    path = label_file(tmp_path, label=np.where(LABEL == 1, 255, 0).astype(np.uint8), mode='1')
    check = check_pair(Pair(image, path), RULES, READER)
    assert check.findings == []
    assert check.values[:2].tolist() == [6, 2]


def test_image_without_label(image):
    check = check_pair(Pair(image, None), RULES, READER)
    assert (check.findings, check.values) == ([], None)


def test_digest_is_of_the_pixels(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    paths = [str(tmp_path / name) for name in ('a.png', 'b.bmp', 'c.png')]
    for path in paths:
        cv2.imwrite(path, picture if path != paths[2] else picture[::-1])
    a, b, c = (check_pair(Pair(path, None), RULES, READER).digest for path in paths)
    assert a == b != c


@pytest.mark.parametrize('orientation', [1, 2, 6])
def test_exif(tmp_path, orientation):
    path = tmp_path / 'a.jpg'
    exif = Image.Exif()
    exif[274] = orientation
    Image.new('RGB', (4, 2)).save(path, exif=exif)
    check = check_pair(Pair(str(path), label_file(tmp_path)), RULES, READER)
    kinds = [finding.kind for finding in check.findings]
    assert kinds == ([] if orientation == 1 else ['EXIF rotation'])


def test_labels_drawn_on_the_turned_photo_are_no_fault(tmp_path):
    """As labelme and CVAT draw them: the label has the size of the photo as it is loaded."""
    path, exif = tmp_path / 'a.jpg', Image.Exif()
    exif[274] = 6
    Image.new('RGB', (4, 2)).save(path, exif=exif)
    check = check_pair(Pair(str(path), label_file(tmp_path, label=LABEL.T)), RULES, READER)
    assert check.findings == []


def masks(make):
    """Write a mask of the pixels that ``make`` makes of the labels; returns its path."""

    def write(folder, suffix='.png', **options):
        path = folder / f'labels/a{suffix}'
        path.parent.mkdir()
        Image.fromarray(make(LABEL)).save(path, **options)
        return path

    return write


MENDED = {  # what a stranger's masks hold -> how they are written, and the format that reads them
    'RGB': (lambda x: np.dstack([x * 40, x, x]), '.png', 'auto'),
    '16 bit': (lambda x: x.astype(np.uint16), '.png', 'auto'),
    'JPEG': (lambda x: x * 255, '.jpg', 'auto'),
    'JPEG called PNG': (lambda x: x * 255, '.png', 'auto'),
    'gaps': (lambda x: x * 100, '.png', 'values'),
}


@pytest.mark.parametrize('kind', MENDED)
def test_the_doctor_names_the_command_that_mends(tmp_path, image, kind):
    make, suffix, format = MENDED[kind]
    options = dict(format='JPEG') if 'JPEG' in kind else {}
    path = masks(make)(tmp_path, suffix, **options)
    check = check_pair(Pair(image, str(path.with_suffix('.png'))), RULES, READER)
    report = DatasetReport(check.findings, {}, 1.0)
    assert report.conversions == [f'mmseg-eff convert_labels {format} {path.parent} OUT']


def test_the_doctor_names_the_command_for_0_and_255(tmp_path):
    pixels = np.zeros(256, np.int64)
    pixels[[0, 255]] = 5
    found = [Finding('my data', *pair) for pair in check_values(pixels, RULES, [pixels])]
    assert DatasetReport(found, {}, 1.0).conversions == [
        "mmseg-eff convert_labels values 'my data' OUT"
    ]


def test_duplicates():
    images = [
        ('train', 'a', b'1'),
        ('train', 'b', b'2'),
        ('train', 'a', b'1'),  # listed twice, as to weigh it more
        ('train', 'c', b'2'),
        ('train', 'damaged', None),
        ('val', 'damaged too', None),
        ('val', 'd', b'1'),
        ('val', 'a', b'1'),  # the file itself in two splits
    ]
    assert list(check_duplicates(images)) == [
        ('c', 'duplicate', 'same image as b (train)'),
        ('d', 'duplicate across splits', 'same image as a (train)'),
        ('a', 'duplicate across splits', 'same image as a (train)'),
    ]


def make_files(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_files_are_listed_through_links(tmp_path):
    make_files(tmp_path, 'data/b/1.png', 'data/a/2.png', 'data/.hidden.png', 'elsewhere/3.png')
    (tmp_path / 'data/c').symlink_to(tmp_path / 'elsewhere')
    (tmp_path / 'data/d').symlink_to(tmp_path / 'elsewhere')  # twice is no loop
    (tmp_path / 'data/e.png').symlink_to('nowhere')
    names = [os.path.relpath(path, tmp_path / 'data') for path in list_files(tmp_path / 'data')]
    assert names == ['a/2.png', 'b/1.png', 'c/3.png', 'd/3.png', 'e.png']


def test_two_links_that_lead_into_each_other(tmp_path):
    make_files(tmp_path, 'a/1.png', 'b/2.png')
    (tmp_path / 'a/to_b').symlink_to(tmp_path / 'b')
    (tmp_path / 'b/to_a').symlink_to(tmp_path / 'a')
    with pytest.raises(InputError, match=r'a/to_b/to_a: link that loops, back to '):
        list(list_files(tmp_path / 'a'))


def test_lists_pick_from_their_folders(toy_root, tmp_path):
    """With a list of images, a label without image is no fault."""
    listing = tmp_path / 'list.txt'
    listing.write_text('0000\n0002\n')
    kwargs = dict(data_root=str(toy_root / 'toystreet'), serialize_data=False)
    dataset = ToyStreetDataset(ann_file=str(listing), **kwargs)
    assert len(dataset_pairs(dataset)) == 2
    assert not list(check_folders(dataset, paired=()))
    whole = ToyStreetDataset(**kwargs)
    assert len(list(check_folders(whole, paired=()))) == 8


@TRANSFORMS.register_module()
class LoadArrayOfDoctorTest(BaseTransform):
    """A loader of the user's own, for what Pillow cannot open."""

    def transform(self, results):
        results['img'] = np.load(results['img_path'])
        return results


@TRANSFORMS.register_module()
class LoadTwoOfDoctorTest(BaseTransform):
    """A loader that needs more of the dataset than a path."""

    def transform(self, results):
        results['img'] = cv2.imread(results['img_path']) - cv2.imread(results['img_path2'])
        return results


def float_tiff(path):
    cv2.imwrite(str(path), np.random.default_rng(0).random((2, 4, 3), np.float32))


def array(path):
    np.save(path, np.zeros((2, 4, 12), np.uint16))


def few_bits(path):
    cv2.imwrite(str(path), np.full((2, 4, 3), 4000, np.uint16))


def cut_jpeg(path):
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    data = cv2.imencode('.jpg', image)[1].tobytes()
    path.write_bytes(data[: len(data) // 2])


OWN = ImageReader([dict(type='LoadArrayOfDoctorTest')])
UNCHANGED = ImageReader([dict(type='LoadImageFromFile', color_type='unchanged')])


@pytest.mark.parametrize(
    ('name', 'write', 'reader', 'kinds'),
    [
        ('a.tif', float_tiff, UNCHANGED, []),
        ('a.npy', array, OWN, []),
        ('a.npy', array, READER, ['damaged file']),
        ('a.npy', lambda path: path.write_bytes(b'noise'), OWN, ['damaged file']),
        ('a.png', few_bits, READER, ['dark image']),
        ('a.png', few_bits, UNCHANGED, []),
        ('a.jpg', cut_jpeg, READER, ['damaged file']),
        ('a.png', lambda path: path.touch(), READER, ['empty file']),
        ('a.png', lambda path: None, READER, ['missing file']),
    ],
)
def test_images_are_what_the_loader_reads(tmp_path, name, write, reader, kinds):
    path = tmp_path / name
    write(path)
    check = check_pair(Pair(str(path), None), RULES, reader)
    assert [finding.kind for finding in check.findings] == kinds
    assert all(finding.path == str(path) for finding in check.findings)
    assert (check.digest is not None) == (kinds in ([], ['dark image']))


def test_loader_that_needs_the_dataset_is_no_fault(image):
    reader = ImageReader([dict(type='LoadTwoOfDoctorTest')])
    assert check_pair(Pair(image, None), RULES, reader).findings == []


def test_size_of_the_loaded_image_counts(tmp_path, image):
    found = check_pair(Pair(image, label_file(tmp_path, label=LABEL[:1])), RULES, READER).findings
    assert [finding.kind for finding in found] == ['other size']


def test_images_above_the_limit_of_pillow(image, monkeypatch):
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 2)
    assert check_pair(Pair(image, None), RULES, READER).findings == []
