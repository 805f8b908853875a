"""Checks of a data set before any network is built: folders, pairs, and how to get its labels."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from mmengine.config import ConfigDict
from mmengine.dataset import BaseDataset, Compose
from mmengine.registry import DATASETS
from numpy.typing import NDArray

from ..errors import InputError


def build_datasets(config: ConfigDict, name: str) -> list[BaseDataset]:
    """Build the data sets in a config, one or those inside a wrapper, and check their files.

    Args:
        config: Config of a data set, or of a wrapper such as ``ConcatDataset``.
        name: What to call it in an error, such as ``train_dataloader``.

    Raises:
        InputError: If a folder or a file is missing, or there is no image.
    """
    inner = config.get('datasets') or ([config.dataset] if 'dataset' in config else [])
    if inner:
        return [dataset for item in inner for dataset in build_datasets(item, name)]
    where = f'{name}.dataset ({config.type})'
    try:
        # An empty list cannot be serialised; the images are not read here.
        dataset = DATASETS.build({**config, 'serialize_data': False, 'pipeline': []})
    except FileNotFoundError as error:
        raise InputError(
            f'{error.filename}: no such folder or file, wanted by {where}; set data_root, or the '
            'environment variable MMSEG_EFF_DATA to the folder above it'
        ) from error
    if not len(dataset):
        folder = dataset.data_prefix.get('img_path')
        raise InputError(f'{folder}: holds no image *{dataset.img_suffix}, wanted by {where}')
    for info in map(dataset.get_data_info, range(len(dataset))):
        label = info.get('seg_map_path')
        if label is not None and not Path(label).is_file():
            raise InputError(f'{label}: no such label file for image {info["img_path"]}')
    return [dataset]


def check_datasets(config: ConfigDict, *names: str) -> None:
    """Build and check the data sets of the named data loaders of ``config``, where present."""
    for name in names:
        if config.get(name):
            build_datasets(config[name].dataset, name)


def iterate_labels(
    datasets: Sequence[BaseDataset], num_classes: int
) -> Iterator[NDArray[np.uint8]]:
    """The label maps (H, W) of data sets, each checked, without their images."""
    load = Compose([dict(type='LoadCheckedAnnotations', num_classes=num_classes)])
    for dataset in datasets:
        for index in range(len(dataset)):
            yield load(dataset.get_data_info(index))['gt_seg_map']
