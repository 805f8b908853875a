"""List the files of a dataset once, for its check and for the training that follows."""

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from mmengine.dataset import BaseDataset
from mmengine.fileio import LocalBackend, register_backend
from mmengine.registry import DATASETS

from ..datasets.wrappers import innermost_datasets
from .checks import folders, list_files

if TYPE_CHECKING:
    from mmengine.runner import Runner

CHECKED = dict(backend='checked_listing')
PLAIN = 'mmseg.datasets.basesegdataset'  # lists through a backend
KNOWN = ('mmengine', 'mmseg', 'mmseg_eff')  # their listings depend on nothing but the files


@register_backend(CHECKED['backend'])
class CheckedListing(LocalBackend):
    """Local files, whose recursive listing refuses links that loop; mmengine would follow them."""

    def list_dir_or_file(
        self,
        dir_path: str,
        list_dir: bool = True,
        list_file: bool = True,
        suffix: str | tuple[str, ...] | None = None,
        recursive: bool = False,
    ) -> Iterator[str]:
        """Paths below a folder, as mmengine's backend yields them.

        Raises:
            InputError: See ``list_files``.
        """
        if list_dir or not (list_file and recursive):
            yield from super().list_dir_or_file(dir_path, list_dir, list_file, suffix, recursive)
            return
        for path in list_files(dir_path):
            if (suffix is None or path.endswith(suffix)) and os.path.isfile(path):
                yield os.path.relpath(path, dir_path)


def list_once(dataset: BaseDataset) -> None:
    """Let a dataset that is not initialized list its files now, and never again.

    Raises:
        InputError: If a folder of the dataset holds a link that loops.
    """
    merged = origin_of(dataset) == PLAIN and dataset.backend_args is None
    for folder, _ in folders(dataset):
        if merged and folder == dataset.data_prefix['img_path']:
            os.stat(folder)  # listed below; where both are missing, the images are named
            continue
        for _ in list_files(folder):
            pass
    if merged:
        dataset.backend_args = CHECKED
    try:
        keep_list(dataset, dataset.load_data_list())
    finally:
        if merged:
            dataset.backend_args = None


def origin_of(dataset: BaseDataset) -> str:
    """The module that lists the files of a dataset."""
    return type(dataset).load_data_list.__module__


def keep_list(dataset: BaseDataset, listed: list[dict]) -> None:
    """Give a dataset the list that its ``load_data_list`` returned before."""
    vars(dataset)['load_data_list'] = partial(list, listed)


def hand_over(runner: 'Runner', name: str, datasets: Sequence[BaseDataset]) -> None:
    """Let a runner build the datasets of a loader from the lists of those that were checked.

    Each list is handed over once and then forgotten. A dataset of the user's own lists its files
    itself, since it may draw random numbers for that.

    Args:
        runner: A runner that has not built its loaders.
        name: Such as ``train_dataloader``.
        datasets: Of ``build_datasets``, from the config of this loader.
    """
    loader = getattr(runner, f'_{name}', None)
    if not isinstance(loader, dict):
        return
    for settings, dataset in zip(innermost_datasets(loader['dataset']), datasets, strict=True):
        listed = vars(dataset).get('load_data_list')
        if listed and origin_of(dataset).partition('.')[0] in KNOWN:
            settings.type = builder(settings.type, [listed()])


def builder(kind: str | type, lists: list[list[dict]]) -> Callable[..., BaseDataset]:
    """A function that builds a dataset from a list of its files; a config's ``type`` may be one.

    Args:
        kind: ``type`` of the dataset.
        lists: The list; it is taken out.
    """

    def build(**arguments: object) -> BaseDataset:
        if not lists:
            return DATASETS.build({**arguments, 'type': kind})
        dataset = DATASETS.build({**arguments, 'type': kind, 'lazy_init': True})
        keep_list(dataset, lists.pop())
        dataset.full_init()
        del vars(dataset)['load_data_list']
        return dataset

    return build
