"""Blend the labels' colours into an image."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ..datasets.label_rules import check_palette
from ..errors import InputError
from ..utils.image_io import Label


def color_table(palette: Sequence[Sequence[int]]) -> NDArray[np.uint8]:
    """BGR colours (256 or 65536, 3) of all labels, black for a label without a class (ignored).

    Args:
        palette: RGB colour of each class.

    Raises:
        InputError: If a colour is not three whole numbers of 0 to 255.
    """
    colors = check_palette(palette, 'classes')
    table = np.zeros((256 if len(colors) <= 256 else 2**16, 3), np.uint8)
    table[: len(colors)] = np.array(colors, np.uint8).reshape(-1, 3)[:, ::-1]
    return table


def check_opacity(opacity: float) -> None:
    """Check the opacity of an overlay.

    Raises:
        InputError: If it is not between 0 and 1.
    """
    if not 0 <= opacity <= 1:
        raise InputError(f'opacity must be between 0 and 1, got {opacity}')


def draw_overlay(
    image: NDArray[np.uint8],
    label: Label,
    colors: NDArray[np.uint8],
    opacity: float = 0.5,
) -> NDArray[np.uint8]:
    """Blend the labels' colours into an image.

    Args:
        image: BGR image (H, W, 3).
        label: Label map (H, W).
        colors: Table of ``color_table``.
        opacity: Share of the colours, 0 to 1.

    Returns:
        BGR image (H, W, 3).

    Raises:
        InputError: If the opacity is not between 0 and 1.
    """
    check_opacity(opacity)
    return np.asarray(cv2.addWeighted(image, 1 - opacity, colors[label], opacity, 0), np.uint8)
