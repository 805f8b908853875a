"""Prediction: the label map of an image or a video frame, its overlay and its files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..utils.image_io import Label, write_png
from ..visualization.legend import Legend
from ..visualization.overlay import OverlayStyle, draw_overlay
from ..visualization.palettes import Palette


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a network predicts for an image or a video frame.

    Attributes:
        name: Path of the files that ``save`` writes, below their folder and without suffix: the
            path of the image below an input folder, ``clip/000007`` for a frame of a video,
            ``camera_0/000007`` for a camera's, ``array_000000`` for an array.
        path: File of the image or video; ``None`` for an array, a camera and a stream.
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

    def overlay(
        self,
        opacity: float = 0.5,
        *,
        legend: bool = False,
        outline: bool = False,
        palette: str | Palette | None = None,
    ) -> NDArray[np.uint8]:
        """Blend the colours of the labels into the image.

        Args:
            opacity: Share of the colours, 0 to 1.
            legend: Append names and colours of the classes present below the picture.
            outline: Draw the borders of the regions, so that dark classes are seen on dark photos.
            palette: ``'colorblind'``, or RGB of each class; by default the dataset's own.

        Returns:
            BGR image (h, w, 3); with a legend it is higher, and wider if a name needs it.

        Raises:
            InputError: If the opacity or the palette is wrong.
        """
        return self.draw(OverlayStyle(opacity, legend, outline, palette))

    def draw(self, style: OverlayStyle, legend: Legend | None = None) -> NDArray[np.uint8]:
        """``overlay`` in a style.

        Args:
            style: How to draw.
            legend: The legend of the video, which keeps its places; by default that of this image.
        """
        labels = self.labels[:: self.step, :: self.step]
        colors = style.colors(self.palette, self.classes)
        picture = draw_overlay(self.image, labels, colors, style.opacity, outline=style.outline)
        if not style.legend:
            return picture
        return (legend or Legend(self.classes, colors)).append(picture, labels)

    def save(
        self,
        folder: str | Path,
        *,
        opacity: float = 0.5,
        legend: bool = False,
        outline: bool = False,
        palette: str | Palette | None = None,
    ) -> None:
        """Write ``labels/{name}.png`` and ``overlays/{name}.png``, as ``mmseg-eff predict`` does.

        Both are atomic writes; folders are made.

        Args:
            folder: Output folder.
            opacity, legend, outline, palette: See ``overlay``.

        Raises:
            InputError: If the opacity or the palette is wrong.
            OutputError: If a file cannot be written.
        """
        overlay = self.overlay(opacity, legend=legend, outline=outline, palette=palette)
        write_png(Path(folder, 'labels', f'{self.name}.png'), self.labels)
        write_png(Path(folder, 'overlays', f'{self.name}.png'), overlay)
