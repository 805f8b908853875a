"""Select images of a config's datasets, with their labels, to compare and to calibrate on."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope
from numpy.typing import NDArray

from ..dataset_check.build import build_datasets, dataset_of
from ..datasets.label_rules import class_names

IGNORED = 255  # what labels have here, whatever the dataset's ignore_index


class DatasetImage(NamedTuple):
    """An image of a dataset, and how its labels are read."""

    info: dict
    load_labels: Callable[[dict], dict]

    @property
    def path(self) -> Path:
        """The image file."""
        return Path(self.info['img_path'])

    def labels(self) -> NDArray[np.uint8]:
        """The true labels (H, W), 255 where they are ignored."""
        labels = self.load_labels(dict(self.info))['gt_seg_map']
        labels[labels == self.info['ignore_index']] = IGNORED
        return labels


def select_images(config: Config, loader: str, count: int) -> list[DatasetImage]:
    """Select at most ``count`` images, evenly spaced over the dataset of a data loader.

    Args:
        config: Config with the data loader.
        loader: Such as ``test_dataloader``.
        count: Number of images.

    Raises:
        InputError: If the config has no such dataset, or its files are missing.
    """
    init_default_scope(config.get('default_scope', 'mmseg'))
    datasets = build_datasets(dataset_of(config, loader), loader)
    infos = [dataset.get_data_info(index) for dataset in datasets for index in range(len(dataset))]
    num_classes = len(class_names(datasets[0]))
    load_labels = Compose([dict(type='LoadCheckedAnnotations', num_classes=num_classes)])
    indices = np.linspace(0, len(infos) - 1, min(count, len(infos))).astype(int)
    return [DatasetImage(infos[index], load_labels) for index in indices]
