"""Classes and palette from the config, where the checkpoint has none; labels of 16 bits."""

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmseg.registry import MODELS

from mmseg_eff.converters import save_checkpoint
from mmseg_eff.dataset_check.settle_labels import check_num_outputs
from mmseg_eff.datasets import CamVidDataset
from mmseg_eff.errors import InputError
from mmseg_eff.inference.segmentor import dataset_meta, load_segmentor, segment_image
from mmseg_eff.utils.image_io import write_png
from mmseg_eff.visualization.overlay import color_table, draw_overlay

TOY = 'espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'
CAMVID = dict(type='CamVidDataset', data_root='nowhere')
NAMES = ('bg', 'a', 'b')


def own(**metainfo):
    return dict(type='BaseSegDataset', data_root='nowhere', metainfo=metainfo)


def meta_of(dataset):
    return dataset_meta(Config(dict(test_dataloader=dict(dataset=dataset))))


@pytest.mark.parametrize(
    ('dataset', 'names', 'first'),
    [
        (CAMVID, CamVidDataset.METAINFO['classes'], [128, 128, 128]),
        ({**CAMVID, 'metainfo': dict(classes=('Car', 'Road'))}, ('Car', 'Road'), [64, 0, 128]),
        ({**CAMVID, 'metainfo': dict(classes=['Road', 'Car'])}, ('Road', 'Car'), [128, 64, 128]),
        (own(classes=NAMES, palette=[[1, 2, 3]] * 3), NAMES, [1, 2, 3]),
        (dict(type='ConcatDataset', datasets=[CAMVID, CAMVID]), None, [128, 128, 128]),
        (dict(type='RepeatDataset', times=2, dataset=CAMVID), None, [128, 128, 128]),
        (
            dict(
                type='MultiImageMixDataset',
                pipeline=[],
                dataset=dict(
                    type='ConcatDataset', datasets=[{**CAMVID, 'metainfo': dict(classes=('Car',))}]
                ),
            ),
            ('Car',),
            [64, 0, 128],
        ),
    ],
)
def test_names_and_colours(dataset, names, first):
    meta = meta_of(dataset)
    assert tuple(meta['classes']) == tuple(names or CamVidDataset.METAINFO['classes'])
    assert len(meta['palette']) == len(meta['classes'])
    assert list(meta['palette'][0]) == first


def test_random_colours_are_mmseg_s_and_stay():
    palettes = [meta_of(own(classes=NAMES))['palette'] for _ in range(2)]
    assert palettes[0] == palettes[1]
    assert len({tuple(color) for color in palettes[0]}) == 3


def test_classes_from_a_file(tmp_path):
    path = tmp_path / 'classes.txt'
    path.write_text('bg\na\nb\n')
    assert meta_of(own(classes=str(path)))['classes'] == list(NAMES)
    path.unlink()
    with pytest.raises(InputError, match=f'^{path}: no such file, wanted by BaseSegDataset'):
        meta_of(own(classes=str(path)))


@pytest.mark.parametrize('metainfo', [{}, dict(classes=())])
def test_no_classes(metainfo):
    with pytest.raises(InputError, match=r'^BaseSegDataset: names no classes; set metainfo='):
        meta_of(own(**metainfo))


@pytest.mark.parametrize(('num_classes', 'dtype'), [(256, np.uint8), (300, np.uint16)])
def test_more_outputs_than_labels_of_8_bits(root, tmp_path, num_classes, dtype):
    """Predictions have 16 bits then; label files, such as pseudo labels, have 8 bits."""
    names = [str(index) for index in range(num_classes)]
    config = Config.fromfile(root / 'configs' / TOY)
    config.model.decode_head.num_classes = num_classes
    config.test_dataloader.dataset = own(classes=names, palette=[[0, 0, 0]] * num_classes)
    config.dump(tmp_path / 'config.py')
    state = MODELS.build(config.model).state_dict()
    save_checkpoint(dict(state_dict=state, meta={}), tmp_path / 'weights.pth')
    model = load_segmentor(config, tmp_path / 'weights.pth', 'cpu')
    image = np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8)
    label = segment_image(model, image)
    assert label.dtype == dtype and label.max() < num_classes
    label[0] = num_classes - 1
    write_png(tmp_path / 'label.png', label)
    assert np.array_equal(cv2.imread(str(tmp_path / 'label.png'), -1), label)
    drawn = draw_overlay(image, label, color_table([[9] * 3] * num_classes), opacity=1)
    assert (drawn == 9).all()
    if num_classes > 256:
        with pytest.raises(InputError, match='decode_head has 300 outputs; labels are of 8 bits'):
            check_num_outputs(config)
