"""Pairs of images and labels, and findings about them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

NOTES = ('odd name', 'absent class', 'more outputs', 'dark image')  # harm no training


class Pair(NamedTuple):
    """Paths of an image and its label."""

    image: str
    label: str | None  # None for a dataset without labels


class Finding(NamedTuple):
    """What is wrong, or worth knowing.

    Attributes:
        path: Image, label, folder, config or split that it is about.
        kind: What it is, such as ``'missing file'``.
        message: The sentence that tells a reader.
    """

    path: str
    kind: str
    message: str

    @property
    def is_error(self) -> bool:
        """Whether it would stop or spoil a training."""
        return self.kind not in NOTES


class PairCheck(NamedTuple):
    """What an image and its label show by themselves."""

    pair: Pair
    findings: list[Finding]
    digest: bytes | None  # of the image's pixels; None if it could not be loaded
    values: NDArray[np.int64] | None  # pixels of each value in the label file (256,)

    @property
    def errors(self) -> list[Finding]:
        """The findings that are errors."""
        return [finding for finding in self.findings if finding.is_error]
