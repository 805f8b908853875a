import cv2
import numpy as np
import pytest
from mmcv.transforms import BaseTransform, LoadImageFromFile
from mmengine.config import Config
from mmseg.registry import TRANSFORMS

from mmseg_eff.datasets.image_reader import (
    DatasetNeeded,
    ImageReader,
    class_name,
    display_range,
    part_of,
    split_pipeline,
    to_display,
)
from mmseg_eff.datasets.image_reader import inference_pipeline as pipeline_of
from mmseg_eff.errors import InputError

LOAD, PACK = dict(type='LoadImageFromFile'), dict(type='PackSegInputs')
LABELS = dict(type='LoadCheckedAnnotations', num_classes=3)
RESIZE = dict(type='Resize', scale=(8, 8))
GREY = dict(type='LoadImageFromFile', color_type='grayscale')


@TRANSFORMS.register_module()
class LoadSecondOfTest(BaseTransform):
    """Adds a second image as further channels, as a loader of two sensors does."""

    def transform(self, results):
        second = cv2.imread(results['second_path'])
        results['img'] = np.concatenate([results['img'], second], 2)
        return results


@TRANSFORMS.register_module()
class ReadNothingOfTest(BaseTransform):
    def transform(self, results):
        return results


@pytest.mark.parametrize(
    ('steps', 'loading', 'following'),
    [
        ([LOAD, LABELS, RESIZE, PACK], ['LoadImageFromFile'], ['Resize', 'PackSegInputs']),
        ([LABELS, LOAD, PACK], ['LoadImageFromFile'], ['PackSegInputs']),
        (
            [LOAD, dict(type='LoadAnnotations'), dict(type=LoadSecondOfTest), PACK],
            ['LoadImageFromFile', 'LoadSecondOfTest'],
            ['PackSegInputs'],
        ),
        ([dict(type='ReadNothingOfTest'), PACK], ['ReadNothingOfTest'], ['PackSegInputs']),
    ],
)
def test_loading_transforms_are_those_before_the_others(steps, loading, following):
    first, rest = split_pipeline(steps)
    assert [class_name(step) for step in first] == loading
    assert [class_name(step) for step in rest] == following


def config_of(test_pipeline, measured, wrap=False):
    dataset = dict(type='BaseSegDataset', pipeline=measured)
    dataset = dict(type='ConcatDataset', datasets=[dataset]) if wrap else dataset
    return Config(dict(test_pipeline=test_pipeline, test_dataloader=dict(dataset=dataset)))


@pytest.mark.parametrize('wrap', [False, True])
def test_pipeline_loads_as_the_test_does(wrap):
    checked = dict(type='LoadCheckedImage')
    assert pipeline_of(config_of([LOAD, RESIZE, PACK], [checked, PACK], wrap)) == [
        LOAD,
        RESIZE,
        PACK,
    ]  # both load the same pixels
    assert pipeline_of(config_of([LOAD, PACK], [GREY, PACK], wrap)) == [GREY, PACK]
    assert pipeline_of(config_of(None, [GREY, PACK], wrap)) == [GREY, PACK]
    assert pipeline_of(Config(dict(test_pipeline=[GREY, PACK]))) == [GREY, PACK]
    with pytest.raises(InputError, match='no test_pipeline and no test_dataloader'):
        pipeline_of(Config(dict(model=dict())))


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)


@pytest.mark.parametrize('color_type', ['color', 'grayscale', 'unchanged'])
@pytest.mark.parametrize('to_float32', [False, True])
def test_a_frame_becomes_what_a_file_gives(tmp_path, image, color_type, to_float32):
    cv2.imwrite(str(tmp_path / 'a.png'), image)
    arguments = dict(color_type=color_type, to_float32=to_float32)
    reader = ImageReader([{**LOAD, **arguments}, PACK])
    loaded = reader.read(tmp_path / 'a.png')
    expected = LoadImageFromFile(**arguments)(dict(img_path=str(tmp_path / 'a.png')))
    assert np.array_equal(loaded['img'], expected['img'])
    frame = reader.from_bgr(image)
    assert frame['img'].dtype == loaded['img'].dtype
    assert np.abs(frame['img'].astype(int) - loaded['img']).max() <= 1  # rounding of grey
    assert reader.is_plain == (color_type == 'color' and not to_float32)


