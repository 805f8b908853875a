"""Networks and label maps whose cost ``scaling.py`` measures.

Each function prepares the work of a point of an axis and returns it as a function. All networks
have random weights.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from network_list import CONFIGS
from numpy.typing import NDArray
from random_networks import random_checkpoint

from mmseg_eff.datasets.toy_street import Scene
from mmseg_eff.deploy.graph import SegmentationGraph
from mmseg_eff.deploy.package import fill_folder
from mmseg_eff.deploy.runtime import load_network
from mmseg_eff.evaluation.checked_iou_metric import CheckedIoUMetric
from mmseg_eff.evaluation.confusion_matrix import ConfusionMatrix
from mmseg_eff.evaluation.trimap_iou_metric import border_distance
from mmseg_eff.inference.inputs import Source
from mmseg_eff.inference.prepare import prepare
from mmseg_eff.inference.save import save_source
from mmseg_eff.inference.segmentor import load_segmentor
from mmseg_eff.inference.tiling import Tiling
from mmseg_eff.models import optimize_for_inference
from mmseg_eff.utils.image_io import write_png
from mmseg_eff.visualization.confusion_matrix import write_confusion_matrix
from mmseg_eff.visualization.legend import Legend
from mmseg_eff.visualization.overlay import OverlayStyle, color_table, draw_overlay

from mmengine.optim import build_optim_wrapper  # isort: skip
from mmengine.structures import PixelData  # isort: skip
from mmseg.models import BaseSegmentor  # isort: skip
from mmseg.registry import MODELS  # isort: skip
from mmseg.structures import SegDataSample  # isort: skip

Work = Callable[[], object]
NETWORK = CONFIGS / 'espnetv2/espnetv2-s0.5_1xb6-49.6k_cityscapes-512x1024.py'
ENGINE, THREADS = 'openvino', 2
FRAME = (512, 1024)  # pixels of an image where the size is fixed
CROP = (128, 256)  # pixels of an image where a batch grows


def size_of(megapixels: float) -> tuple[int, int]:
    """Height and width, 1 to 2, multiples of 32 as near as they come."""
    height = 32 * round((megapixels * 1e6 / 2) ** 0.5 / 32)
    return height, 2 * height


def names_of(count: int) -> tuple[list[str], list[list[int]]]:
    """Names and colours of some classes."""
    colors = [[index % 256, index // 256, 128] for index in range(count)]
    return [f'class {index}' for index in range(count)], colors


def street(size: tuple[int, int]) -> NDArray[np.uint8]:
    """A drawn street (H, W, 3), resized: drawing a large one takes longer than predicting it."""
    drawn = Scene(np.random.default_rng(0), *FRAME).image
    return np.asarray(cv2.resize(drawn, size[::-1]), np.uint8)


def config_of(num_classes: int) -> Config:
    """The network's config without a resize of the image, for batches of any size."""
    config = Config.fromfile(NETWORK)
    config.model.data_preprocessor.pop('batch_sizes', None)
    config.model.data_preprocessor.update(type='SegDataPreProcessor', size=CROP)
    config.model.decode_head.num_classes = num_classes
    config.model.decode_head.loss_decode = dict(type='WeightedCrossEntropy')
    config.test_pipeline = [dict(type='LoadCheckedImage'), dict(type='PackSegInputs')]
    return config


def segmentor_of(folder: Path, num_classes: int = 19, *, optimize: bool = True) -> BaseSegmentor:
    """The network, ready to predict or, not optimized, to export."""
    config = config_of(num_classes)
    path = random_checkpoint(config, folder / 'random.pth', lambda model: None)
    model = load_segmentor(config, path, 'cpu')
    classes, palette = names_of(num_classes)
    model.dataset_meta = dict(classes=classes, palette=palette)
    return optimize_for_inference(model) if optimize else model


def predict(folder: Path, size: tuple[int, int], num_classes: int = 19) -> Work:
    """Label an image by torch."""
    segmentor, _ = prepare(segmentor_of(folder, num_classes))
    image = segmentor.reader.from_bgr(street(size))
    return lambda: segmentor.segment(image)


def exported(
    shared: Path, size: tuple[int, int], num_classes: int = 19, batch: int = 1, engine: str = ENGINE
) -> tuple[Path, Work]:
    """The folder of an export, and the function that makes it."""
    height, width = size
    folder = shared / f'{engine}-{height}x{width}-{num_classes}-{batch}'
    model = segmentor_of(shared, num_classes, optimize=False)

    def make() -> None:
        folder.mkdir()
        graph = SegmentationGraph(model, size=size, batch=batch)
        facts = fill_folder(model, graph, engine, folder, loading={})
        (folder / 'facts.json').write_text(json.dumps(facts))

    return folder, make


