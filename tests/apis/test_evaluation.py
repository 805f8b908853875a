"""``evaluate`` as a Python user calls it."""

import json
import math

import cv2
import numpy as np
import pytest
import torch
from helpers import TINY
from mmengine.config import DictAction
from mmengine.logging import print_log
from mmseg.registry import MODELS

import mmseg_eff
from mmseg_eff.apis import evaluation
from mmseg_eff.apis.evaluation import Evaluation, evaluate
from mmseg_eff.config.load import load_config
from mmseg_eff.converters import save_checkpoint
from mmseg_eff.errors import InputError
from mmseg_eff.inference.dense_crf import DenseCRF

LEAF = 'mmseg_eff::espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'
OPTIONS = {key: DictAction._parse_iterable(value) for key, value in (o.split('=') for o in TINY)}


@pytest.fixture
def config(data_root, tmp_path):
    config = load_config(LEAF, OPTIONS)
    config.work_dir = str(tmp_path / 'work')
    return config


@pytest.fixture
def checkpoint(config, tmp_path):
    """Random weights."""
    torch.manual_seed(1)
    state_dict = MODELS.build(config.model).state_dict()
    meta = dict(preprocessing=dict(mean=(1.0, 2.0, 3.0)))
    save_checkpoint(dict(state_dict=state_dict, meta=meta), tmp_path / 'random.pth')
    return tmp_path / 'random.pth'


def test_what_an_evaluation_returns(config, checkpoint, tmp_path):
    assert mmseg_eff.evaluate is evaluate and mmseg_eff.Evaluation is Evaluation
    before = config.to_dict()
    result = evaluate(config, checkpoint, out=tmp_path / 'out', confusion_matrix=True)
    assert config.to_dict() == before
    assert set(result.metrics) == {'aAcc', 'mIoU', 'mAcc'}
    matrix = result.confusion_matrix
    counts = np.zeros_like(matrix)
    for path in (tmp_path / 'out').glob('*.png'):
        label = cv2.imread(f'{config.data_root}/labels/val/{path.name}', cv2.IMREAD_UNCHANGED)
        found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        np.add.at(counts, (np.minimum(label, 9), found), 1)
    assert result.labels == tmp_path / 'out' and counts.sum() == 2 * 64 * 128
    assert np.array_equal(matrix, counts)
    scored = matrix[:-1, :-1].astype(float)
    union = scored.sum(0) + scored.sum(1) - scored.diagonal()
    iou = [100 * a / b if b else math.nan for a, b in zip(scored.diagonal(), union, strict=True)]
    assert list(result.class_iou)[:2] == ['road', 'sidewalk']
    np.testing.assert_allclose(list(result.class_iou.values()), iou, rtol=1e-5)
    assert result.metrics['mIoU'] == pytest.approx(np.nanmean(iou), abs=0.01)


def test_little_is_asked_for(config, checkpoint, tmp_path):
    """A metric without IoU, and the matrix as files."""
    config.test_evaluator.iou_metrics = ['mDice']
    result = evaluate(config, str(checkpoint), confusion_matrix=tmp_path / 'm')
    assert (result.class_iou, result.labels) == (None, None)
    report = json.loads((tmp_path / 'm/confusion_matrix.json').read_text())
    assert report['pixels'] == result.confusion_matrix[:-1, :-1].tolist()
    assert evaluate(config, checkpoint).confusion_matrix is None


@pytest.mark.parametrize('tta', [False, True])
def test_other_preprocessing_is_named(config, checkpoint, monkeypatch, tta):
    """Once, also where the network is inside of a model for augmentation."""
    lines = []
    monkeypatch.setattr(evaluation, 'print_log', lambda text, **_: lines.append(text))
    evaluate(config, checkpoint, tta=tta)
    mean = config.model.data_preprocessor.mean
    assert lines == [f'{checkpoint}: was trained with mean (1.0, 2.0, 3.0), the config has {mean}']
    assert evaluation.print_log is not print_log


def test_wrong_calls(config, checkpoint):
    config.test_cfg = None
    with pytest.raises(InputError, match='has no test_cfg'):
        evaluate(config, checkpoint)
    with pytest.raises(InputError, match='exclude each other'):
        evaluate(config, checkpoint, tta=True, crf=DenseCRF.__new__(DenseCRF))
