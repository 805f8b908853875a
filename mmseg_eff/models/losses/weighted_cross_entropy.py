"""Cross-entropy with class weights that skips ignored pixels.

mmseg 1.2.2's ``CrossEntropyLoss`` looks up the weight of every label, the ignored ones too, and
fails with an IndexError on 255.
"""

from collections.abc import Sequence

import torch.nn as nn
from mmseg.models.losses.utils import get_class_weight
from mmseg.registry import MODELS
from torch import Tensor
from torch.nn import functional as F

from .class_weight import class_weight_tensor


@MODELS.register_module()
class WeightedCrossEntropy(nn.Module):
    """Weighted mean cross-entropy of the pixels that are not ignored: sum(w * ce) / sum(w).

    Args:
        class_weight: One weight a class, a file with them (.npy, .json, …), or ``None`` for
            equal weights.
        loss_weight: Factor of the loss.
        loss_name: Key of the loss in the log.
    """

    def __init__(
        self,
        class_weight: Sequence[float] | str | None = None,
        loss_weight: float = 1.0,
        loss_name: str = 'loss_ce',
    ) -> None:
        super().__init__()
        self.class_weight = get_class_weight(class_weight)
        self.loss_weight = loss_weight
        self.loss_name = loss_name

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        ignore_index: int = 255,
    ) -> Tensor:
        """Loss of logits ``(N, C, H, W)`` against labels ``(N, H, W)``; 0 where all are ignored.

        Args:
            pred: Logits.
            target: Class indices, or ``ignore_index``.
            weight: Weight of each pixel ``(N, H, W)``, from a pixel sampler.
            ignore_index: Label of the ignored pixels.

        Raises:
            ValueError: If there is one class only, or another number of weights than classes.
        """
        class_weight = class_weight_tensor(self, pred)
        loss = F.cross_entropy(
            pred, target, weight=class_weight, ignore_index=ignore_index, reduction='none'
        )
        counts = (target != ignore_index).to(pred.dtype)
        if class_weight is not None:
            counts = counts * class_weight[target.clamp(0, len(class_weight) - 1)]
        if weight is not None:
            loss, counts = loss * weight, counts * weight
        return self.loss_weight * loss.sum() / counts.sum().clamp(min=1e-12)
