"""Prediction: the label map of an image or a video frame, its overlay and its files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..utils.image_io import Label, write_png
from ..visualization.overlay import color_table, draw_overlay


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a network predicts for an image or a video frame.

    Attributes:
        name: Path of the files that ``save`` writes, below their folder and without suffix: the
            path of the image below an input folder, ``clip/000007`` for a frame, ``array_000000``
            for an array.
        path: File of the image or video; ``None`` for an array.
        frame: Index of the frame in its video, from 0; ``None`` for an image.
        labels: Class index of each pixel (H, W), uint8, or uint16 above 256 classes.
        image: The image in 8-bit BGR for the overlay (h, w, 3): every ``step``-th pixel.
        classes: Name of each class.
        palette: RGB colour of each class.
        probabilities: Probability of each class (C, H, W), float32, if they were asked for.
        step: 1; more for an image of more than 4096 pixels a side that was segmented by tiles.
    """

    name: str
    path: Path | None
    frame: int | None
    labels: Label
    image: NDArray[np.uint8]
    classes: Sequence[str]
    palette: Sequence[Sequence[int]]
    probabilities: NDArray[np.float32] | None = None
    step: int = 1

    def overlay(self, opacity: float = 0.5) -> NDArray[np.uint8]:
        """Blend the colours of the labels into the image.

        Args:
            opacity: Share of the colours, 0 to 1.

        Returns:
            BGR image (h, w, 3).

        Raises:
            InputError: If the opacity or the palette is wrong.
        """
        labels = self.labels[:: self.step, :: self.step]
        return draw_overlay(self.image, labels, color_table(self.palette), opacity)

    def save(self, folder: str | Path, *, opacity: float = 0.5) -> None:
        """Write ``labels/{name}.png`` and ``overlays/{name}.png``, as ``mmseg-eff predict`` does.

        Both are atomic writes; folders are made.

        Args:
            folder: Output folder.
            opacity: Share of the colours in the overlay, 0 to 1.

        Raises:
            InputError: If the opacity or the palette is wrong.
            OutputError: If a file cannot be written.
        """
        overlay = self.overlay(opacity)
        write_png(Path(folder, 'labels', f'{self.name}.png'), self.labels)
        write_png(Path(folder, 'overlays', f'{self.name}.png'), overlay)