@pytest.mark.parametrize('suffix', ['.png', '.jpg', '.tif', '.webp'])
@pytest.mark.parametrize('color_type', ['color', 'grayscale', 'unchanged'])
@pytest.mark.parametrize('to_float32', [False, True])
def test_content_in_memory_is_read_as_its_file(tmp_path, image, suffix, color_type, to_float32):
    path = tmp_path / f'a{suffix}'
    cv2.imwrite(str(path), image)
    reader = ImageReader([{**LOAD, 'color_type': color_type, 'to_float32': to_float32}, PACK])
    loaded, expected = reader.read_content(path.read_bytes(), 'upload'), reader.read(path)
    assert np.array_equal(loaded['img'], expected['img'])
    assert loaded['img'].dtype == expected['img'].dtype
    assert loaded['ori_shape'] == expected['ori_shape'] and loaded['img_path'] == 'upload'


def test_content_that_cannot_be_read_is_one_line():
    for content in (b'', b'noise'):
        message = rf'upload: cannot be decoded as an image \({len(content)} bytes\)'
        with pytest.raises(InputError, match=message):
            ImageReader().read_content(content, 'upload')
    with pytest.raises(InputError, match=r'upload: .* ReadNothingOfTest reads images from files'):
        ImageReader([dict(type='ReadNothingOfTest'), PACK]).read_content(b'', 'upload')


def test_what_cannot_be_read_is_one_line(tmp_path, image):
    path = tmp_path / 'a.png'
    cv2.imwrite(str(path), image)
    with pytest.raises(DatasetNeeded, match=r"a\.png: .* needs 'second_path' of the dataset"):
        ImageReader([LOAD, dict(type='LoadSecondOfTest'), PACK]).read(path)
    with pytest.raises(InputError, match=r'ReadNothingOfTest must give an image .* got none'):
        ImageReader([dict(type='ReadNothingOfTest'), PACK]).read(path)
    with pytest.raises(InputError, match=r'ReadNothingOfTest reads images from files only'):
        ImageReader([dict(type='ReadNothingOfTest'), PACK]).from_bgr(image, 'clip.mp4')
    with pytest.raises(InputError, match=r'clip.mp4: must be uint8 BGR .* is uint16 of 3 channels'):
        ImageReader().from_bgr(image.astype(np.uint16), 'clip.mp4')
    with pytest.raises(InputError, match=r'none\.png: no such image file'):
        ImageReader().read(tmp_path / 'none.png')
    path.write_bytes(b'noise')
    for load in (LOAD, dict(type='LoadCheckedImage')):
        with pytest.raises(InputError, match=r'cannot be decoded as an image \(5 bytes\)'):
            ImageReader([load, PACK]).read(path)


def test_regions_and_pictures_of_any_image(image):
    deep = image.astype(np.uint16) * 100
    loaded = ImageReader().from_loaded(deep)
    part = part_of(loaded, (slice(1, 4), slice(2, 8)))
    assert part['img_shape'] == part['ori_shape'] == (3, 6)
    assert np.array_equal(part['img'], deep[1:4, 2:8])

    assert np.array_equal(to_display(image), image)
    assert np.array_equal(to_display(image.astype(np.float32)), image)
    limits = display_range(deep)
    whole = to_display(deep)
    assert whole.dtype == np.uint8 and whole.std() > 50
    assert np.array_equal(to_display(part['img'], limits), whole[1:4, 2:8])
    assert np.array_equal(to_display(image[..., 0]), image[..., :1].repeat(3, 2))
    assert np.array_equal(to_display(np.dstack([image] * 4)), image)
    assert to_display(np.full((2, 2), np.nan, np.float32)).tolist() == [[[0] * 3] * 2] * 2
