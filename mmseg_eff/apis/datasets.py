"""Checks of a data set before any network is built: folders, pairs, and how to get its labels."""

import os
from collections.abc import Iterator, Sequence

import numpy as np
from mmengine.config import ConfigDict
from mmengine.dataset import BaseDataset, Compose
from mmengine.registry import DATASETS
from numpy.typing import NDArray

from ..datasets.check_dataset import Pair, check_pair, dataset_pairs, folders, list_files
from ..datasets.image_reader import PLAIN, ImageReader
from ..datasets.label_checks import LabelRules
from ..errors import InputError

SAMPLE = 64  # pairs of a data set that are decoded before a training, evenly spaced
TOLERATED = 'all ignored'  # one such label does no harm


def leaf_configs(config: ConfigDict) -> Iterator[ConfigDict]:
    """The config of a data set, or those inside a wrapper such as ``ConcatDataset``."""
    inner = config.get('datasets') or ([config.dataset] if 'dataset' in config else [])
    for item in inner:
        yield from leaf_configs(item)
    if not inner:
        yield config


def build_datasets(config: ConfigDict, name: str) -> list[BaseDataset]:
    """``build_dataset`` of each of ``leaf_configs``."""
    return [build_dataset(leaf, name) for leaf in leaf_configs(config)]


def build_readable(config: ConfigDict, name: str) -> list[tuple[BaseDataset, ImageReader]]:
    """The datasets of a data loader, each with the reader of its images; none without a loader.

    Args:
        config: Config of a training.
        name: Such as ``train_dataloader``.
    """
    if not config.get(name):
        return []
    leaves = list(leaf_configs(config[name].dataset))
    # of a dataset that has no pipeline, a wrapper has
    pipelines = [leaf.get('pipeline') or config[name].dataset.get('pipeline') for leaf in leaves]
    readers = [ImageReader(pipeline or PLAIN) for pipeline in pipelines]
    return list(zip(build_datasets(config[name].dataset, name), readers, strict=True))


def build_dataset(config: ConfigDict, name: str) -> BaseDataset:
    """Build a data set without reading images.

    Args:
        config: Config of a data set.
        name: What to call it in an error, such as ``train_dataloader``.

    Raises:
        InputError: If a folder is missing or holds a link that loops, or there is no image, or
            fewer than ``indices`` name.
    """
    where = f'{name}.dataset ({config.type})'
    # An empty list cannot be serialised; the images are not read here.
    config = {**config, 'serialize_data': False, 'pipeline': [], 'lazy_init': True}
    try:
        dataset = DATASETS.build(config)
        for folder, _ in folders(dataset):
            for _ in list_files(folder):  # mmengine would follow links that loop
                pass
        dataset.full_init()
    except FileNotFoundError as error:
        raise InputError(
            f'{error.filename}: no such folder or file, wanted by {where}; set data_root, or the '
            'environment variable MMSEG_EFF_DATA to the folder above it'
        ) from error
    except IndexError as error:
        images = len(dataset.load_data_list())
        raise InputError(
            f'{dataset.data_prefix["img_path"]}: holds {images} images *{dataset.img_suffix}, but '
            f'the indices in {where} go up to {max(config["indices"])}'
        ) from error
    if not len(dataset):
        folder = dataset.data_prefix.get('img_path')
        raise InputError(f'{folder}: holds no image *{dataset.img_suffix}, wanted by {where}')
    return dataset


def check_datasets(config: ConfigDict, *names: str) -> None:
    """The fast part of ``tools/check_dataset.py``, for the named data loaders, where present.

    Every file must exist and not be empty; ``SAMPLE`` pairs are decoded and checked.

    Raises:
        InputError: As of ``build_datasets``, or the first error found in a pair.
    """
    for name in names:
        for dataset, reader in build_readable(config, name):
            check_sample(dataset, reader)


def check_sample(dataset: BaseDataset, reader: ImageReader) -> None:
    """Raise an ``InputError`` for the first wrong pair among the suspects and a sample."""
    rules, pairs = LabelRules.of(dataset), dataset_pairs(dataset)
    step = -(-len(pairs) // SAMPLE)
    for pair in [*filter(is_suspect, pairs), *pairs[::step]]:
        for path, kind, message in check_pair(pair, rules, reader).errors:
            if kind != TOLERATED:
                raise InputError(f'{path}: {message}; tools/check_dataset.py CONFIG lists all')


def is_suspect(pair: Pair) -> bool:
    """Is a file of the pair missing or empty?"""
    return not all(os.path.isfile(path) and os.path.getsize(path) for path in pair if path)


def iterate_labels(
    datasets: Sequence[BaseDataset], num_classes: int
) -> Iterator[NDArray[np.uint8]]:
    """The label maps (H, W) of data sets, each checked, without their images."""
    load = Compose([dict(type='LoadCheckedAnnotations', num_classes=num_classes)])
    for dataset in datasets:
        for index in range(len(dataset)):
            yield load(dataset.get_data_info(index))['gt_seg_map']
