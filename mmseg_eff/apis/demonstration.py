"""The demos: train ESPNet on a toy dataset, or label a photo with the network of the package."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.registry import DATASETS

from ..config.load import load_config
from ..datasets import make_toy_street
from ..datasets.image_reader import to_display
from ..errors import InputError
from ..inference.segmentor import ImageSegmentor, load_segmentor
from ..utils.image_io import write_png
from ..utils.pixel_limit import open_limited
from ..visualization.contact_sheet import contact_sheet
from ..visualization.overlay import color_table, draw_overlay
from .prediction import load_model, predict_to_folder
from .training import train

CONFIG = 'mmseg_eff::espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'
NUM_OVERLAYS = 6
NETWORK = 'camvid'  # in the package
PHOTO = Path(__file__).parent.parent / 'assets/street.jpg'


@dataclass(frozen=True)
class Demo:
    """What the demo has made.

    Attributes:
        data_root: Folder of the toy dataset.
        miou: mIoU of the last validation, in percent.
        num_images: Images in the validation.
        checkpoint: The last checkpoint.
        overlays: PNGs of images with the predicted classes on top.
        sheet: PNG with images, labels and predictions side by side.
    """

    data_root: Path
    miou: float
    num_images: int
    checkpoint: Path
    overlays: list[Path]
    sheet: Path


def demo_config(work_dir: str | Path, iterations: int | None) -> Config:
    """The config of the demo; see ``run_demo``."""
    config = load_config(CONFIG)
    config.work_dir = str(work_dir)
    config.randomness = dict(seed=0)
    if iterations:
        config.train_cfg.update(max_iters=iterations, val_interval=iterations)
        config.param_scheduler[0].end = iterations
        config.default_hooks.checkpoint.interval = iterations
    return config


def run_demo(work_dir: str | Path, iterations: int | None = None) -> Demo:
    """Make the toy dataset, train on it, and draw predictions for some images of its validation.

    Args:
        work_dir: Folder for all results.
        iterations: Length of the training instead of the config's.
    """
    config = demo_config(work_dir, iterations)
    data_root = make_toy_street(config.data_root)
    training = train(config)
    assert training.last_checkpoint  # its interval ends with the training
    out = training.work_dir
    checkpoint = out / training.last_checkpoint.name
    model = load_segmentor(config, checkpoint, 'cpu')
    segmentor = ImageSegmentor(model)
    dataset = DATASETS.build(config.val_dataloader.dataset)
    colors = color_table(model.dataset_meta['palette'])
    rows, overlays = [], []
    for index in range(min(NUM_OVERLAYS, len(dataset))):
        info = dataset.get_data_info(index)
        loaded = segmentor.reader.read(info['img_path'])
        label = np.asarray(open_limited(info['seg_map_path']), np.uint8)
        image = to_display(loaded['img'])
        prediction = segmentor.segment(loaded).astype(np.uint8)
        rows.append((image, label, prediction))
        overlays.append(out / 'overlays' / Path(info['img_path']).name)
        write_png(overlays[-1], draw_overlay(image, prediction, colors))
    sheet = out / 'contact_sheet.png'
    write_png(sheet, contact_sheet(rows, colors, model.dataset_meta['classes']))
    miou = training.metrics['mIoU']
    return Demo(data_root, miou, len(dataset), checkpoint, overlays, sheet)


@dataclass(frozen=True)
class PhotoDemo:
    """What the demo on a photo has made.

    Attributes:
        overlay: PNG of the photo with the predicted classes on top and their legend below.
        labels: PNG with the class index of each pixel.
        shares: Share of the pixels of each class that occurs, 0 to 1, the largest first.
    """

    overlay: Path
    labels: Path
    shares: dict[str, float]


def run_photo_demo(work_dir: str | Path) -> PhotoDemo:
    """Label the sample photo of the package with its network: nothing is fetched or trained.

    Args:
        work_dir: Folder for all results.
    """
    model = load_model(NETWORK, optimize=True)
    result = predict_to_folder(model, PHOTO, work_dir, legend=True, outline=True)
    for reason in result.failed.values():
        raise InputError(reason)
    name = f'{PHOTO.stem}.png'
    overlay, labels = (result.folder / part / name for part in ('overlays', 'labels'))
    counts = np.bincount(np.asarray(open_limited(str(labels))).ravel())
    shares = {
        str(model.dataset_meta['classes'][index]): float(counts[index] / counts.sum())
        for index in np.argsort(-counts)
        if counts[index]
    }
    return PhotoDemo(overlay, labels, shares)
