"""Load a segmentor from a config and a checkpoint, and label images with it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope
from mmseg.apis import init_model
from mmseg.models import BaseSegmentor
from mmseg.structures import SegDataSample
from numpy.typing import NDArray
from torch import Tensor

from ..converters import load_weights
from ..datasets.image_reader import (
    PLAIN,
    ImageReader,
    Loaded,
    compose,
    describe,
    inference_pipeline,
    to_display,
)
from ..datasets.label_checks import check_palette, class_names
from ..deploy.runtime import Segmenter, load_runtime
from ..errors import InputError
from ..models.segmentors.heads import num_labels
from .cli import argument
from .datasets import first_dataset
from .dense_crf import Refine

Label = NDArray[np.uint8 | np.uint16]  # (H, W); 16 bits above 256 classes


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
    config = Config.fromfile(config) if isinstance(config, str | Path) else config
    if not (config.get('model') or {}).get('backbone'):
        raise InputError('the config has no model with a backbone')
    init_default_scope(config.get('default_scope', 'mmseg'))
    config.test_pipeline = inference_pipeline(config)
    model = init_model(config, device='cpu')
    meta = load_weights(model, checkpoint)
    model.dataset_meta = meta.get('dataset_meta') or dataset_meta(model.cfg)
    return model.to(device or default_device())


class LabelsImages(Protocol):
    """What prediction, tiles, the export's check and the benchmark need of a network.

    Attributes:
        reader: Reads images as the network wants them.
        palette: RGB colour of each class.
        label_dtype: Of the labels, ``uint8``, or ``uint16`` above 256 of them.
    """

    reader: ImageReader
    palette: Sequence[Sequence[int]]
    label_dtype: np.dtype

    def segment(self, image: Loaded) -> Label:
        """Labels (H, W) of an image that ``reader`` has loaded."""


class ImageSegmentor:
    """A segmentor and the test pipeline of its config, built once.

    Args:
        model: Segmentor with ``cfg`` (see ``init_model``).
        crf: ``DenseCRF``, to refine the labels.
    """

    def __init__(self, model: BaseSegmentor, crf: Refine | None = None) -> None:
        self.model, self.crf = model, crf
        self.reader = ImageReader(inference_pipeline(model.cfg))
        self.pack = compose(self.reader.steps)
        self.palette = (getattr(model, 'dataset_meta', None) or {}).get('palette', ())
        self.label_dtype = np.min_scalar_type(num_labels(model) - 1)

    def segment(self, image: Loaded) -> Label:
        """Labels (H, W) of an image that ``reader`` has loaded.

        Raises:
            InputError: If it has not as many channels as the network takes.
        """
        sample = predict_sample(self.model, self.pack, image)
        if self.crf:
            label = self.crf(to_display(image['img']), sample.seg_logits.data)
        else:
            label = sample.pred_sem_seg.data[0].cpu().numpy()
        return label.astype(self.label_dtype)


class ExportedSegmentor:
    """An exported folder, which reads images as the config that it was made from.

    Args:
        runtime: Of ``load_runtime``.
        reader: Of the config; without it, one is made from what the export says of its loading.

    Raises:
        InputError: If there is no reader and the config loads images by a transform of its own.
    """

    def __init__(self, runtime: Segmenter, reader: ImageReader | None = None) -> None:
        loading = runtime.report.get('loading', {})  # absent in exports before this key
        self.runtime, self.palette = runtime, runtime.palette
        self.label_dtype = np.min_scalar_type(runtime.report.get('num_labels', 256) - 1)
        if reader is None and loading is None:
            raise InputError(
                'the config of this export reads images by a transform of its own, which is not '
                'in the folder: load them yourself and call segment() of its runtime.py'
            )
        self.reader = reader or ImageReader([{**PLAIN[0], **loading}])

    def segment(self, image: Loaded) -> Label:
        """Labels (H, W) of an image that ``reader`` has loaded.

        Raises:
            InputError: If its channels, depth or size are not those exported.
        """
        try:
            return self.runtime.segment(image['img'])
        except ValueError as error:
            raise InputError(f'{image.get("img_path") or "image"}: {error}') from error


def load_export(folder: str | Path, threads: int = 0) -> ExportedSegmentor:
    """An exported folder with its engine; arguments as for ``load_runtime``.

    Raises:
        InputError: If it is no such folder or damaged, or its engine is not installed.
    """
    try:
        runtime = load_runtime(folder, threads)
    except ValueError as error:
        raise InputError(str(error)) from error
    return ExportedSegmentor(runtime)


@torch.no_grad()
def predict_sample(model: BaseSegmentor, pack: Compose, image: Loaded) -> SegDataSample:
    """What a segmentor predicts for a loaded image.

    Args:
        model: Segmentor with ``cfg``.
        pack: The transforms after loading.
        image: Of ``ImageReader``.

    Raises:
        InputError: If the image has not as many channels as the network takes.
    """
    packed = pack(dict(image))
    check_channels(model, image, packed['inputs'])
    (sample,) = model.test_step({name: [value] for name, value in packed.items()})
    return sample


def check_channels(model: BaseSegmentor, image: Loaded, inputs: Tensor) -> None:
    """Refuse an image of other channels than a network takes.

    Args:
        model: Segmentor with ``cfg``.
        image: Of ``ImageReader``.
        inputs: What its pipeline made of it (C, H, W).
    """
    wanted = input_channels(getattr(model, 'cfg', {}))
    mean = getattr(model.data_preprocessor, 'mean', None)
    given = len(inputs)
    if given == 1 and mean is not None:  # subtracting the mean makes them as many
        given = max(given, mean.numel())
    if wanted is not None and given != wanted:
        raise InputError(
            f'{image.get("img_path") or "image"}: is {describe(image["img"])}; the network takes '
            f'{wanted} (in_channels of its backbone): set color_type of the loading transform'
        )


def input_channels(config: Mapping) -> int | None:
    """Channels that the backbone of a config takes; ``None`` if it does not say."""
    backbone = config.get('model', {}).get('backbone')
    channels = argument(backbone, 'in_channels') if backbone else None
    return channels if isinstance(channels, int) else None


def segment_image(
    model: BaseSegmentor, image: NDArray[np.uint8], crf: Refine | None = None
) -> Label:
    """Labels (H, W) of one BGR image (H, W, 3); for many, build ``ImageSegmentor`` once.

    Args:
        model: Segmentor of ``load_segmentor``.
        image: The image; it is converted to what the config's loader gives.
        crf: ``DenseCRF``, to refine the labels.

    Raises:
        InputError: If the config's loader reads anything but 8-bit grey or colour images.
    """
    segmentor = ImageSegmentor(model, crf)
    return segmentor.segment(segmentor.reader.from_bgr(image))


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
    """BGR colours (256 or 65536, 3) of all labels; black for those without a class (ignored)."""
    table = np.zeros((256 if len(palette) <= 256 else 2**16, 3), np.uint8)
    colors = check_palette(palette, 'classes')
    table[: len(colors)] = np.array(colors, np.uint8).reshape(-1, 3)[:, ::-1]
    return table


def draw_overlay(
    image: NDArray[np.uint8],
    label: Label,
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
