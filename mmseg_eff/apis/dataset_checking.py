"""Check the files of a dataset before a network is trained on them."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import init_default_scope

from ..config.load import as_config
from ..dataset_check.report import DatasetReport
from ..dataset_check.run import SPLITS, check_splits
from ..errors import InputError
from ..utils.numbers import check_at_least
from ..utils.output_folder import output_folder

__all__ = ['DatasetReport', 'check_dataset']


def check_dataset(
    config: Config | str | Path,
    *,
    splits: Sequence[str] = SPLITS,
    workers: int | None = None,
    out: str | Path | None = None,
    name: str | None = None,
    options: Mapping[str, object] | None = None,
) -> DatasetReport:
    """Read every image and label of a config's datasets and name every fault by its file.

    Found are files that are missing, empty or damaged, labels of a wrong format, size or value,
    equal images (also across splits), broken links, labels that no image has, and a config whose
    network or metric does not fit its labels. Images are read as training reads them.

        report = check_dataset('espnet-p2q8_1xb8-69k_camvid-360x480')
        print([f'{path}: {message}' for path, _, message in report.errors])

    Args:
        config: Config with data loaders: a file, ``mmseg_eff::…``, a bare name, or a ``Config``,
            which is left as it is.
        splits: Those to check, of ``'train'``, ``'val'`` and ``'test'``; a split that the config
            does not have is left out, as is ``'test'`` where it holds the pairs of ``'val'``.
        workers: Processes that read; as many as cores by default.
        out: Folder for ``report.json`` and, if a pair is without fault, ``contact_sheet.png``.
        name: What findings and errors call the config; by default as it was given, or the file of
            a ``Config``.
        options: Settings of the config to override, by dotted key.

    Returns:
        Findings, pairs and class frequencies of each split. Nothing is printed but a progress bar
        on stderr.

    Raises:
        InputError: If the config has none of the splits, or a folder of images is missing or
            empty, so that there is nothing to check.
        OutputError: If a file cannot be written to ``out``.
    """
    unknown = [split for split in splits if split not in SPLITS]
    if unknown or not splits:
        raise InputError(f'splits must be some of {", ".join(SPLITS)}, got {list(splits)}')
    if workers is not None:
        check_at_least(1, workers=workers)
    given = config
    config = as_config(config, options)
    if name is None:
        name = str(config.filename or 'config') if isinstance(given, Config) else str(given)
    folder = Path(out) if out else None
    init_default_scope(config.get('default_scope', 'mmseg'))
    with output_folder(folder) if folder else nullcontext():
        return check_splits(config, name, splits, workers, folder)
