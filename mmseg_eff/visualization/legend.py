"""Append a legend to a picture: colours and names of the classes in it."""

import functools
import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ..utils.image_io import Label

SHARE = 1 / 5000  # of the pixels: a class with fewer is not in the legend
TEXT = 0.032  # height of the text, as a share of the picture's shorter side
SMALLEST = 11  # height of the text in pixels, for pictures of any size
MIN_ROWS = 24  # that a legend may have; more up to half of the picture's height
LONGEST = 40  # characters of a name
INK, PAPER, FRAME = (30, 30, 30), (255, 255, 255), (130, 130, 130)


class Legend:
    """Draws the legend of one image, or of the frames of one video.

    It is a white band below the picture, which stays as it is. Class names are in DejaVu Sans
    (Latin, Greek, Cyrillic and more; not Chinese, Japanese or Korean).

    Args:
        classes: Name of each class.
        colors: BGR colours of all labels, see ``color_table``.
        is_video: Keep each class in its place once it was seen, and leave room for all classes, so
            that all frames have one size.
    """

    def __init__(
        self, classes: Sequence[str], colors: NDArray[np.uint8], *, is_video: bool = False
    ) -> None:
        self.classes, self.colors, self.is_video = classes, colors, is_video
        self.shown: list[int] = []
        self.band: NDArray[np.uint8] | None = None

    def append(self, picture: NDArray[np.uint8], label: Label) -> NDArray[np.uint8]:
        """A picture with the legend of its labels.

        Args:
            picture: BGR (h, w, 3).
            label: Label map (H, W) of the picture, of any size.

        Returns:
            BGR (h + band, w or the width of the longest name, 3).
        """
        present = present_classes(label, len(self.classes))
        before = self.shown
        if self.is_video:
            present = list(dict.fromkeys((*before, *present)))
        if self.band is None or present != before or self.band.shape[1] < picture.shape[1]:
            self.band = self.draw(present, picture.shape[0], picture.shape[1])
        self.shown = present
        missing = self.band.shape[1] - picture.shape[1]
        return np.vstack([np.pad(picture, ((0, 0), (0, missing), (0, 0)), constant_values=255),
                          self.band])  # fmt: skip

    def draw(self, present: Sequence[int], height: int, width: int) -> NDArray[np.uint8]:
        """The band for a picture of a size (h, w): BGR (band, w or more, 3).

        Args:
            present: Classes in the order of their places.
            height: Height of the picture.
            width: Width of the picture.
        """
        names = [short(self.classes[index]) for index in present]
        all_names = [*map(short, self.classes)] if self.is_video else names
        size = max(SMALLEST, round(TEXT * min(height, width)))
        font, gap, row = font_of(size), size // 2, round(1.5 * size)
        longest = max([round(font.getlength(name)) for name in all_names], default=0)
        cell = longest + row + 2 * gap
        columns = max(1, width // cell)
        rows = min(-(-len(all_names) // columns), max(MIN_ROWS, height // 2 // row))
        places = rows * columns
        width = max(width, cell)
        cell = width // columns
        image = Image.new('RGB', (width, rows * row + (gap if rows else 0)), PAPER)
        canvas = ImageDraw.Draw(image)
        num_named = len(names) if len(names) <= places else places - 1
        for place in range(min(len(names), places)):
            x, y = place // rows * cell + gap, place % rows * row + gap // 2
            middle = y + row // 2
            if place < num_named:
                color = tuple(int(value) for value in self.colors[present[place]][::-1])
                box = (x, middle - size // 2, x + size, middle + size // 2)
                canvas.rectangle(box, fill=color, outline=FRAME)
                canvas.text((x + row, middle), names[place], fill=INK, font=font, anchor='lm')
            else:
                more = f'+ {len(names) - num_named}'
                canvas.text((x + row, middle), more, fill=INK, font=font, anchor='lm')
        return np.asarray(image)[..., ::-1].copy()


def present_classes(label: Label, num_classes: int) -> list[int]:
    """Classes that have a share of ``SHARE`` of the pixels or more, in their order.

    Args:
        label: Label map (H, W).
        num_classes: Labels from here on are of no class.
    """
    counts = np.bincount(label.ravel(), minlength=num_classes)[:num_classes]
    return [int(index) for index in np.flatnonzero(counts >= max(1, SHARE * label.size))]


def short(name: str) -> str:
    """A class's name in one line of at most ``LONGEST`` characters."""
    line = ' '.join(str(name).split())
    return line if len(line) <= LONGEST else f'{line[: LONGEST - 1]}…'


@functools.cache
def font_of(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """DejaVu Sans from matplotlib's files, which is not imported; else Pillow's own font."""
    package = importlib.util.find_spec('matplotlib')
    for folder in (package and package.submodule_search_locations) or ():
        path = Path(folder, 'mpl-data/fonts/ttf/DejaVuSans.ttf')
        if path.is_file():
            return ImageFont.truetype(str(path), size)
    return ImageFont.load_default(size)
