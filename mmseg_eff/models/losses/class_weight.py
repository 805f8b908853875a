"""Convert class weights for the losses."""

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor


class WeightedLoss(Protocol):
    """A loss with one weight a class, or none."""

    class_weight: Sequence[float] | None


def class_weight_tensor(loss: WeightedLoss, pred: Tensor) -> Tensor | None:
    """``loss.class_weight`` as a tensor ``(C,)`` like logits ``(N, C, H, W)``; ``None`` if unset.

    Raises:
        ValueError: If there is one class only, or another number of weights than classes.
    """
    num_classes = pred.shape[1]
    if num_classes == 1:
        raise ValueError(
            f'{type(loss).__name__} needs 2 classes or more; for a single class use '
            "dict(type='CrossEntropyLoss', use_sigmoid=True)"
        )
    if loss.class_weight is None:
        return None
    if len(loss.class_weight) != num_classes:
        raise ValueError(
            f'class_weight has {len(loss.class_weight)} values for {num_classes} classes'
        )
    return pred.new_tensor(loss.class_weight)
