"""Blend the labels' colours into an image."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ..datasets.label_rules import check_palette
from ..utils.image_io import Label


def color_table(palette: Sequence[Sequence[int]]) -> NDArray[np.uint8]:
    """BGR colours (256 or 65536, 3) of all labels; black for those without a class (ignored)."""
    table = np.zeros((256 if len(palette) <= 256 else 2**16, 3), np.uint8)
    colors = check_palette(palette, 'classes')
    table[: len(colors)] = np.array(colors, np.uint8).reshape(-1, 3)[:, ::-1]
    return table


def draw_overlay(
    image: NDArray[np.uint8],
    label: Label,
    colors: NDArray[np.uint8],
    opacity: float = 0.5,
) -> NDArray[np.uint8]:
    """Blend the labels' colours into an image.

    Args:
        image: (H, W, 3), BGR.
        label: (H, W).
        colors: Table of ``color_table``.
        opacity: Share of the colours, 0 to 1.

    Returns:
        (H, W, 3), BGR.
    """
    return cv2.addWeighted(image, 1 - opacity, colors[label], opacity, 0)
