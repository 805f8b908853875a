"""Small datasets in the layouts and kinds that users have, drawn at random.

``MAKERS`` has one of each: eight layouts, with street photos, masks of 0 and 255, images of four
channels and of 16 bits among them.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from mmseg_eff.datasets.toy_street import CLASSES, Scene

SIZE = (64, 96)
COUNTS = {'train': 12, 'val': 4}
VOC_COLORS = [(0, 0, 0), (128, 0, 0), (0, 128, 0)]
MASK_COLORS = [(0, 0, 0), (255, 0, 0), (0, 0, 255)]


class Expected(NamedTuple):
    """What must be found in a dataset."""

    layout: str
    classes: tuple[str, ...]
    images: str
    suffixes: tuple[str, str]
    is_converted: bool


def street(index: int) -> tuple[np.ndarray, np.ndarray]:
    """A street scene, BGR (H, W, 3), and its labels (H, W) of nine classes and 255."""
    scene = Scene(np.random.default_rng(index), *SIZE)
    return scene.image, scene.label


def shapes(index: int, channels: int = 3, scale: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Ellipses (1) and boxes (2) on a background (0); they differ most in the last channel.

    Args:
        index: Seed.
        channels: Of the image.
        scale: Of its values, which are of 16 bits above 1.
    """
    rng = np.random.default_rng(index)
    label = np.zeros(SIZE, np.uint8)
    for kind in (1, 2, 1, 2):
        (x, y), (a, b) = rng.integers((10, 10), (86, 54)).tolist(), rng.integers(8, 16, 2).tolist()
        if kind == 1:
            cv2.ellipse(label, (x, y), (a, b), 0, 0, 360, kind, -1)
        else:
            cv2.rectangle(label, (x - a, y - b), (x + a, y + b), kind, -1)
    levels = np.full((3, channels), 100)
    levels[:, -1] = 40, 120, 200
    image = levels[label] + rng.normal(0, 10, (*SIZE, channels))
    image = (image.clip(0, 255) * scale).astype(np.uint8 if scale == 1 else np.uint16)
    return image[..., 0] if channels == 1 else image, label


def names() -> list[tuple[str, str, int]]:
    """Split, name and seed of each image."""
    return [
        (split, f'{split}_{index:02d}', 100 * part + index)
        for part, (split, count) in enumerate(COUNTS.items())
        for index in range(count)
    ]


