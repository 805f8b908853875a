"""Blend the labels' colours into an image, with borders of the regions if asked for."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..datasets.label_rules import check_palette
from ..errors import InputError
from ..utils.image_io import Label
from .palettes import Palette, choose_palette

LINES = 400  # widths of a border line in the shorter side of an image


@dataclass(frozen=True)
class OverlayStyle:
    """How overlays are drawn.

    Attributes:
        opacity: Share of the colours, 0 to 1.
        legend: Append names and colours of the classes present below the picture.
        outline: Draw the borders of the regions, so that dark classes are seen on dark photos.
        palette: ``'colorblind'``, or RGB of each class; ``None`` for the dataset's own.
    """

    opacity: float = 0.5
    legend: bool = False
    outline: bool = False
    palette: str | Palette | None = None

    def settings(self) -> dict[str, object]:
        """The style in JSON's types."""
        palette = self.palette
        if palette is not None and not isinstance(palette, str):
            palette = check_palette(palette, 'overlay')
        return {**asdict(self), 'palette': palette}

    def colors(self, own: Palette, classes: Sequence[str]) -> NDArray[np.uint8]:
        """Table of ``color_table`` for a dataset.

        Args:
            own: RGB colour of each of its classes.
            classes: Name of each class.

        Raises:
            InputError: If the opacity or the palette is wrong.
        """
        check_opacity(self.opacity)
        return color_table(choose_palette(self.palette, own, len(classes) or len(own)))


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
    *,
    outline: bool = False,
) -> NDArray[np.uint8]:
    """Blend the labels' colours into an image.

    Args:
        image: BGR image (H, W, 3).
        label: Label map (H, W).
        colors: Table of ``color_table``.
        opacity: Share of the colours, 0 to 1.
        outline: Draw the borders of the regions.

    Returns:
        BGR image (H, W, 3).

    Raises:
        InputError: If the opacity is not between 0 and 1.
    """
    check_opacity(opacity)
    overlay = np.asarray(cv2.addWeighted(image, 1 - opacity, colors[label], opacity, 0), np.uint8)
    if outline:
        draw_borders(overlay, label)
    return overlay


def draw_borders(overlay: NDArray[np.uint8], label: Label) -> None:
    """Draw a line between regions: white where the overlay is dark, black where it is bright.

    Args:
        overlay: BGR image (H, W, 3), changed in place.
        label: Label map (H, W).
    """
    width = max(1, round(min(label.shape) / LINES))
    kernel = np.ones((width + 1, width + 1), np.uint8)
    label = np.ascontiguousarray(label)
    borders = cv2.dilate(label, kernel) != cv2.erode(label, kernel)
    gray = cv2.cvtColor(overlay, cv2.COLOR_BGR2GRAY)
    is_dark = cv2.blur(gray, (8 * width + 1,) * 2) < 128
    overlay[borders & is_dark] = 255
    overlay[borders & ~is_dark] = 0
