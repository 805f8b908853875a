"""Checks of arguments that the heads share."""

from collections.abc import Mapping


def check_num_classes(num_classes: int) -> None:
    """Raise ``ValueError`` unless there is at least one class."""
    if num_classes < 1:
        raise ValueError(f'num_classes must be 1 or more, got {num_classes}')


def refuse_configs(head: str, kwargs: Mapping[str, object], reasons: Mapping[str, str]) -> None:
    """Raise ``ValueError`` for a layer config that mmseg's base takes and a head would not use.

    Args:
        head: Name of the head's class.
        kwargs: Arguments on their way to ``BaseDecodeHead``; no ``conv_cfg`` is its default.
        reasons: Why the head does not take them, by name: ``conv_cfg`` or ``act_cfg``.
    """
    for name, reason in reasons.items():
        if name in kwargs and not (name == 'conv_cfg' and kwargs[name] is None):
            raise ValueError(f'{head} takes no {name}, since {reason}; got {kwargs[name]}')
