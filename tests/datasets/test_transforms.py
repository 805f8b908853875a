import cv2
import numpy as np
import pytest
from mmcv.transforms import Compose, LoadImageFromFile
from mmseg.registry import TRANSFORMS
from PIL import Image

from mmseg_eff.datasets.transforms import (
    LoadCheckedAnnotations,
    LoadCheckedImage,
    ScoreAtInputSize,
)
from mmseg_eff.errors import InputError

LABEL = np.array([[0, 1, 2], [2, 255, 0]], np.uint8)


def load(path, num_classes=3, size=(2, 3), label_map=None):
    results = dict(
        seg_map_path=str(path),
        label_map=label_map,
        reduce_zero_label=False,
        seg_fields=[],
        ori_shape=size,
    )
    return LoadCheckedAnnotations(num_classes)(results)['gt_seg_map']


@pytest.fixture
def label_file(tmp_path):
    path = tmp_path / 'label.png'
    cv2.imwrite(str(path), LABEL)
    return path


def test_good_labels_pass(label_file, tmp_path):
    assert np.array_equal(load(label_file), LABEL)
    palette_file = tmp_path / 'palette.png'
    image = Image.fromarray(LABEL)
    image.putpalette(list(range(256)) * 3)
    assert image.mode == 'P'
    image.save(palette_file)
    assert np.array_equal(load(palette_file), LABEL)


def test_mapped_labels_are_checked_after_the_map(label_file):
    assert load(label_file, num_classes=2, label_map={2: 255}).max() == 255


def test_inference_has_no_labels():
    results = dict(img=np.zeros((2, 3, 3)))
    assert LoadCheckedAnnotations(3)(dict(results)).keys() == results.keys()


def test_value_out_of_range(label_file):
    message = rf'{label_file}: label value 2 out of range; allowed are 0 to 1 and 255 \(ignored\)'
    with pytest.raises(InputError, match=message):
        load(label_file, num_classes=2)


@pytest.mark.parametrize('ignore_index', [0, 11, 254])
def test_label_that_the_dataset_ignores(tmp_path, ignore_index):
    path = tmp_path / 'label.png'
    cv2.imwrite(str(path), np.where(LABEL == 255, ignore_index, LABEL))
    results = dict(seg_map_path=str(path), label_map=None, reduce_zero_label=False, seg_fields=[])
    loaded = LoadCheckedAnnotations(3)({**results, 'ignore_index': ignore_index})['gt_seg_map']
    assert np.array_equal(loaded, np.where(LABEL == 255, ignore_index, LABEL))
    cv2.imwrite(str(path), LABEL)
    with pytest.raises(InputError, match='label value 255 out of range; allowed are 0 to 2 and'):
        LoadCheckedAnnotations(3)({**results, 'ignore_index': ignore_index})


def test_other_size_than_the_image(label_file):
    message = rf'{label_file}: label size \(2, 3\) differs from image size \(4, 3\)'
    with pytest.raises(InputError, match=message):
        load(label_file, size=(4, 3))


@pytest.mark.parametrize(
    ('array', 'mode'),
    [(np.zeros((2, 3, 3), np.uint8), 'RGB'), (np.zeros((2, 3), np.uint16), 'I;16')],
)
def test_other_pixel_format(tmp_path, array, mode):
    path = tmp_path / 'label.png'
    cv2.imwrite(str(path), array)
    with pytest.raises(InputError, match=f'{path}: label file of pixel format {mode!r}'):
        load(path)


@pytest.mark.parametrize('keep', [0, 20, 50])
def test_truncated_file(tmp_path, keep):
    path = tmp_path / 'label.png'
    label = np.random.default_rng(0).integers(0, 3, (40, 40), np.uint8)
    path.write_bytes(cv2.imencode('.png', label)[1].tobytes()[:keep])
    with pytest.raises(InputError, match=f'{path}: (is empty|cannot be decoded)'):
        load(path, size=(40, 40))


