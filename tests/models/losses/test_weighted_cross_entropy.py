import json

import pytest
import torch
from torch.nn import functional as F

from mmseg_eff.models import WeightedCrossEntropy


@pytest.mark.parametrize('class_weight', [None, [0.5, 2.0, 1.0, 0.0]])
def test_equals_torch_with_ignored_labels(class_weight):
    logits = torch.randn(2, 4, 5, 7, requires_grad=True)
    target = torch.randint(4, (2, 5, 7))
    target[:, :2] = 255
    loss = WeightedCrossEntropy(class_weight, loss_weight=0.4)(logits, target)
    weight = None if class_weight is None else torch.tensor(class_weight)
    expected = 0.4 * F.cross_entropy(logits, target, weight, ignore_index=255)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert not logits.grad[:, :, :2].any()


def test_all_ignored_is_zero_with_a_gradient():
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    loss = WeightedCrossEntropy([1, 2, 3])(logits, torch.full((1, 4, 4), 255))
    loss.backward()
    assert loss == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_pixel_weights_choose_pixels():
    logits, target = torch.randn(1, 3, 4, 4), torch.randint(3, (1, 4, 4))
    weight = (torch.arange(16).view(1, 4, 4) < 5).float()
    loss = WeightedCrossEntropy()(logits, target, weight=weight)
    chosen = F.cross_entropy(logits.flatten(2)[..., :5], target.flatten(1)[:, :5])
    torch.testing.assert_close(loss, chosen)


def test_weights_from_a_file(tmp_path):
    path = tmp_path / 'weights.json'
    path.write_text(json.dumps([1.0, 3.0]))
    assert WeightedCrossEntropy(str(path)).class_weight == [1.0, 3.0]


def test_wrong_use():
    target = torch.zeros(1, 2, 2, dtype=torch.long)
    with pytest.raises(ValueError, match='needs 2 classes or more'):
        WeightedCrossEntropy()(torch.zeros(1, 1, 2, 2), target)
    with pytest.raises(ValueError, match='class_weight has 2 values for 3 classes'):
        WeightedCrossEntropy([1, 2])(torch.zeros(1, 3, 2, 2), target)
