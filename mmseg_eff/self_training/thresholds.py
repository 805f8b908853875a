"""Rules for which pixels keep their pseudo label: a confidence, or a share of every class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..errors import InputError

DEFAULT_CONFIDENCE = 0.5
KEEP_ALL = -1.0  # a threshold that every probability exceeds


@dataclass(frozen=True)
class Thresholds:
    """Which pixels keep their label.

    Attributes:
        confidence: The probability that a kept pixel exceeds; ``None`` with ``class_share``.
        class_confidence: The same for single classes, by name.
        class_share: The share of the pixels of every class to keep, the surest ones.
    """

    confidence: float | None = DEFAULT_CONFIDENCE
    class_confidence: Mapping[str, float] = field(default_factory=dict)
    class_share: float | None = None

    def of_classes(self, classes: Sequence[str]) -> list[float]:
        """The threshold of each class; with a share, every pixel exceeds it.

        Raises:
            InputError: If ``class_confidence`` names another class.
        """
        unknown = [name for name in self.class_confidence if name not in classes]
        if unknown:
            raise InputError(
                f'class_confidence: expected classes of {", ".join(classes)}; got {unknown[0]!r}'
            )
        for_all = KEEP_ALL if self.confidence is None else self.confidence
        return [self.class_confidence.get(name, for_all) for name in classes]


def thresholds_of(
    confidence: float | None = None,
    class_confidence: Mapping[str, float] | None = None,
    class_share: float | None = None,
) -> Thresholds:
    """Check the thresholds that a user gives.

    Args:
        confidence: Probability that a kept pixel exceeds, 0 to 1; 0.5 by default.
        class_confidence: The same for single classes, by name.
        class_share: Instead of both: the share of every class to keep, above 0 and at most 1.

    Raises:
        InputError: If a number is out of range, or there are thresholds and a share.
    """
    if class_share is None:
        value = DEFAULT_CONFIDENCE if confidence is None else confidence
        of_classes = {
            name: probability(f'class_confidence of {name}', number)
            for name, number in (class_confidence or {}).items()
        }
        return Thresholds(probability('confidence', value), of_classes)
    if not 0 < class_share <= 1:
        raise InputError(f'class_share must be above 0, at most 1, got {class_share:g}')
    if confidence is not None or class_confidence:
        raise InputError('give either class_share or confidence and class_confidence')
    return Thresholds(None, {}, float(class_share))


def probability(name: str, value: float | str) -> float:
    """A number from 0 to 1.

    Raises:
        InputError: If ``value`` is none; the message begins with ``name``.
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = np.nan
    if not 0 <= number <= 1:
        raise InputError(f'{name} must be a number from 0 to 1, got {value!r}')
    return number
