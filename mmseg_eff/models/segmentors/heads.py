"""Look up a segmentor's decode head (the last one of a cascade) and its number of labels."""

from torch import nn


def last_head(model: nn.Module) -> nn.Module | None:
    """The head that predicts; ``None`` for a segmentor without ``decode_head``."""
    head = getattr(model, 'decode_head', None)
    return head[-1] if isinstance(head, nn.ModuleList) else head


def num_labels(model: nn.Module) -> int:
    """Number of labels that a segmentor predicts; a single output predicts two."""
    head = last_head(model)
    return max(2, getattr(head, 'num_classes', 2), getattr(head, 'out_channels', 2) or 2)
