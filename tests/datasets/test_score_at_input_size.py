import numpy as np
import pytest
from mmcv.transforms import Compose
from mmseg.registry import TRANSFORMS
from PIL import Image

from mmseg_eff.datasets import ScoreAtInputSize


@pytest.mark.parametrize('size', [(20, 30), (7, 11), (40, 60), (80, 33), (1, 1)])
def test_labels_are_resized_as_by_pillow(size):
    label = np.random.default_rng(0).integers(0, 256, (40, 60)).astype(np.uint8)
    results = dict(img=np.zeros((*size, 3)), ori_shape=(40, 60), gt_seg_map=label)
    results = ScoreAtInputSize()(results)
    expected = Image.fromarray(label).resize(size[::-1], Image.Resampling.NEAREST)
    assert np.array_equal(results['gt_seg_map'], np.asarray(expected))
    assert results['ori_shape'] == size


def test_without_labels_nothing_changes():
    results = dict(img=np.zeros((2, 3, 3)), ori_shape=(4, 6))
    assert ScoreAtInputSize()(results)['ori_shape'] == (4, 6)
    assert results.keys() == {'img', 'ori_shape'}


@pytest.mark.parametrize('behind', ['Resize', 'LoadCheckedAnnotations'])
def test_in_a_test_pipeline(behind, make_image, tmp_path):
    label = tmp_path / 'label.png'
    Image.fromarray(np.tile(np.uint8([[0, 1], [2, 255]]), (24, 32))).save(label)
    steps = [
        dict(type='LoadCheckedAnnotations', num_classes=3),
        dict(type='Resize', scale=(32, 24)),
    ]
    if behind == 'LoadCheckedAnnotations':
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
