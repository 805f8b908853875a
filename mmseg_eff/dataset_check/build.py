"""Build the datasets of a config without a network and without reading images."""

import os
from collections.abc import Iterator, Sequence

import numpy as np
from mmengine.config import ConfigDict
from mmengine.dataset import BaseDataset, Compose
from mmengine.registry import DATASETS
from numpy.typing import NDArray

from ..datasets.image_reader import PLAIN, ImageReader
from ..datasets.label_rules import LabelRules
from ..datasets.wrappers import innermost_datasets, pipelines_of
from ..errors import InputError
from ..utils.file_limit import check_local_file
from ..utils.user_errors import line_of_fault
from .listing import list_once

LIST_MB = 256  # of a list of images or classes
SPLITS = ('test', 'val', 'train')  # which dataset names the classes


def build_datasets(config: ConfigDict, name: str) -> list[BaseDataset]:
    """``build_dataset`` of each of ``innermost_datasets``."""
    return [build_dataset(settings, name) for settings in innermost_datasets(config)]


def build_readable(config: ConfigDict, name: str) -> list[tuple[BaseDataset, ImageReader]]:
    """The datasets of a data loader, each with the reader of its images; none without a loader.

    Args:
        config: Config of a training.
        name: Such as ``train_dataloader``.
    """
    if not config.get(name):
        return []
    dataset = dataset_of(config, name)
    readers = [ImageReader(pipeline or PLAIN) for pipeline in pipelines_of(dataset)]
    return list(zip(build_datasets(dataset, name), readers, strict=True))


def first_dataset(config: ConfigDict) -> BaseDataset:
    """The config's dataset that names the classes, unread: of the test, validation or training.

    Raises:
        InputError: If there is none; see also ``build_unread``.
    """
    for split in SPLITS:
        name = f'{split}_dataloader'
        if config.get(name) and config[name].get('dataset'):
            return build_unread(next(innermost_datasets(config[name].dataset)), f'{name}.dataset')
    names = ', '.join(f'{split}_dataloader' for split in SPLITS)
    raise InputError(f'the config has no dataset to name the classes, in none of {names}')


def build_unread(config: ConfigDict, where: str) -> BaseDataset:
    """Build a dataset without listing or reading its files, which need not exist.

    Args:
        config: Config of a dataset.
        where: What to call it in an error.

    Raises:
        InputError: If mmseg refuses its arguments or its metainfo.
    """
    config = unread(config)
    try:
        try:
            return DATASETS.build(config)
        except (AssertionError, OSError):  # some of mmseg's look for their files at once
            keys = config.get('data_prefix') or ('img_path', 'seg_map_path')
            folders = dict.fromkeys(keys, os.curdir)
            found = dict(data_root=None, data_prefix=folders, ann_file=__file__)
            return DATASETS.build({**config, **found})
    except (AttributeError, AssertionError, TypeError, ValueError) as error:
        raise InputError(f'{where} ({config["type"]}): {error}') from error


def dataset_of(config: ConfigDict, name: str) -> ConfigDict:
    """The config of the dataset of a data loader.

    Raises:
        InputError: If there is none.
    """
    dataset = (config.get(name) or {}).get('dataset')
    if not dataset:
        raise InputError(f'the config has no {name}.dataset')
    return dataset


def check_lists(config: ConfigDict) -> None:
    """Refuse lists of images or classes that are pipes, devices or too large, before mmengine.

    Args:
        config: Config of a dataset.

    Raises:
        InputError: See ``check_file``.
    """
    metainfo = config.get('metainfo')
    metainfo = metainfo.values() if isinstance(metainfo, dict) else ()
    names = [value for value in metainfo if isinstance(value, str)]
    listed = config.get('ann_file')
    if isinstance(listed, str) and listed:
        names.append(os.path.join(str(config.get('data_root') or ''), listed))
    for name in names:
        if not os.path.isdir(name):
            check_local_file(name, LIST_MB)


def unread(config: ConfigDict) -> dict:
    """The config of a dataset that lists its files when it is told to, and reads none."""
    check_lists(config)
    # an empty list cannot be serialised
    return {**config, 'serialize_data': False, 'pipeline': [], 'lazy_init': True}


def build_dataset(config: ConfigDict, name: str) -> BaseDataset:
    """Build a dataset without reading images.

    Args:
        config: Config of a dataset.
        name: What to call it in an error, such as ``train_dataloader``.

    Raises:
        InputError: If a folder is missing or holds a link that loops, or there is no image, or
            fewer than ``indices`` name, or its metainfo is wrong.
    """
    where = f'{name}.dataset ({config.type})'
    try:
        dataset = DATASETS.build(unread(config))
        list_once(dataset)
        dataset.full_init()
    except FileNotFoundError as error:
        raise InputError(
            f'{error.filename}: no such folder or file, wanted by {where}; set data_root, or the '
            'environment variable MMSEG_EFF_DATA to the folder above it'
        ) from error
    except IndexError as error:
        images = len(dataset.load_data_list())
        if not config.get('indices'):
            raise InputError(f'{where}: {line_of_fault(error)}') from error
        raise InputError(
            f'{dataset.data_prefix["img_path"]}: holds {images} images *{dataset.img_suffix}, but '
            f'the indices in {where} go up to {max(config["indices"])}'
        ) from error
    except AssertionError as error:
        given = [config.get('ann_file'), *config.get('data_prefix', {}).values()]
        paths = ', '.join(os.path.join(config.get('data_root') or '', p) for p in given if p)
        raise InputError(f'{where}: {str(error) or f"one of {paths} does not exist"}') from error
    except InputError:
        raise
    except Exception as error:  # a value of a type that mmengine does not check, for one
        raise InputError(f'{where}: {line_of_fault(error)}') from error
    if not len(dataset):
        folder = dataset.data_prefix.get('img_path')
        raise InputError(f'{folder}: holds no image *{dataset.img_suffix}, wanted by {where}')
    return dataset


def iterate_labels(datasets: Sequence[BaseDataset]) -> Iterator[NDArray[np.uint8]]:
    """The label maps (H, W) of datasets, each checked, without their images."""
    for dataset in datasets:
        num_classes = LabelRules.of(dataset).num_classes
        load = Compose([dict(type='LoadCheckedAnnotations', num_classes=num_classes)])
        for index in range(len(dataset)):
            yield load(dataset.get_data_info(index))['gt_seg_map']