def test_damaged_chunk(tmp_path):
    """Pillow says so with a SyntaxError, which no tool would show as one line."""
    path = tmp_path / 'label.png'
    data = cv2.imencode('.png', np.random.default_rng(0).integers(0, 3, (400, 400), np.uint8))[1]
    data = data.tobytes()
    position = data.rindex(b'IDAT')
    path.write_bytes(data[:position] + b'\0\0\0\0' + data[position + 4 :])
    with pytest.raises(InputError, match=f'{path}: cannot be decoded'):
        load(path, size=(400, 400))


def load_image(path, **kwargs):
    return LoadCheckedImage(**kwargs)(dict(img_path=str(path)))


def test_good_image_is_loaded_as_by_mmcv(make_image, tmp_path):
    path = make_image(tmp_path / 'a.png')
    results, expected = load_image(path), LoadImageFromFile()(dict(img_path=str(path)))
    assert np.array_equal(results.pop('img'), expected.pop('img'))
    assert results == expected


@pytest.mark.parametrize('suffix', ['png', 'jpg', 'webp'])
@pytest.mark.parametrize('keep', [0, 20, 500])
def test_truncated_image(make_image, tmp_path, suffix, keep):
    path = make_image(tmp_path / f'a.{suffix}')
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=f'{path}: (is empty|cannot be decoded as an image)'):
        load_image(path)


def test_missing_image(tmp_path):
    with pytest.raises(InputError, match=r'none\.png: no such image file'):
        load_image(tmp_path / 'none.png')


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match=r'none\.png: no such label file'):
        load(tmp_path / 'none.png')


@pytest.mark.parametrize(
    ('given', 'of_dataset', 'ok'),
    [(None, 3, True), (None, 2, False), (3, 2, True), (None, None, True)],
)
def test_number_of_classes_is_the_datasets_by_default(label_file, given, of_dataset, ok):
    results = dict(seg_map_path=str(label_file), label_map=None, seg_fields=[])
    results |= dict(num_classes=of_dataset, reduce_zero_label=False)
    if ok:
        assert np.array_equal(LoadCheckedAnnotations(given)(results)['gt_seg_map'], LABEL)
    else:
        with pytest.raises(InputError, match='label value 2 out of range; allowed are 0 to 1 and'):
            LoadCheckedAnnotations(given)(results)


@pytest.mark.parametrize('size', [(20, 30), (7, 11), (40, 60), (80, 33), (1, 1)])
def test_labels_are_resized_as_by_pillow(size):
    label = np.random.default_rng(0).integers(0, 256, (40, 60)).astype(np.uint8)
    results = dict(img=np.zeros((*size, 3)), ori_shape=(40, 60), gt_seg_map=label)
    results = ScoreAtInputSize()(results)
    expected = Image.fromarray(label).resize(size[::-1], Image.Resampling.NEAREST)
    assert np.array_equal(results['gt_seg_map'], np.asarray(expected))
    assert results['ori_shape'] == size


def test_nothing_is_resized_without_labels():
    results = dict(img=np.zeros((2, 3, 3)), ori_shape=(4, 6))
    assert ScoreAtInputSize()(results)['ori_shape'] == (4, 6)
    assert results.keys() == {'img', 'ori_shape'}


@pytest.mark.parametrize('last', ['Resize', 'LoadCheckedAnnotations'])
def test_labels_are_resized_in_a_test_pipeline(last, make_image, tmp_path):
    label = tmp_path / 'label.png'
    Image.fromarray(np.tile(np.uint8([[0, 1], [2, 255]]), (24, 32))).save(label)
    steps = [
        dict(type='LoadCheckedAnnotations', num_classes=3),
        dict(type='Resize', scale=(32, 24)),
    ]
    if last == 'LoadCheckedAnnotations':
        steps.reverse()
    pipeline = [dict(type='LoadImageFromFile'), *steps]
    pipeline += [dict(type='ScoreAtInputSize'), dict(type='PackSegInputs')]
    packed = Compose([TRANSFORMS.build(step) for step in pipeline])(
        dict(
            img_path=str(make_image(tmp_path / 'image.png')),
            seg_map_path=str(label),
            seg_fields=[],
            reduce_zero_label=False,
        )
    )
    sample = packed['data_samples']
    assert packed['inputs'].shape[1:] == sample.gt_sem_seg.shape == sample.ori_shape == (24, 32)