def save(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


def save_palette(path: Path, label: np.ndarray) -> None:
    """A PNG with VOC's palette."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(label)
    image.putpalette([value for color in VOC_COLORS for value in color])
    image.save(path)


def write_lists(folder: Path) -> None:
    """``train.txt`` and ``val.txt``."""
    folder.mkdir(parents=True, exist_ok=True)
    for split in COUNTS:
        listed = [name for of, name, _ in names() if of == split]
        (folder / f'{split}.txt').write_text('\n'.join(listed) + '\n')


def make_split_folders(root: Path) -> Expected:
    """Street photos; nine classes, 255 ignored; the classes in classes.txt."""
    for split, name, seed in names():
        image, label = street(seed)
        save(root / f'images/{split}/{name}.jpg', image)
        save(root / f'labels/{split}/{name}.png', label)
    (root / 'classes.txt').write_text('\n'.join(CLASSES) + '\n')
    return Expected('split folders', CLASSES, '8-bit colour', ('.jpg', '.png'), False)


def make_flat_lists(root: Path) -> Expected:
    """Masks of 0 and 255, and lists of the splits."""
    for _, name, seed in names():
        image, label = shapes(seed)
        save(root / f'images/{name}.png', image)
        save(root / f'masks/{name}.png', (label > 0) * np.uint8(255))
    write_lists(root)
    classes, layout = ('background', 'foreground'), 'a folder of images, a folder of labels'
    return Expected(layout, classes, '8-bit colour', ('.png', '.png'), True)


def make_flat(root: Path) -> Expected:
    """Images of four channels, no split; the classes in classes.json."""
    for _, name, seed in names():
        image, label = shapes(seed, channels=4)
        save(root / f'images/{name}.png', image)
        save(root / f'labels/{name}.png', label)
    (root / 'classes.json').write_text(json.dumps(['soil', 'leaf', 'weed']))
    layout = 'a folder of images, a folder of labels'
    kind = '4 channels of uint8'
    return Expected(layout, ('soil', 'leaf', 'weed'), kind, ('.png', '.png'), False)


def make_voc(root: Path) -> Expected:
    """VOC's folders with palette PNGs."""
    for _, name, seed in names():
        image, label = shapes(seed)
        save(root / f'VOC2012/JPEGImages/{name}.jpg', image)
        save_palette(root / f'VOC2012/SegmentationClass/{name}.png', label)
    save(root / 'VOC2012/JPEGImages/without_label.jpg', shapes(7)[0])
    write_lists(root / 'VOC2012/ImageSets/Segmentation')
    classes = ('class_0', 'class_1', 'class_2')
    return Expected('VOC', classes, '8-bit colour', ('.jpg', '.png'), False)


def make_cityscapes(root: Path) -> Expected:
    """Cityscapes' folders, its label ids and colours beside its train ids."""
    for split, name, seed in names():
        image, label = street(seed)
        save(root / f'leftImg8bit/{split}/ulm/{name}_leftImg8bit.png', image)
        for kind, values in (('labelIds', label % 7), ('labelTrainIds', label), ('color', image)):
            save(root / f'gtFine/{split}/ulm/{name}_gtFine_{kind}.png', values)
    from mmseg.datasets import CityscapesDataset

    classes = CityscapesDataset.METAINFO['classes']
    suffixes = ('_leftImg8bit.png', '_gtFine_labelTrainIds.png')
    return Expected('Cityscapes', classes, '8-bit colour', suffixes, False)


def make_coco(root: Path) -> Expected:
    """COCO annotations of two splits: polygons."""
    for split in COUNTS:
        images, annotations = [], []
        for number, (_, name, seed) in enumerate(n for n in names() if n[0] == split):
            image, label = shapes(seed)
            save(root / f'images/{split}/{name}.jpg', image)
            record = dict(id=number, file_name=f'{name}.jpg', height=SIZE[0], width=SIZE[1])
            images.append(record)
            for category in (1, 2):
                mask = (label == category).astype(np.uint8)
                for line in cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]:
                    if len(line) < 3:
                        continue
                    corners = (line.reshape(-1, 2) + 0.5).ravel().tolist()
                    annotations.append(
                        dict(
                            id=len(annotations),
                            image_id=number,
                            category_id=category,
                            segmentation=[corners],
                        )
                    )
        categories = [dict(id=1, name='ball'), dict(id=2, name='box')]
        content = dict(images=images, annotations=annotations, categories=categories)
        path = root / f'annotations/instances_{split}.json'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    layout = 'COCO annotations (instances_train.json, instances_val.json)'
    classes = ('background', 'ball', 'box')
    return Expected(layout, classes, '8-bit colour', ('.jpg', '.png'), True)


def make_one_folder(root: Path) -> Expected:
    """Images beside colour masks."""
    for _, name, seed in names():
        image, label = shapes(seed)
        save(root / f'{name}.jpg', image)
        save(root / f'{name}_mask.png', np.array(MASK_COLORS, np.uint8)[label][..., ::-1])
    classes = ('background', 'color_0000ff', 'color_ff0000')
    return Expected('one folder', classes, '8-bit colour', ('.jpg', '_mask.png'), True)


def make_split_first(root: Path) -> Expected:
    """Images of one channel of 16 bits (values of 12), labels with gaps between the values."""
    for split, name, seed in names():
        image, label = shapes(seed, channels=1, scale=16)
        save(root / f'{split}/images/{name}.tif', image)
        save(root / f'{split}/masks/{name}.png', np.array([0, 3, 7], np.uint8)[label])
    classes, layout = ('background', 'value_3', 'value_7'), 'images and labels in split folders'
    return Expected(layout, classes, '1 channel of uint16', ('.tif', '.png'), True)


MAKERS: dict[str, Callable[[Path], Expected]] = {
    'split folders, streets': make_split_folders,
    'flat with lists, 0 and 255': make_flat_lists,
    'flat without lists, 4 channels': make_flat,
    'VOC, palette': make_voc,
    'Cityscapes, train ids': make_cityscapes,
    'COCO, polygons': make_coco,
    'one folder, colours': make_one_folder,
    'split first, 16 bits, gaps': make_split_first,
}
