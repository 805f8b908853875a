"""Measure how long a network takes for each image while it predicts."""

import time
from dataclasses import dataclass
from statistics import median

from ..datasets.image_reader import Loaded
from ..utils.image_io import Label
from .segmentor import Segmentor


@dataclass(frozen=True)
class Speed:
    """How fast images were predicted; the frames of videos count as images.

    Attributes:
        num_images: Number of images.
        seconds: From the first image to the last, with reading and writing.
        network: Median of the seconds that an image took in the network and its test pipeline (for
            tiles, the sum of an image's tiles).
    """

    num_images: int
    seconds: float
    network: float

    def __str__(self) -> str:
        """In one line, such as ``12 images in 3.4 s: 283 ms per image, 120 ms …``."""
        each = 1000 * self.seconds / max(1, self.num_images)
        images = 'image' if self.num_images == 1 else 'images'
        return (
            f'{self.num_images} {images} in {self.seconds:.1f} s: {each:.0f} ms per image, '
            f'{1000 * self.network:.0f} ms of them in the network (median)'
        )


class TimedSegmentor:
    """A segmentor that measures its calls.

    Args:
        segmentor: Reads and labels images.

    Attributes:
        seconds: Of each image, in the order of ``end_image``.
    """

    def __init__(self, segmentor: Segmentor) -> None:
        self.segmentor = segmentor
        self.reader, self.label_dtype = segmentor.reader, segmentor.label_dtype
        self.classes, self.palette = segmentor.classes, segmentor.palette
        self.begin = time.perf_counter()
        self.seconds: list[float] = []
        self.of_image = 0.0

    def segment(self, image: Loaded) -> Label:
        """Labels (H, W) of an image that ``reader`` has loaded."""
        begin = time.perf_counter()
        label = self.segmentor.segment(image)
        self.of_image += time.perf_counter() - begin
        return label

    def end_image(self) -> None:
        """Take the calls since the last time as those of one image, unless there was none."""
        if self.of_image:
            self.seconds.append(self.of_image)
        self.of_image = 0.0

    def speed(self) -> Speed | None:
        """Speed of the images until now; ``None`` if there was none."""
        if not self.seconds:
            return None
        total = time.perf_counter() - self.begin
        return Speed(len(self.seconds), total, median(self.seconds))
