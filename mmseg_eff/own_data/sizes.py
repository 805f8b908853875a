"""Sizes of crops and batches, and the length of a training, from the images."""

from typing import NamedTuple

LONGEST = 1024  # pixels of the longer side that the network sees
CROP = 512  # pixels of a crop's side
BATCHES = (2, 8)  # smallest and largest
EPOCHS = 40
ITERATIONS = (400, 20000)
VALIDATIONS = 10


class Plan(NamedTuple):
    """Sizes of a training.

    Attributes:
        scale: Height and width of the images that the network sees.
        is_resized: Whether these are smaller than the images in the files.
        crop: Height and width of a crop.
        batch_size: Images of a batch.
        max_iters: Iterations.
        val_interval: Iterations from one validation to the next.
    """

    scale: tuple[int, int]
    is_resized: bool
    crop: tuple[int, int]
    batch_size: int
    max_iters: int
    val_interval: int


def plan_training(size: tuple[int, int], count: int) -> Plan:
    """Sizes for images of a median size (H, W), ``count`` of which are for training.

    Images of more than 1024 pixels are resized, crops have at most 512. Each image is seen 40
    times, within 400 to 20000 iterations.
    """
    factor = min(1.0, LONGEST / max(size))
    scale = round(size[0] * factor), round(size[1] * factor)
    crop = min(scale[0], CROP), min(scale[1], CROP)
    least, most = BATCHES
    batch_size = min(most, max(least, count // 4))
    iterations = min(ITERATIONS[1], max(ITERATIONS[0], EPOCHS * count / batch_size))
    max_iters = round(iterations, -2)
    return Plan(scale, factor < 1, crop, batch_size, int(max_iters), int(max_iters) // VALIDATIONS)
