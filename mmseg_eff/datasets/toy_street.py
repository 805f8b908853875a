"""Procedural street scenes: the dataset of the demo, made in seconds and equal on every machine.

Classes as in Cityscapes, with thin poles, small signs and pedestrians. The hood of the recording
car and the outlines of all objects are ignored (255), as in annotated datasets.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

CLASSES = (
    'road',
    'sidewalk',
    'building',
    'pole',
    'traffic sign',
    'vegetation',
    'sky',
    'person',
    'car',
)
ROAD, SIDEWALK, BUILDING, POLE, SIGN, VEGETATION, SKY, PERSON, CAR = range(len(CLASSES))
IGNORED = 255


@DATASETS.register_module()
class ToyStreetDataset(BaseSegDataset):
    """The procedural street scenes that ``make_toy_street`` writes.

    Args:
        split: ``'train'`` or ``'val'``.
        kwargs: Further arguments of ``BaseSegDataset``.
    """

    METAINFO = dict(
        classes=CLASSES,
        palette=[
            [128, 64, 128],
            [244, 35, 232],
            [70, 70, 70],
            [153, 153, 153],
            [220, 220, 0],
            [107, 142, 35],
            [70, 130, 180],
            [220, 20, 60],
            [0, 0, 142],
        ],
    )

    def __init__(self, split: str = 'train', **kwargs) -> None:
        prefix = dict(img_path=f'images/{split}', seg_map_path=f'labels/{split}')
        super().__init__(**{'img_suffix': '.png', 'data_prefix': prefix, **kwargs})


class Scene:
    """One street, drawn from the back to the front into an image and its label map.

    Args:
        rng: Source of all randomness.
        height: Height of the image.
        width: Width of the image.

    Attributes:
        image: (H, W, 3), uint8, BGR.
        label: (H, W), uint8.
    """

    def __init__(self, rng: np.random.Generator, height: int, width: int) -> None:
        self.rng, self.height, self.width = rng, height, width
        self.image = np.zeros((height, width, 3), np.uint8)
        self.label = np.full((height, width), SKY, np.uint8)
        self.horizon = int(height * rng.uniform(0.40, 0.50))
        self.vanishing = int(width * rng.uniform(0.40, 0.60))
        self.draw_sky()
        self.draw_buildings()
        self.draw_ground()
        for _ in range(rng.integers(2, 5)):
            self.draw_tree()
        for depth in np.sort(rng.uniform(0.15, 0.9, rng.integers(5, 9))):  # the far ones first
            objects = (self.draw_car, self.draw_person, self.draw_pole)
            draw = objects[rng.choice(len(objects), p=[0.35, 0.3, 0.35])]
            draw(depth)
        self.draw_hood()
        self.expose()

    def color(self, low: Sequence[int], high: Sequence[int]) -> tuple[int, int, int]:
        blue, green, red = (int(value) for value in self.rng.integers(low, high))
        return blue, green, red

    def fill(self, points: Sequence[tuple[float, float]], color: Sequence[int], label: int) -> None:
        """Fill a polygon of (x, y) corners in image and label."""
        corners = np.round(np.array(points)).astype(np.int32)
        cv2.fillPoly(self.image, [corners], color)
        cv2.fillPoly(self.label, [corners], label)

    def box(self, x: float, y: float, w: float, h: float, color: Sequence[int], label: int) -> None:
        """Fill a rectangle by its top left corner and its size."""
        self.fill([(x, y), (x + w, y), (x + w, y + h), (x, y + h)], color, label)

    def ellipse(
        self,
        center: tuple[float, float],
        axes: tuple[float, float],
        color: Sequence[int],
        label: int,
    ) -> None:
        """Fill an upright ellipse in image and label."""
        middle = [round(value) for value in center]
        radii = [max(1, round(value)) for value in axes]
        cv2.ellipse(self.image, middle, radii, 0, 0, 360, color, cv2.FILLED)
        cv2.ellipse(self.label, middle, radii, 0, 0, 360, label, cv2.FILLED)

    def ground(self, side: float, depth: float) -> tuple[float, float]:
        """The point (x, y) on the ground; side -1 and 1 are the kerbs, depth 0 is the horizon."""
        y = self.horizon + depth * (self.height - self.horizon)
        return self.vanishing + side * depth * self.width * 0.55, y

    def draw_sky(self) -> None:
        top, bottom = (
            self.color((190, 120, 60), (240, 170, 110)),
            self.color((210,) * 3, (250,) * 3),
        )
        ramp = np.linspace(0, 1, self.horizon + 1)[:, None, None]
        self.image[: self.horizon + 1] = (1 - ramp) * top + ramp * bottom

    def draw_buildings(self) -> None:
        x = -int(self.rng.integers(0, 20))
        while x < self.width:
            w = int(self.rng.integers(25, 60))
            h = int(self.horizon * self.rng.uniform(0.35, 0.95))
            if self.rng.random() < 0.85:
                y, color = self.horizon - h, self.color((60, 80, 100), (130, 150, 180))
                self.box(x, y, w, h + 8, color, BUILDING)
                window = tuple(int(0.6 * value) for value in color)
                for top in range(y + 4, self.horizon - 4, 8):
                    for left in range(x + 4, x + w - 4, 8):
                        cv2.rectangle(self.image, (left, top), (left + 3, top + 4), window, -1)
            x += w

    def draw_ground(self) -> None:
        bottom = self.height + 4
        left, right = self.ground(-1, 1), self.ground(1, 1)
        pavement = self.color((130, 130, 140), (170, 165, 180))
        self.box(0, self.horizon, self.width, bottom - self.horizon, pavement, SIDEWALK)
        asphalt = self.color((70, 70, 70), (100, 95, 95))
        peak = (self.vanishing, self.horizon)
        self.fill([peak, (left[0], bottom), (right[0], bottom)], asphalt, ROAD)
        for near in np.linspace(0.25, 1, 5):  # lane markings
            a, b = ([int(value) for value in self.ground(0, depth)] for depth in (near, near - 0.1))
            width = max(1, round(3 * near))
            cv2.line(self.image, a, b, (225,) * 3, width)

    def draw_tree(self) -> None:
        x = self.rng.uniform(0, self.width)
        size = self.rng.uniform(10, 20)
        for _ in range(5):
            dx, dy = self.rng.normal(0, size / 3, 2)
            color = self.color((20, 80, 20), (60, 140, 70))
            center = (x + dx, self.horizon - size * 0.5 + dy)
            self.ellipse(center, (size * 0.7, size * 0.6), color, VEGETATION)

    def draw_car(self, depth: float) -> None:
        x, y = self.ground(self.rng.choice([-0.5, 0.5]) + self.rng.uniform(-0.15, 0.15), depth)
        w = 14 + 48 * depth
        h = w * 0.42
        color = self.color((0, 0, 30), (220, 120, 255))
        outline = [(-0.5, 0), (-0.5, -0.55), (-0.3, -0.6), (-0.2, -1), (0.25, -1), (0.38, -0.6)]
        points = [(x + px * w, y + py * h) for px, py in [*outline, (0.5, -0.5), (0.5, 0)]]
        self.fill(points, color, CAR)
        glass = [(-0.24, -0.6), (-0.16, -0.92), (0.21, -0.92), (0.3, -0.6)]
        self.fill([(x + px * w, y + py * h) for px, py in glass], (90, 70, 50), CAR)
        for side in (-0.3, 0.3):
            self.ellipse((x + side * w, y), (w * 0.09, w * 0.09), (25, 25, 25), CAR)

    def draw_person(self, depth: float) -> None:
        x, y = self.ground(self.rng.choice([-1, 1]) * self.rng.uniform(1.1, 1.6), depth)
        h = 12 + 26 * depth
        trousers, jacket = (
            self.color((30, 20, 20), (90, 60, 60)),
            self.color((0, 0, 90), (90, 90, 255)),
        )
        self.box(x - h * 0.1, y - h * 0.45, h * 0.2, h * 0.45, trousers, PERSON)
        self.box(x - h * 0.14, y - h * 0.82, h * 0.28, h * 0.42, jacket, PERSON)
        self.ellipse((x, y - h * 0.9), (h * 0.09, h * 0.11), (120, 160, 210), PERSON)

    def draw_pole(self, depth: float) -> None:
        x, y = self.ground(self.rng.choice([-1, 1]) * 1.08, depth)
        h, w = 25 + 50 * depth, 1.5 + 2.5 * depth
        grey = int(self.rng.integers(35, 60))
        self.box(x - w / 2, y - h, w, h, (grey, grey, grey + 4), POLE)
        size = 4 + 5 * depth
        color = [(40, 40, 200), (200, 80, 20), (30, 200, 230)][self.rng.integers(3)]
        if self.rng.random() < 0.5:
            self.ellipse((x, y - h), (size, size), color, SIGN)
        else:
            self.box(x - size, y - h - size, 2 * size, 1.6 * size, color, SIGN)

    def draw_hood(self) -> None:
        center = (self.width // 2, self.height + 2)
        self.ellipse(center, (self.width * 0.35, self.height * 0.09), (30, 25, 25), IGNORED)

    def expose(self) -> None:
        """Ignore the outlines; add exposure, blur and noise of a camera."""
        eroded, dilated = (
            cv2.erode(self.label, np.ones((2, 2))),
            cv2.dilate(self.label, np.ones((2, 2))),
        )
        self.label[eroded != dilated] = IGNORED
        image = cv2.GaussianBlur(self.image, (3, 3), 0.6) * self.rng.uniform(0.75, 1.15)
        image += self.rng.normal(0, 4, image.shape)
        self.image = np.clip(image, 0, 255).astype(np.uint8)


def make_toy_street(
    root: str | Path,
    num_train: int = 240,
    num_val: int = 60,
    size: tuple[int, int] = (128, 256),
    seed: int = 0,
) -> Path:
    """Write the dataset unless it exists already; equal arguments give equal files.

    Args:
        root: Folder for ``images/{train,val}`` and ``labels/{train,val}``.
        num_train: Images to train on.
        num_val: Images to validate on.
        size: Height and width.
        seed: Seed of the dataset.

    Returns:
        ``root``.
    """
    root = Path(root)
    made = f'{num_train} {num_val} {size} {seed}\n'
    stamp = root / 'made.txt'
    if stamp.is_file() and stamp.read_text() == made:
        return root
    temporary = root.with_name(f'.{root.name}.{os.getpid()}.tmp')
    try:
        for part, (split, num) in enumerate((('train', num_train), ('val', num_val))):
            images, labels = temporary / 'images' / split, temporary / 'labels' / split
            images.mkdir(parents=True)
            labels.mkdir(parents=True)
            for index in range(num):
                scene = Scene(np.random.default_rng((seed, part, index)), *size)
                cv2.imwrite(str(images / f'{index:04d}.png'), scene.image)
                cv2.imwrite(str(labels / f'{index:04d}.png'), scene.label)
        (temporary / stamp.name).write_text(made)
        if root.exists():
            shutil.rmtree(root)
        temporary.rename(root)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return root
