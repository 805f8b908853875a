"""Draw a contact sheet: images, labels and predictions side by side, with a legend."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

GAP, BAND = 6, 28  # white space between pictures, height of a line of text


def contact_sheet(
    rows: Sequence[Sequence[NDArray]],
    colors: NDArray[np.uint8],
    classes: Sequence[str],
    titles: Sequence[str] = ('image', 'label (black: ignored)', 'prediction'),
    scale: float = 2,
) -> NDArray[np.uint8]:
    """Draw a contact sheet.

    Args:
        rows: The pictures of each row: BGR images (H, W, 3) and label maps (H, W).
        colors: Table of ``color_table``.
        classes: Names for the legend.
        titles: Titles of the columns.
        scale: Width of all pictures, as a multiple of the first one's.

    Returns:
        BGR image (H, W, 3).
    """
    width = round(scale * rows[0][0].shape[1])

    def write(canvas: NDArray[np.uint8], text: str, x: int, y: int = 0) -> None:
        font = cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(canvas, text, (x, y + 19), font, 0.5, (40, 40, 40), 1, cv2.LINE_AA)

    def resize(picture: NDArray) -> NDArray[np.uint8]:
        image = picture if picture.ndim == 3 else colors[picture]
        size = (width, round(width * picture.shape[0] / picture.shape[1]))
        resized = cv2.resize(image, size, interpolation=cv2.INTER_NEAREST)
        framed = cv2.copyMakeBorder(resized, 0, GAP, 0, GAP, cv2.BORDER_CONSTANT, value=(255,) * 3)
        return np.asarray(framed, np.uint8)

    body = np.vstack([np.hstack([resize(picture) for picture in row]) for row in rows])
    header = np.full((BAND, body.shape[1], 3), 255, np.uint8)
    for column, title in enumerate(titles):
        write(header, title, column * (width + GAP) + 4)
    entry = 30 + 9 * max(map(len, classes))  # width of the longest name
    columns = max(1, min(len(classes), body.shape[1] // entry))
    legend = np.full((BAND * -(-len(classes) // columns), body.shape[1], 3), 255, np.uint8)
    for index, name in enumerate(classes):
        x, y = index % columns * (body.shape[1] // columns), index // columns * BAND
        legend[y + 6 : y + 22, x + 4 : x + 20] = colors[index]
        write(legend, name, x + 26, y)
    return np.vstack([header, body, legend])
