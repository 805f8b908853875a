"""Find the images of a training whose labels are still to be made."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.config import Config

from ..dataset_check.build import build_dataset, build_unread, dataset_of
from ..dataset_check.checks import dataset_pairs
from ..datasets.label_rules import LabelRules
from ..datasets.wrappers import innermost_datasets
from ..errors import InputError
from ..inference.inputs import Source


def training_images(
    config: Config, name: str, labels: Path, classes: Sequence[str]
) -> list[Source]:
    """The images of a config's training data whose labels belong below a folder.

    Args:
        config: The config of the training.
        name: Name of the config in errors.
        labels: The folder of the labels; the folders below it that the datasets list are made.
        classes: Classes of the labels to be made, ``0 … C - 1``.

    Raises:
        InputError: If no dataset has its labels there, a dataset would read them as other classes,
            two images share a label, or a label is no ``.png``; see also ``build_dataset``.
    """
    root = labels.resolve()
    images: dict[Path, str] = {}  # label -> image
    for part in innermost_datasets(dataset_of(config, 'train_dataloader')):
        where = f'{name}: train_dataloader.dataset'
        folder = Path(build_unread(part, where).data_prefix.get('seg_map_path') or '').resolve()
        if not folder.is_relative_to(root):
            continue
        folder.mkdir(parents=True, exist_ok=True)
        dataset = build_dataset(part, f'{name}: train_dataloader')
        is_same = list(dataset.metainfo['classes']) == list(classes)
        read_as = LabelRules.of(dataset).table[: len(classes)]
        if not is_same or not np.array_equal(read_as, np.arange(len(classes))):
            raise InputError(
                f'{name}: {part.type} would read the labels in {labels} as other classes; its '
                f"classes must be the network's ({', '.join(classes)}), reduce_zero_label=False"
            )
        for image, label in dataset_pairs(dataset):
            assert label is not None  # the dataset has a folder of labels
            path = Path(label).resolve()
            if path.suffix != '.png':
                raise InputError(f'{label}: labels are written as .png; set seg_map_suffix')
            if images.setdefault(path, image) != image:
                raise InputError(f'{label}: wanted for two images, {images[path]} and {image}')
    if not images:
        raise InputError(
            f'{name}: no dataset of train_dataloader has a seg_map_path below {labels}'
        )
    return [
        Source(Path(image), str(path.relative_to(root).with_suffix('')))
        for path, image in images.items()
    ]
