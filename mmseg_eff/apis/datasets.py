"""Checks of a data set before any network is built: folders, pairs, and how to get its labels."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from mmengine.config import ConfigDict
from mmengine.dataset import BaseDataset, Compose
from mmengine.registry import DATASETS
from numpy.typing import NDArray

from ..errors import InputError


def build_dataset(config: ConfigDict, name: str) -> BaseDataset:
    """Build a data set and check that every image has its label file.

    Args:
        config: Config of the data set.
        name: What to call it in an error, such as ``train_dataloader``.

    Raises:
        InputError: If a folder or a file is missing, or there is no image.
    """
    where = f'{name}.dataset ({config.get("type")})'
    try:
        dataset = DATASETS.build(config)
    except FileNotFoundError as error:
        raise InputError(
            f'{error.filename}: no such folder or file, wanted by {where}; set data_root, or the '
            'environment variable MMSEG_EFF_DATA to the folder above it'
        ) from error
    if not len(dataset):
        prefix = getattr(dataset, 'data_prefix', {}).get('img_path', '?')
        suffix = getattr(dataset, 'img_suffix', '')
        raise InputError(f'{prefix}: holds no image *{suffix}, wanted by {where}')
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        label = info.get('seg_map_path')
        if label is not None and not Path(label).is_file():
            raise InputError(f'{label}: no such label file for image {info["img_path"]}')
    return dataset


def check_datasets(config: ConfigDict, *names: str) -> None:
    """Build and check the data sets of the named data loaders of ``config``, where present."""
    for name in names:
        if config.get(name):
            build_dataset(config[name].dataset, name)


def iterate_labels(dataset: BaseDataset, num_classes: int) -> Iterator[NDArray[np.uint8]]:
    """The label maps (H, W) of a data set, each checked, without its images."""
    load = Compose([dict(type='LoadCheckedAnnotations', num_classes=num_classes)])
    for index in range(len(dataset)):
        yield load(dataset.get_data_info(index))['gt_seg_map']
