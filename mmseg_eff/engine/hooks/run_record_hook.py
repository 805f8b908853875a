"""Write provenance to run_record.json, next to the checkpoints."""

import hashlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from weakref import WeakKeyDictionary

import torch
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import Tensor
from torch.utils.data import Dataset

from ...datasets.protocols import ListedDataset
from ...errors import InputError
from ...utils.atomic_io import replacing

NAME = 'run_record.json'
RECORDS: WeakKeyDictionary[Dataset, dict | None] = WeakKeyDictionary()  # once a start


def weights_hash(state_dict: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, types, shapes and bytes of all tensors, in the order of their names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(state_dict.items()):
        digest.update(f'{name} {tensor.dtype} {tuple(tensor.shape)}\n'.encode())
        values = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(values.view(torch.uint8).numpy().data)
    return digest.hexdigest()


def files_hash(paths: Iterable[str | Path]) -> str:
    """SHA-256 of the names of files, below the folder that holds them all, and of their sizes.

    The contents are not read: a file replaced by another of equal size goes unnoticed.
    """
    paths = sorted({os.path.abspath(path) for path in paths})
    root = os.path.commonpath([os.path.dirname(path) for path in paths])
    digest = hashlib.sha256()
    for path in paths:
        name = Path(path).relative_to(root).as_posix()
        digest.update(f'{name} {os.path.getsize(path)}\n'.encode())
    return digest.hexdigest()


def data_record(dataset: Dataset) -> dict | None:
    """Number of samples of a dataset and ``files_hash`` of its images and labels.

    ``None`` for a dataset that does not list files, such as mmseg's ``MultiImageMixDataset``.
    """
    if not isinstance(dataset, ListedDataset):
        return None
    if dataset not in RECORDS:
        RECORDS[dataset] = list_data(dataset)
    return RECORDS[dataset]


def list_data(dataset: ListedDataset) -> dict | None:
    """``data_record`` of a dataset, which takes a minute for a million samples."""
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    keys = ('img_path', 'seg_map_path')
    paths = [info[key] for info in infos for key in keys if info.get(key)]
    return dict(samples=len(infos), hash=files_hash(paths)) if paths else None


def package_versions() -> dict[str, str]:
    """Versions of the installed packages, where a name is found twice that of the one imported.

    Torch's is its own: the metadata of its wheels leave out the suffix that tells its builds apart.
    """
    versions: dict[str, str] = {}
    for item in metadata.distributions():  # in the order of the import path
        versions.setdefault(item.name, item.version)
    return {**versions, 'torch': str(torch.__version__)}


def git_commit() -> str | None:
    """Commit of the repository that holds this code, with ``-dirty`` if files differ from it."""
    command = ['git', 'describe', '--always', '--dirty', '--abbrev=40', '--exclude=*']
    try:
        result = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None  # no git here, or installed from a wheel
    return result.stdout.strip()


@HOOKS.register_module()
class RunRecordHook(Hook):
    """Write ``run_record.json`` into the work dir, where the checkpoints are.

    The file is a list with a record for each start of a training in this folder, resumed ones
    too: config, git commit, versions of all packages, processes, threads, seed, the training data
    (``data_record``), and for each checkpoint saved ``weights_hash`` by its number of iterations.
    """

    priority = 'LOWEST'  # after EMAHook, which swaps the weights of the checkpoint

    @master_only
    def before_train(self, runner: Runner) -> None:
        """Begin the record of this start."""
        self.path = Path(runner.work_dir, NAME)
        self.earlier = self.read()
        self.record = dict(
            started=runner.timestamp,
            iteration=runner.iter,
            command=sys.argv,
            config=runner.cfg.pretty_text,
            git_commit=git_commit(),
            python=platform.python_version(),
            packages=package_versions(),
            device=torch.cuda.get_device_name() if torch.cuda.is_available() else 'cpu',
            processes=runner.world_size,
            threads=torch.get_num_threads(),
            seed=runner.seed,
            deterministic=runner.cfg.get('randomness', {}).get('deterministic', False),
            data=data_record(runner.train_dataloader.dataset),
            weights={},
        )
        self.write()

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Add the hash of the weights that are about to be saved; the master alone saves."""
        iteration = checkpoint['meta']['iter']
        self.record['weights'][iteration] = weights_hash(checkpoint['state_dict'])
        self.write()

    def read(self) -> list[dict]:
        """The records of earlier starts in this folder.

        Raises:
            InputError: If the file is not a list in JSON.
        """
        if not self.path.is_file():
            return []
        try:
            records = json.loads(self.path.read_text())
        except ValueError:
            records = None
        if not isinstance(records, list):
            raise InputError(f'{self.path}: not a list of records in JSON; move it away')
        return records

    def write(self) -> None:
        with replacing(self.path) as temporary:
            temporary.write_text(json.dumps([*self.earlier, self.record], indent=1) + '\n')
