"""Write the labels of a test as PNGs, named as prediction names them."""

import os
from collections.abc import Iterator, Sequence, Sized
from pathlib import Path
from typing import cast

import numpy as np
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.structures import SegDataSample
from torch.utils.data import Dataset

from ...errors import InputError
from ...utils.image_io import write_png

BYTE = 256  # labels that fit into 8 bits


class LabelFilesHook(Hook):
    """Write ``{name}.png`` of every test image, with the index of the class in each pixel.

    So ``tools/predict.py`` writes them, also for datasets with ``reduce_zero_label``; mmseg's
    ``IoUMetric(output_dir=…)`` adds 1 there. Whatever the evaluator is, it has no part in this.

    Args:
        out: Folder of the files.
        dataset: The test dataset; see ``label_names``.
        num_outputs: Outputs of the network, if known; above 256 the PNGs have 16 bits.

    Raises:
        InputError: See ``label_names``.
    """

    def __init__(self, out: Path, dataset: Dataset, num_outputs: int | None) -> None:
        self.out = out
        self.names = label_names(dataset)
        self.dtype = np.uint8 if (num_outputs or BYTE) <= BYTE else np.uint16

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence[SegDataSample] | None = None,
    ) -> None:
        """Write the labels of a batch."""
        for sample in outputs or ():
            label = sample.pred_sem_seg.data
            label = label.reshape(label.shape[-2:]).cpu().numpy().astype(self.dtype)
            write_png(self.out / f'{self.names[sample.img_path]}.png', label)


def label_names(dataset: Dataset) -> dict[str, str]:
    """Names of the label files by image path, without suffix, below the output folder.

    They keep the folders below ``data_prefix['img_path']``, of several datasets those below the
    folder that holds all of these.

    Args:
        dataset: A dataset that lists files, or several in a wrapper such as ``ConcatDataset``.

    Raises:
        InputError: If two images would have one name, or the dataset does not list files.
    """
    if not hasattr(dataset, 'get_data_info'):
        raise InputError(
            f'--out needs a dataset that lists its images; {type(dataset).__name__} has no '
            'get_data_info'
        )
    size = len(cast(Sized, dataset))
    paths = [dataset.get_data_info(index)['img_path'] for index in range(size)]
    folders = list(image_folders(dataset))
    root = os.path.commonpath(folders) if all(folders) else ''
    if not root or not all(Path(path).is_relative_to(root) for path in paths):
        root = os.path.commonpath([os.path.dirname(path) for path in paths])
    images: dict[str, str] = {}
    names = {}
    for path in paths:
        name = str(Path(os.path.relpath(path, root or '.')).with_suffix(''))
        other = images.setdefault(name, path)
        if other != path:
            raise InputError(f'--out: {other} and {path} would both become {name}.png')
        names[path] = name
    return names


def image_folders(dataset: Dataset) -> Iterator[str]:
    """The image folder of each dataset in a wrapper, or of the dataset; '' if it names none."""
    inner = getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None)]
    for item in inner:
        if item is not None:
            yield from image_folders(item)
    if inner == [None]:
        yield getattr(dataset, 'data_prefix', {}).get('img_path') or ''
