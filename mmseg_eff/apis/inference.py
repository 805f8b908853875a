"""A segmentor from a config and a checkpoint, label maps from it, and how they are drawn."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.apis import inference_model, init_model
from mmseg.models import BaseSegmentor
from numpy.typing import NDArray

from ..converters import load_weights
from ..datasets.label_checks import class_names
from .datasets import first_dataset
from .dense_crf import Refine


def default_device() -> str:
    """The first GPU, or the CPU where there is none."""
    return 'cuda:0' if torch.cuda.is_available() else 'cpu'


def load_segmentor(
    config: Config | str | Path, checkpoint: str | Path, device: str | None = None
) -> BaseSegmentor:
    """Build a segmentor and load its weights strictly; works with mmseg's ``inference_model``.

    Args:
        config: Config, or its file.
        checkpoint: Checkpoint of exactly this network.
        device: Where to run; the first GPU or the CPU by default.

    Returns:
        The model in evaluation mode, with ``cfg`` and ``dataset_meta``.

    Raises:
        InputError: If the checkpoint is damaged or another network's.
    """
    model = init_model(config, device='cpu')
    meta = load_weights(model, checkpoint)
    model.dataset_meta = meta.get('dataset_meta') or dataset_meta(model.cfg)
    return model.to(device or default_device())


def segment_image(
    model: BaseSegmentor, image: NDArray[np.uint8], crf: Refine | None = None
) -> NDArray[np.uint8]:
    """Labels (H, W) of a BGR image (H, W, 3), through the config's test pipeline.

    Args:
        model: Segmentor of ``load_segmentor``.
        image: The image.
        crf: ``DenseCRF``, to refine the labels.
    """
    sample = inference_model(model, image)
    if crf:
        return crf(image, sample.seg_logits.data).astype(np.uint8)
    return sample.pred_sem_seg.data[0].cpu().numpy().astype(np.uint8)


def dataset_meta(config: Config) -> dict:
    """Metainfo of the config's test dataset, whose files need not exist: classes, palette, ….

    Raises:
        InputError: If it has no classes; see also ``first_dataset``.
    """
    init_default_scope(config.get('default_scope', 'mmseg'))
    dataset = first_dataset(config)
    class_names(dataset)
    return dataset.metainfo


def color_table(palette: Sequence[Sequence[int]]) -> NDArray[np.uint8]:
    """BGR colours (256, 3) of all labels; black for those without a class (the void, 255)."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(palette)] = np.array(palette, np.uint8)[:, ::-1]
    return table


def draw_overlay(
    image: NDArray[np.uint8],
    label: NDArray[np.uint8],
    colors: NDArray[np.uint8],
    opacity: float = 0.5,
) -> NDArray[np.uint8]:
    """Blend the labels' colours into an image.

    Args:
        image: (H, W, 3), BGR.
        label: (H, W).
        colors: Table of ``color_table``.
        opacity: Share of the colours, 0 to 1.

    Returns:
        (H, W, 3), BGR.
    """
    return cv2.addWeighted(image, 1 - opacity, colors[label], opacity, 0)
