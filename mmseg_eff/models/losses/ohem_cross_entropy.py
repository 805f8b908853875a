"""Online hard example mining (OHEM): cross-entropy over the pixels that are not yet learnt.

The rule of HRNet's segmentation code, usable in any head: mmseg 1.2.2's ``OhemCrossEntropy`` has
it too, but takes no ``weight`` and ``ignore_index``, which ``BaseDecodeHead`` passes; mmseg's
``OHEMPixelSampler`` counts per image and divides by all pixels, so that its loss is far smaller.
"""

from collections.abc import Sequence

import numpy as np
import torch
from mmseg.models.losses.utils import get_class_weight
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from .class_weight import class_weight_tensor


@MODELS.register_module()
class OHEMCrossEntropy(nn.Module):
    """Mean cross-entropy of the hard pixels of a batch, the batch of one GPU.

    With p the probability of the true class at each of the n pixels that are not ignored, ::

        limit = max(sorted(p)[min(min_kept, n - 1)], threshold)
        loss = mean of class_weight * cross-entropy over the pixels with p < limit

    so at least ``min_kept`` pixels stay if there are as many and none ties with the limit. The
    probability does not depend on the class weights, and the mean is over a number of pixels,
    not over a sum of weights.

    Attributes:
        is_mining: ``False`` takes the mean over all pixels that are not ignored.
        limit: Limit of the last call, 0-dim; 1 when it was not mining.
        kept_share: Share of the not ignored pixels that the last call kept, 0-dim.

    Args:
        threshold: Pixels with a smaller probability are always kept.
        min_kept: Pixels of the batch to keep at least; with 0 the threshold alone decides.
        class_weight: One weight a class, a file with them (.npy, .json, …), or ``None`` for
            equal weights.
        loss_weight: Factor of the loss.
        loss_name: Key of the loss in the log.

    Raises:
        ValueError: If the threshold is no probability, or ``min_kept`` no natural number.
    """

    def __init__(
        self,
        threshold: float = 0.9,
        min_kept: int = 131072,
        class_weight: Sequence[float] | str | None = None,
        loss_weight: float = 1.0,
        loss_name: str = 'loss_ohem',
    ) -> None:
        super().__init__()
        if not 0 <= threshold <= 1:
            raise ValueError(f'threshold must be from 0 to 1, got {threshold!r}')
        if not isinstance(min_kept, int) or min_kept < 0:
            raise ValueError(f'min_kept must be an integer of 0 or more, got {min_kept!r}')
        self.threshold = threshold
        self.min_kept = min_kept
        self.class_weight = get_class_weight(class_weight)
        self.loss_weight = loss_weight
        self.loss_name = loss_name
        self.is_mining = True
        self.limit = self.kept_share = torch.ones(())

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        ignore_index: int = 255,
    ) -> Tensor:
        """Loss of logits ``(N, C, H, W)`` against labels ``(N, H, W)``; 0 where none is kept.

        Args:
            pred: Logits; half precision is computed in float32.
            target: Class indices, or ``ignore_index``.
            weight: Factor of each pixel's loss ``(N, H, W)``, from a pixel sampler.
            ignore_index: Label of the ignored pixels.

        Raises:
            ValueError: If there is one class only, or another number of weights than classes.
        """
        pred = pred.float()
        class_weight = class_weight_tensor(self, pred)
        loss = F.cross_entropy(pred, target, ignore_index=ignore_index, reduction='none')
        with torch.no_grad():
            ignored = target == ignore_index
            num_valid = ignored.numel() - ignored.count_nonzero()
            if self.is_mining:
                p = torch.exp(-loss)
                self.limit = mining_limit(p, ignored, self.threshold, self.min_kept)
                # Ignored pixels have p = 1, and the limit is 1 at most. Not "kept = p < limit", so
                # that the NaN of a diverged training reaches the loss.
                dropped = p >= self.limit
                num_kept = dropped.numel() - dropped.count_nonzero()
            else:
                self.limit = loss.new_ones(())
                dropped, num_kept = ignored, num_valid
            self.kept_share = num_kept / num_valid.clamp(min=1)
        if class_weight is not None:
            loss = loss * class_weight[target.clamp(0, len(class_weight) - 1)]
        if weight is not None:
            loss = loss * weight
        loss = loss.masked_fill(dropped, 0)
        return self.loss_weight * loss.sum() / num_kept.clamp(min=1)


def mining_limit(p: Tensor, ignored: Tensor, threshold: float, min_kept: int) -> Tensor:
    """``max(sorted(p)[min(min_kept, n - 1)], threshold)`` of the n not ignored, without sorting.

    Args:
        p: Probabilities of the true classes, of any shape; 1 where ignored.
        ignored: Ignored pixels, of the same shape.
        threshold: Lower bound of the limit.
        min_kept: Rank of the probability sought, from 0.
    """
    # With more than min_kept below the threshold, the one of that rank is, too: no need to select.
    # Asking this would make the host wait for a GPU, which therefore selects every time.
    if p.is_cpu and (p < threshold).count_nonzero() > min_kept:
        return p.new_tensor(threshold)
    limit = kth_smallest(p.flatten(), min(min_kept, p.numel() - 1))
    easiest = p.masked_fill(ignored, 0).max()  # of rank n - 1; ignored pixels rank after it
    return limit.minimum(easiest).clamp(threshold, 1)


def kth_smallest(values: Tensor, rank: int) -> Tensor:
    """``sorted(values)[rank]`` of a tensor ``(n,)``, 0-dim."""
    if values.is_cpu:  # vectorised, a tenth of the time of torch.kthvalue
        return torch.from_numpy(np.partition(values.numpy(), rank))[rank]
    return values.kthvalue(rank + 1).values
