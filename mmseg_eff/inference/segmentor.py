"""Load a segmentor from a config and a checkpoint, and label images with it."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.logging import print_log
from mmengine.registry import init_default_scope
from mmseg.apis import init_model
from mmseg.models import BaseSegmentor
from mmseg.structures import SegDataSample
from numpy.typing import NDArray
from torch import Tensor

from ..checkpoint.io import load_weights
from ..checkpoint.preprocessing import preprocessing_differences
from ..config.load import load_config
from ..dataset_check.build import first_dataset
from ..datasets.image_reader import (
    ImageReader,
    LabelsImages,
    Loaded,
    compose,
    describe,
    inference_pipeline,
    to_display,
)
from ..datasets.label_rules import class_names
from ..errors import InputError
from ..models.segmentors.heads import num_labels
from ..models.segmentors.tta import has_sigmoid_outputs
from ..utils.config_parts import argument
from ..utils.image_io import Label
from .dense_crf import Refine


def default_device() -> str:
    """The first GPU, or the CPU where there is none."""
    return 'cuda:0' if torch.cuda.is_available() else 'cpu'


def load_segmentor(
    config: Config | str | Path, checkpoint: str | Path, device: str | None = None
) -> BaseSegmentor:
    """Build a segmentor and load its weights strictly; works with mmseg's ``inference_model``.

    Args:
        config: Config, whose ``test_pipeline`` is set, or its file.
        checkpoint: Checkpoint file of exactly this network.
        device: Device of torch; the first GPU or the CPU by default.

    Returns:
        The model in evaluation mode, with ``cfg`` and ``dataset_meta``.

    Raises:
        InputError: If the config has no network, or the checkpoint is damaged or does not fit it.
    """
    config = load_config(config) if isinstance(config, str | Path) else config
    if not (config.get('model') or {}).get('backbone'):
        raise InputError('the config has no model with a backbone')
    init_default_scope(config.get('default_scope', 'mmseg'))
    config.test_pipeline = inference_pipeline(config)
    model = init_model(config, device='cpu')
    meta = load_weights(model, checkpoint)
    for difference in preprocessing_differences(meta, config.model):
        print_log(f'{checkpoint}: {difference}', logger='current', level=logging.WARNING)
    model.dataset_meta = meta.get('dataset_meta') or dataset_meta(model.cfg)
    return model.to(device or default_device())


class Segmentor(LabelsImages, Protocol):
    """Interface of a network for prediction: a model with its pipeline, or an exported folder.

    Attributes:
        classes: Name of each class.
    """

    classes: Sequence[str]


class ImageSegmentor:
    """A segmentor and the test pipeline of its config, built once.

    Args:
        model: Segmentor with ``cfg`` (see ``load_segmentor``).
        crf: ``DenseCRF``, to refine the labels.
    """

    def __init__(self, model: BaseSegmentor, crf: Refine | None = None) -> None:
        self.model, self.crf = model, crf
        self.reader = ImageReader(inference_pipeline(model.cfg))
        self.pack = compose(self.reader.steps)
        meta = getattr(model, 'dataset_meta', None) or {}
        self.classes: Sequence[str] = meta.get('classes', ())
        self.palette: Sequence[Sequence[int]] = meta.get('palette', ())
        self.label_dtype: np.dtype = np.min_scalar_type(num_labels(model) - 1)

    def segment(self, image: Loaded) -> Label:
        """Labels (H, W) of an image that ``reader`` has loaded.

        Raises:
            InputError: If it has not as many channels as the network takes, or there is a CRF and
                the model predicts no logits.
        """
        return self.labels_of(image, predict_sample(self.model, self.pack, image))

    def segment_with_probabilities(self, image: Loaded) -> tuple[Label, NDArray[np.float32]]:
        """Labels (H, W) and the network's probabilities (C, H, W) of an image.

        The C classes are the network's outputs; a single output tells two classes apart. The
        probabilities of sigmoid outputs need not add up to 1.

        Raises:
            InputError: See ``segment``; if the model predicts no logits.
        """
        sample = predict_sample(self.model, self.pack, image)
        probabilities = probabilities_of(self.model, logits_of(sample))
        return self.labels_of(image, sample), probabilities.cpu().numpy()

    def scores(self, image: Loaded, kind: str) -> NDArray[np.float32]:
        """Probabilities (C, H, W), see ``segment_with_probabilities``, or logits of an image.

        Args:
            image: As ``reader`` loads it.
            kind: ``probabilities`` or ``logits``; a single logit is given as its sigmoid.

        Raises:
            InputError: See ``segment``; if the model predicts no logits.
        """
        logits = logits_of(predict_sample(self.model, self.pack, image))
        if kind == 'probabilities':
            logits = probabilities_of(self.model, logits)
        return logits.float().cpu().numpy()

    def labels_of(self, image: Loaded, sample: SegDataSample) -> Label:
        """Labels (H, W) of what the model predicts for an image, refined if there is a CRF."""
        if self.crf:
            label = self.crf(to_display(image['img']), logits_of(sample))
        else:
            label = sample.pred_sem_seg.data[0].cpu().numpy()
        return label.astype(self.label_dtype)


def logits_of(sample: SegDataSample) -> Tensor:
    """Logits (C, H, W) of a prediction.

    Raises:
        InputError: If the model does not predict them.
    """
    if 'seg_logits' not in sample:
        raise InputError('a CRF and probabilities need logits; the model predicts labels alone')
    return sample.seg_logits.data


def probabilities_of(model: BaseSegmentor, logits: Tensor) -> Tensor:
    """Probabilities (C, H, W) of a prediction's logits, or (2, H, W) of a single one.

    Args:
        model: The segmentor, whose loss tells softmax from sigmoid outputs.
        logits: As in ``seg_logits``: of a single output, mmseg has applied the sigmoid.
    """
    logits = logits.float()
    if len(logits) == 1:
        return torch.cat([1 - logits, logits])
    return logits.sigmoid() if has_sigmoid_outputs(model) else logits.softmax(0)


@torch.no_grad()
def predict_sample(model: BaseSegmentor, pack: Compose, image: Loaded) -> SegDataSample:
    """Prediction of a segmentor for a loaded image.

    Args:
        model: Segmentor with ``cfg``.
        pack: The transforms of the test pipeline after loading.
        image: As ``ImageReader`` loads it.

    Raises:
        InputError: If the image has not as many channels as the network takes.
    """
    packed = pack(dict(image))
    check_channels(model, image, packed['inputs'])
    (sample,) = model.test_step({name: [value] for name, value in packed.items()})
    return sample


def check_channels(model: BaseSegmentor, image: Loaded, inputs: Tensor) -> None:
    """Check that an image has as many channels as the network takes.

    Args:
        model: Segmentor with ``cfg``.
        image: As ``ImageReader`` loads it.
        inputs: The network's input (C, H, W) that the pipeline made of it.

    Raises:
        InputError: If it has more or fewer.
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
    """Number of channels that the backbone of a config takes; ``None`` if it does not say."""
    backbone = config.get('model', {}).get('backbone')
    channels = argument(backbone, 'in_channels') if backbone else None
    return channels if isinstance(channels, int) else None


def segment_image(
    model: BaseSegmentor, image: NDArray[np.uint8], crf: Refine | None = None
) -> Label:
    """Labels (H, W) of one BGR image (H, W, 3).

    It builds the test pipeline: for many images, call ``predict`` once or build ``ImageSegmentor``
    once.

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
    """Classes and palette of a config's test dataset, whose files need not exist.

    Returns:
        The dataset's ``metainfo``.

    Raises:
        InputError: If it has no classes; see also ``first_dataset``.
    """
    init_default_scope(config.get('default_scope', 'mmseg'))
    dataset = first_dataset(config)
    class_names(dataset)
    return dataset.metainfo
