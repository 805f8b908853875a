"""Write the weights of a network for others: small, safe to read, and with what they need."""

from collections.abc import Mapping
from pathlib import Path

import torch
from mmseg.models import BaseSegmentor
from torch import Tensor

from ..utils.atomic_io import remove_leftovers, sha256_of
from .io import save_checkpoint, zero_denormals

LARGEST_HALF = torch.finfo(torch.float16).max


def publish(
    model: BaseSegmentor, source: str | Path, target: str | Path, half: bool
) -> tuple[int, str, dict]:
    """Write the weights of a network with its classes, colours and preprocessing.

    Args:
        model: Segmentor with its weights, ``cfg`` and ``dataset_meta``.
        source: File that the weights are from.
        target: File to write.
        half: Store numbers in half precision.

    Returns:
        Bytes, SHA-256 and ``meta`` of the file.
    """
    weights = model.state_dict()
    zero_denormals(weights)
    processor = model.cfg.model.get('data_preprocessor') or {}
    meta = dict(
        source=dict(file=Path(source).name, sha256=sha256_of(source)),
        preprocessing={
            name: processor[name] for name in ('mean', 'std') if processor.get(name) is not None
        },
        dataset_meta={
            name: model.dataset_meta[name]
            for name in ('classes', 'palette')
            if model.dataset_meta.get(name) is not None
        },
    )
    remove_leftovers(Path(target).parent)
    save_checkpoint(dict(meta=meta, state_dict=halved(weights) if half else weights), target)
    return Path(target).stat().st_size, sha256_of(target), meta


def halved(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights in half precision; a tensor with values beyond its range stays as it is."""
    return {
        name: value.half() if value.is_floating_point() and fits_half(value) else value
        for name, value in weights.items()
    }


def fits_half(value: Tensor) -> bool:
    """Whether no number of a tensor is beyond the range of half precision."""
    return not value.numel() or value.abs().amax().item() <= LARGEST_HALF
