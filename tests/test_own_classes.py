"""A dataset of 13 classes on a config of each family: only ``len(classes)`` says how many."""

import cv2
import numpy as np
import pytest
from config_files import CONFIGS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.model import revert_sync_batchnorm
from mmseg.registry import DATASETS, METRICS, MODELS

from mmseg_eff.dataset_check.settle_labels import settle_labels
from mmseg_eff.errors import InputError
from mmseg_eff.evaluation.augmentation import augment

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
NO_WEIGHTS = 'num_classes=len(classes), loss_decode=dict(class_weight=None)'
BASES = {  # one of each family -> what in its model depends on the classes
    'espnet/espnet-p2q8_1xb8-69k_camvid-360x480': (
        f'data_preprocessor=dict(ignore_to_class=None), decode_head=dict({NO_WEIGHTS})'
    ),
    'espnetv2/espnetv2-s0.5_1xb25-11.9k_cityscapes-256x512': f'decode_head=dict({NO_WEIGHTS})',
    'eseg/eseg-lite-s_1xb8-2k_camvid-360x480': 'decode_head=dict(num_classes=len(classes))',
    'deeplab/deeplabv3-mobilenetv2_1xb16-30k_voc12aug-513x513': (
        'decode_head=dict(num_classes=len(classes))'
    ),
    'mix/stdc1_none_espnet': 'decode_head=dict(num_classes=len(classes))',
    'baselines/fast-scnn_1xb8-1.3k_camvid-360x480': (
        'decode_head=dict(num_classes=len(classes)), auxiliary_head=['
        'dict(head, num_classes=len(classes)) for head in _base_.model.auxiliary_head]'
    ),
}
MY_DATA = """
_base_ = '{base}'
classes = tuple('abcdefghijklm')
data = dict(
    _delete_=True,
    type='BaseSegDataset',
    data_root='{root}',
    data_prefix=dict(img_path='images', seg_map_path='labels'),
    img_suffix='.png',
    metainfo=dict(classes=classes),
)
train_dataloader = dict(dataset=dict(**data, pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(**data, pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
model = dict({model})
"""


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """One image and its label, which has every class and ignored pixels."""
    root = tmp_path_factory.mktemp('my_data')
    for name in ('images', 'labels'):
        (root / name).mkdir()
    rng = np.random.default_rng(0)
    cv2.imwrite(str(root / 'images/0.png'), rng.integers(0, 256, (64, 96, 3), np.uint8))
    label = rng.integers(0, 13, (64, 96), np.uint8)
    label[:4] = 255
    cv2.imwrite(str(root / 'labels/0.png'), label)
    return root


def write(folder, base):
    path = folder / 'my_data.py'
    path.write_text(MY_DATA.format(base=CONFIGS / f'{base}.py', root=folder, model=BASES[base]))
    return path


@pytest.mark.parametrize('base', BASES, ids=lambda base: base.partition('/')[0])
def test_trains_and_is_evaluated_with_tta(folder, base):
    """Its labels are loaded by the base's pipelines, and it is scored under ``--tta``."""
    config = Config.fromfile(write(folder, base))
    config.model.backbone.pop('init_cfg', None)
    for step in config.tta_pipeline[-1].transforms[0]:
        step.scale = (96, 64)  # quick
    augmented = Config(dict(config), filename=None)
    augment(augmented, base)
    settle_labels(config, *LOADERS[:2])
    settle_labels(augmented, 'test_dataloader')
    labels = DATASETS.build(config.train_dataloader.dataset)[0]['data_samples'].gt_sem_seg.data
    assert set(labels.unique().tolist()) <= {*range(13), 255}
    dataset = DATASETS.build(augmented.test_dataloader.dataset)
    model = revert_sync_batchnorm(MODELS.build(augmented.model)).eval()
    (sample,) = model.test_step(pseudo_collate([dataset[0]]))
    assert sample.pred_sem_seg.shape == (64, 96)
    metric = METRICS.build(config.test_evaluator)
    metric.dataset_meta = dataset.metainfo
    metric.process({}, [sample.to_dict()])
    assert 0 <= metric.evaluate(1)['mIoU'] <= 100


@pytest.mark.parametrize('split', ['train', 'test', 'tta'])
def test_a_label_that_is_no_class_is_still_refused(folder, split, tmp_path):
    (base, *_) = BASES
    config = Config.fromfile(write(folder, base))
    if split == 'tta':
        augment(config, base)
    dataset = config[f'{split.replace("tta", "test")}_dataloader'].dataset
    dataset.data_prefix.seg_map_path = str(tmp_path)
    cv2.imwrite(str(tmp_path / '0.png'), np.full((64, 96), 13, np.uint8))
    with pytest.raises(InputError, match='label value 13 out of range; allowed are 0 to 12 and'):
        DATASETS.build(dataset)[0]
