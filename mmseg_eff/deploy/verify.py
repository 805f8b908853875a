"""Compare an exported network with the original: labels and time."""

import statistics
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope
from numpy.typing import NDArray

from .. import deploy
from ..dataset_check.build import build_datasets
from ..datasets.image_reader import LabelsImages
from ..datasets.label_rules import class_names
from ..errors import InputError
from ..utils.timing import in_turn, seconds_of
from .segmentor import ExportedSegmentor

MIN_AGREEMENT = 0.9999  # of the labels, in float32

TIMED_RUNS = 10


class Agreement(NamedTuple):
    images: int
    labels: float  # share of equal ones, over all images
    worst_image: float


class Sample(NamedTuple):
    """An image of a data set, and how its labels are read."""

    info: dict
    load_label: Callable[[dict], dict]

    @property
    def path(self) -> Path:
        return Path(self.info['img_path'])

    def label(self) -> NDArray[np.uint8]:
        label = self.load_label(dict(self.info))['gt_seg_map']
        label[label == self.info['ignore_index']] = deploy.IGNORED
        return label


def read_samples(config: Config, loader: str, count: int) -> list[Sample]:
    """At most ``count`` samples, spread over the data set of a data loader of ``config``."""
    init_default_scope(config.get('default_scope', 'mmseg'))
    datasets = build_datasets(config[loader].dataset, loader)
    infos = [dataset.get_data_info(index) for dataset in datasets for index in range(len(dataset))]
    num_classes = len(class_names(datasets[0]))
    load_label = Compose([dict(type='LoadCheckedAnnotations', num_classes=num_classes)])
    indices = np.linspace(0, len(infos) - 1, min(count, len(infos))).astype(int)
    return [Sample(infos[index], load_label) for index in indices]


def compare(
    paths: Sequence[Path], original: LabelsImages, exported: ExportedSegmentor
) -> Agreement:
    """How many labels of two networks are equal on images, each loaded once by the config."""
    images = map(original.reader.read, paths)
    equal = [original.segment(image) == exported.segment(image) for image in images]
    share = sum(map(np.sum, equal)) / sum(map(np.size, equal))
    return Agreement(len(equal), float(share), float(min(map(np.mean, equal))))


def latencies(*runs: Callable[[], object]) -> list[float]:
    """Median time of each run in milliseconds, taken in turns after one warm-up."""
    calls = {index: partial(seconds_of, run) for index, run in enumerate(runs)}
    seconds = in_turn(calls, TIMED_RUNS)
    return [round(1000 * statistics.median(times), 3) for times in seconds.values()]


def check_speed(times: Sequence[float]) -> None:
    """Raise an ``InputError`` if the second of two times in milliseconds is not the smaller."""
    if times[1] >= times[0]:
        raise InputError(
            f'int8 is not faster than float32: {times[0]:.1f} -> {times[1]:.1f} ms for an image'
        )
