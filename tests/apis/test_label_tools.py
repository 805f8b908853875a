import json

import cv2
import numpy as np
import pytest
from PIL import Image

import mmseg_eff
from mmseg_eff.config.load import load_config
from mmseg_eff.errors import InputError
from mmseg_eff.label_formats.classes import colors

CONFIG = 'espnet-p2q3_1xb8-0.6k_toystreet-128x256'


def test_class_weights(data_root, tmp_path, capsys):
    config = load_config(CONFIG)
    capsys.readouterr()  # mmengine tells which variables it reads
    counted = mmseg_eff.class_weights(config, out=tmp_path / 'weights.json')
    assert len(counted.classes) == len(counted.pixels) == len(counted.weights) == 9
    assert counted.shares == [pixels / sum(counted.pixels) for pixels in counted.pixels]
    np.testing.assert_allclose(
        counted.weights, 1 / np.log(1.10 + np.array(counted.shares)), atol=1e-4
    )
    assert json.loads((tmp_path / 'weights.json').read_text()) == counted.weights
    assert capsys.readouterr().out == ''


def test_ignored_pixels_are_the_last_class(data_root):
    counted = mmseg_eff.class_weights(CONFIG, method='median-frequency', count_ignored=True)
    assert counted.classes[-1] == 'ignored'
    labels = [
        cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        for path in (data_root / 'toystreet/labels/train').iterdir()
    ]
    assert counted.pixels[-1] == sum(int((label == 255).sum()) for label in labels)
    assert sum(counted.pixels) == sum(label.size for label in labels)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(method='inverse'), 'method must be one of inverse-log, median-frequency'),
        (dict(log_offset=1), 'log_offset must be above 1, got 1'),
        (dict(options={'train_dataloader': None}), 'the config has no train_dataloader.dataset'),
    ],
)
def test_wrong_arguments(data_root, arguments, message):
    with pytest.raises(InputError, match=f'^{message}'):
        mmseg_eff.class_weights(CONFIG, **arguments)


def test_only_ignored_pixels(data_root, tmp_path):
    labels = tmp_path / 'labels'
    labels.mkdir()
    for path in (data_root / 'toystreet/labels/train').iterdir():
        cv2.imwrite(str(labels / path.name), np.full((64, 128), 255, np.uint8))
    images = data_root / 'toystreet/images/train'
    prefix = dict(img_path=str(images), seg_map_path=str(labels))
    with pytest.raises(InputError, match=r'all pixels of the training labels are ignored \(255\)'):
        mmseg_eff.class_weights(CONFIG, options={'train_dataloader.dataset.data_prefix': prefix})


@pytest.fixture
def coco(tmp_path):
    path = tmp_path / 'instances.json'
    box = [[0, 0, 4, 0, 4, 6, 0, 6]]
    content = dict(
        images=[
            dict(id=1, file_name='a.jpg', height=6, width=8),
            dict(id=2, file_name='b.jpg', height=6, width=8),
        ],
        annotations=[dict(id=1, image_id=1, category_id=7, segmentation=box)],
        categories=[dict(id=5, name='crack'), dict(id=7, name='rust')],
    )
    path.write_text(json.dumps(content))
    return path


def test_labels_of_coco(coco, tmp_path, capsys):
    labels = mmseg_eff.convert_labels(coco, tmp_path / 'labels/train')
    assert labels.folder == tmp_path / 'labels/train'
    assert labels.names == ['a', 'b'] and labels.classes == ('background', 'crack', 'rust')
    assert labels.list_file.read_text() == 'a\nb\n'
    metainfo = json.loads(labels.metainfo_file.read_text())
    assert metainfo == dict(classes=[*labels.classes], palette=labels.palette)
    assert labels.notes == [
        f'{coco}: 1 images without an object are background',
        f'{coco}: no pixel of crack',
    ]
    label = cv2.imread(str(labels.folder / 'a.png'), cv2.IMREAD_UNCHANGED)
    assert label[0].tolist() == [2, 2, 2, 2, 0, 0, 0, 0]
    assert capsys.readouterr().out == ''
    like = mmseg_eff.convert_labels(coco, tmp_path / 'labels/val', like=labels.metainfo_file)
    assert like.classes == labels.classes and like.palette == labels.palette


def test_labels_of_voc(tmp_path):
    source = tmp_path / 'SegmentationClass'
    source.mkdir()
    cv2.imwrite(str(source / 'x.png'), np.array([[0, 20, 255]], np.uint8))
    labels = mmseg_eff.convert_labels(source, tmp_path / 'out', format='voc', classes='foreground')
    assert (labels.names, len(labels.classes), labels.list_file) == (['x'], 2, tmp_path / 'out.txt')
    label = cv2.imread(str(tmp_path / 'out/x.png'), cv2.IMREAD_UNCHANGED)
    assert label.tolist() == [[0, 1, 255]]
    assert len(mmseg_eff.convert_labels(source, tmp_path / 'voc', format='voc').classes) == 21


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(format='pascal'), "format 'pascal'; expected one of coco, cvat"),
        (dict(classes=('a', 'b'), like='other.metainfo.json'), 'give either classes or like'),
        (
            dict(min_size=3, format='values'),
            'min_size is not for the format values, which takes cl',
        ),
        (dict(format='values', split='train'), 'split is not for the format values'),
        (dict(classes='mine'), "classes must be names, or one of own, voc, foreground; got 'mine'"),
        (dict(format='voc', min_size=2), 'min_size is not for the format voc'),
        (dict(format='labelme', classes='own'), "classes 'own': expected a list of names"),
        (dict(classes='voc', like='a.json'), 'give either classes or like'),
    ],
)
def test_wrong_arguments_of_conversion(coco, tmp_path, arguments, message):
    with pytest.raises(InputError, match=f'^{message}'):
        mmseg_eff.convert_labels(coco, tmp_path / 'labels/train', **arguments)
    assert not (tmp_path / 'labels').exists()


def test_the_format_is_found(tmp_path):
    """Masks of 0 and 255 become labels of two classes, by name or by what they hold."""
    masks = tmp_path / 'masks'
    masks.mkdir()
    values = np.zeros((4, 6), np.uint8)
    values[1:3] = 255
    cv2.imwrite(str(masks / 'a.png'), values)
    for format in (None, 'values'):
        out = tmp_path / str(format)
        result = mmseg_eff.convert_labels(
            masks, out, format=format, classes=('background', 'crack')
        )
        assert (result.format, result.classes) == ('values', ('background', 'crack'))
        label = cv2.imread(str(out / 'a.png'), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(label, values // 255)


@pytest.mark.parametrize('is_voc', [True, False])
def test_palette_masks_have_the_names_of_voc_only_with_its_colours(tmp_path, is_voc):
    labels = np.array([[0, 1], [20, 255]], np.uint8)
    image = Image.fromarray(labels)
    palette = colors(256) if is_voc else [(index, 0, 9) for index in range(256)]
    image.putpalette([number for color in palette for number in color])
    (tmp_path / 'masks').mkdir()
    image.save(tmp_path / 'masks/a.png')
    result = mmseg_eff.convert_labels(tmp_path / 'masks', tmp_path / 'out')
    assert result.format == 'voc' and result.list_file.read_text() == 'a\n'
    label = cv2.imread(str(tmp_path / 'out/a.png'), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(label, labels)
    assert len(result.classes) == 21
    assert (result.classes[1], result.palette[20]) == (
        ('aeroplane', [0, 64, 128]) if is_voc else ('class_1', [20, 0, 9])
    )
