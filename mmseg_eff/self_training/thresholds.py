"""How sure a teacher must be of a pixel: the thresholds among the options of pseudo labels."""

import argparse
from collections.abc import Sequence

import numpy as np

from ..errors import InputError


def probability(option: str, value: float | str) -> float:
    """The number given for an option, or an ``InputError`` if it is not from 0 to 1."""
    try:
        number = float(value)
    except ValueError:
        number = np.nan
    if not 0 <= number <= 1:
        raise InputError(f'{option} must be a number from 0 to 1, got {value!r}')
    return number


def class_confidences(items: Sequence[str], classes: Sequence[str]) -> dict[str, float]:
    """The thresholds of single classes.

    Args:
        items: Such as ``'road=0.9'``.
        classes: Names of all classes.

    Raises:
        InputError: If a name is no class, or a threshold no probability.
    """
    found = {}
    for item in items:
        name, _, value = item.rpartition('=')
        if name not in classes:
            raise InputError(
                f'--class-confidence {item}: expected CLASS=NUMBER with a class of '
                f'{", ".join(classes)}; got {name!r}'
            )
        found[name] = probability(f'--class-confidence of {name}', value)
    return found


def thresholds_of(
    args: argparse.Namespace, classes: Sequence[str]
) -> tuple[float | None, dict[str, float]]:
    """The threshold of all classes, ``None`` with a share instead, and those of single ones.

    Raises:
        InputError: If one is no probability, or there are thresholds and a share.
    """
    if args.class_share is None:
        confidence = 0.5 if args.confidence is None else args.confidence
        return (
            probability('--confidence', confidence),
            class_confidences(args.class_confidence, classes),
        )
    if not 0 < args.class_share <= 1:
        raise InputError(f'--class-share must be above 0, at most 1, got {args.class_share:g}')
    if args.confidence is not None or args.class_confidence:
        raise InputError('give either --class-share or --confidence and --class-confidence')
    return None, {}