def run_export(shared: Path, size: tuple[int, int], **options) -> Work:
    """Label images by an export, which is made if it was not measured before."""
    folder, make = exported(shared, size, **options)
    if not folder.exists():
        make()
    network = load_network(folder, json.loads((folder / 'facts.json').read_text()), THREADS)
    image = street(size)
    return lambda: network.segment_batch([image] * options.get('batch', 1))


def predict_batch(folder: Path, batch: int) -> Work:
    """Label several images together by torch."""
    model = segmentor_of(folder)
    data = dict(inputs=images_of(batch), data_samples=samples_of(batch))
    return torch.no_grad()(lambda: model.test_step(data))


def images_of(batch: int, size: tuple[int, int] = CROP) -> list[torch.Tensor]:
    """Images as a data loader gives them."""
    return [torch.from_numpy(street(size).transpose(2, 0, 1).copy()) for _ in range(batch)]


def samples_of(
    batch: int, size: tuple[int, int] = CROP, num_classes: int = 19
) -> list[SegDataSample]:
    """Labels of noise as a data loader gives them."""
    meta = dict(img_shape=size, ori_shape=size, pad_shape=size)
    label = torch.from_numpy(noise(size, num_classes)[None].astype(np.int64))
    return [SegDataSample(gt_sem_seg=PixelData(data=label), metainfo=meta) for _ in range(batch)]


def noise(size: tuple[int, int], num_classes: int) -> NDArray[np.uint16]:
    """Labels (H, W) in squares of 8 pixels, of all classes."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, num_classes, (size[0] // 8, size[1] // 8), np.uint16)
    return np.where(small == 255, 0, small).astype(np.uint16).repeat(8, 0).repeat(8, 1)


def train(batch: int, num_classes: int = 19) -> Work:
    """A training step."""
    init_default_scope('mmseg')
    config = config_of(num_classes)
    config.model.backbone.init_cfg = None
    model = revert_sync_batchnorm(MODELS.build(config.model)).train()
    optimizer = build_optim_wrapper(model, config.optim_wrapper)
    data = dict(inputs=images_of(batch), data_samples=samples_of(batch, num_classes=num_classes))
    return lambda: model.train_step(data, optimizer)


def tiles(folder: Path, size: tuple[int, int]) -> Work:
    """Label an image by tiles of 512 pixels, from a file to files."""
    segmentor, _ = prepare(segmentor_of(folder), keep_size=True)
    np.save(folder / 'image.npy', street(size))
    source, tiling = Source(folder / 'image.npy', 'image'), Tiling(512, 64, {})

    def run() -> None:
        shutil.rmtree(folder / 'out', ignore_errors=True)  # finished tiles would be kept
        for _ in save_source(source, folder / 'out', segmentor, OverlayStyle(), tiling):
            pass

    return run


def overlay(folder: Path, size: tuple[int, int], num_classes: int = 19) -> Work:
    """Draw and write an overlay with a legend, and write the labels."""
    names, palette = names_of(num_classes)
    image, label = street(size), noise(size, num_classes)
    label = label.astype(np.uint8 if num_classes <= 256 else np.uint16)

    def run() -> None:
        colors = color_table(palette)
        picture = draw_overlay(image, label, colors, outline=True)
        write_png(folder / 'overlay.png', Legend(names, colors).append(picture, label))
        write_png(folder / 'label.png', label)

    return run


def iou(metric: CheckedIoUMetric, num_classes: int, count: int = 8) -> Work:
    """Evaluate labels of some images by a metric."""
    metric.dataset_meta = dict(classes=names_of(num_classes)[0])
    data = torch.from_numpy(noise(FRAME, num_classes)[None].astype(np.int64))
    sample = dict(gt_sem_seg=dict(data=data), pred_sem_seg=dict(data=data))

    def run() -> None:
        for _ in range(count):
            metric.process({}, [sample])
        metric.evaluate(count)

    return run


def mean_iou(num_classes: int) -> Work:
    """Evaluate the mean IoU."""
    return iou(CheckedIoUMetric(), num_classes)


def confusion(num_classes: int) -> Work:
    """Count a confusion matrix."""
    return iou(ConfusionMatrix(), num_classes)


def write_confusion(folder: Path, num_classes: int) -> Work:
    """Write a confusion matrix and its picture."""
    matrix = torch.randint(1000, (num_classes + 1, num_classes + 1))
    names = names_of(num_classes)[0]
    return lambda: write_confusion_matrix(matrix, names, folder)


def trimap(num_classes: int) -> Work:
    """Find each pixel's distance from another label."""
    label = noise(FRAME, num_classes)
    return lambda: border_distance(label, 255, 'labels')
