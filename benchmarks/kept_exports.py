"""Exports of networks that are kept in a folder and made again when what they depend on changes.

Each is made in a process of its own, so a converter that crashes ends nothing else. A folder is
named by its backend, and ``BACKEND-PRECISION`` below float32, made of the float32 one beside it.
"""

import argparse
import json
import shutil
from collections.abc import Sequence
from functools import cache, partial
from hashlib import sha256
from importlib.metadata import packages_distributions, version
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config
from network_list import Network
from own_process import in_process
from random_networks import random_checkpoint, set_benign_norms

import mmseg_eff
from mmseg_eff.apis.exporting import export
from mmseg_eff.benchmarking.machine import processor
from mmseg_eff.config.load import load_config
from mmseg_eff.deploy import find_backend, new_folder, verify, write_report
from mmseg_eff.deploy.precision import load_reduced, remove_float32
from mmseg_eff.deploy.runtime_checks import REPORT
from mmseg_eff.deploy.segmentor import ExportedSegmentor, load_export
from mmseg_eff.errors import InputError
from mmseg_eff.hub import resolve
from mmseg_eff.inference.predict import without_resize
from mmseg_eff.utils.atomic_io import replacing, sha256_of

PACKAGE = Path(mmseg_eff.__file__).parent
SOURCES = (  # what the exported graph comes from
    *('deploy/backends', 'deploy/graph.py', 'deploy/trace_ops.py', 'models'),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of a script that keeps exports."""
    parser.add_argument('work', type=Path, help='folder that keeps the exports')
    parser.add_argument('--only', nargs='+', help='beginnings of names')
    parser.add_argument('--json', type=Path)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--limit', type=float, default=1200, help='seconds of a process')
    parser.add_argument('--retry', action='store_true', help='try what was refused again')
    parser.add_argument('--fresh', action='store_true', help='make all exports again')
    parser.add_argument('--keep', action='store_true', help='also those of other versions')
    parser.add_argument('--export-only', action='store_true', help='measure no time')


def config_of(network: Network) -> Config:
    """A network's config, without a resize in its test pipeline."""
    config = load_config(network.config, network.options)
    without_resize(config)
    return config


def write_random(network: Network, path: Path, images: Sequence[Path]) -> None:
    """Write a network's random weights, with the statistics of images and their mirror images."""
    pixels = np.stack([cv2.imread(str(image)) for image in images])
    both = torch.from_numpy(np.concatenate([pixels, pixels[:, :, ::-1]])).permute(0, 3, 1, 2)
    random_checkpoint(config_of(network), path, partial(set_benign_norms, images=both))


def write_export(
    network: Network, checkpoint: str, folder: Path, images: Sequence[Path], threads: int
) -> None:
    """Export a network into a folder, whose last part names the backend."""
    verify.TIMED_RUNS = 1  # all are timed together later
    export(
        config_of(network),
        checkpoint,
        folder,
        backend=folder.name,
        images=images,
        threads=threads,
    )


def write_reduced(folder: Path, images: Sequence[Path], threads: int) -> None:
    """Make the network in a lower precision, which is judged by its labels alone.

    Args:
        folder: To be written; its last part names backend and precision.
        images: To calibrate int8 with, and to compare the labels with those of float32 on.
        threads: Threads of the CPU.

    Raises:
        InputError: If the processor does not compute in this precision.
    """
    name, _, precision = folder.name.rpartition('-')
    backend = find_backend(name)
    if precision not in backend.PRECISIONS:
        raise InputError(f'backend {name} has no precision {precision}')
    with new_folder(folder) as new:
        shutil.copytree(folder.with_name(name), new, dirs_exist_ok=True)
        original = load_export(new, threads)
        float32 = original.runtime
        inputs = [float32.prepare(original.reader.read(image)['img']) for image in images]
        changed = backend.reduce(None, new, float32.report, precision, inputs)
        if precision == 'f16' and changed.get('inference_precision') == 'f32':
            raise InputError('f16: this processor has no f16, OpenVINO would compute in f32')
        network = load_reduced(new, float32, precision, changed, threads)
        agreement = verify.compare(images, original, ExportedSegmentor(network, original.reader))
        remove_float32(new, backend, network.report['model'])
        write_report(new, {**network.report, 'agreement': vars(agreement)})


@cache
def version_of(module: str) -> str:
    """Version of the package that a module is in."""
    return version(packages_distributions()[module.partition('.')[0]][0])


@cache
def code() -> str:
    """A hash of the source files that an export comes from."""
    files: list[Path] = []
    for path in (PACKAGE / name for name in SOURCES):
        files += [path] if path.is_file() else sorted(path.rglob('*.py'))
    files = [file for file in files if not file.name.startswith('train_')]
    return digest([[str(file.relative_to(PACKAGE)), sha256_of(file)] for file in files])


def digest(*parts: object) -> str:
    """A short hash of what an export depends on."""
    return sha256(json.dumps(parts, default=str).encode()).hexdigest()[:16]


def checkpoint_of(
    network: Network, place: Path, images: Sequence[Path], limit: float
) -> tuple[str, str]:
    """A network's checkpoint, made in a folder if there are no published weights.

    Args:
        network: The network.
        place: The folder.
        images: See ``write_random``.
        limit: Seconds that it may take.

    Returns:
        Its file, and why it cannot be made; the latter empty if it can.
    """
    if network.weights:
        return resolve(network.weights), ''
    name = digest([sha256_of(image) for image in images])
    checkpoint = place / f'random-{name}.pth'
    if not checkpoint.exists():
        log, part = place / 'random.log', checkpoint.with_suffix('.part')
        reason = in_process(write_random, network, part, images, log=log, limit=limit)
        if reason:
            return '', f'no random weights: {reason}'
        part.rename(checkpoint)
    return str(checkpoint), ''


def exported(network: Network, checkpoint: str, folder: Path, args: argparse.Namespace) -> str:
    """Make an export unless it is there.

    Args:
        network: The network.
        checkpoint: Its weights.
        folder: Of the export, see above.
        args: Of ``add_arguments``, and ``images``.

    Returns:
        Why the backend or the processor refuses the network; empty if it does not.
    """
    backend, _, precision = folder.name.partition('-')
    modules = {'torch', *find_backend(backend).NEEDS}
    key = digest(
        config_of(network).pretty_text,
        sha256_of(checkpoint),
        [sha256_of(image) for image in args.images],
        {module: version_of(module) for module in sorted(modules)},
        code(),
        precision and processor(),
    )
    state = folder.with_suffix('.json')
    known = json.loads(state.read_text()) if state.exists() else {}
    is_kept = (folder / REPORT).exists() or (known.get('reason') and not args.retry)
    is_current = known.get('key') == key or args.keep
    if not (is_current and is_kept) or args.fresh:
        print(f'{network.name}: {folder.name}', flush=True)
        arguments = (folder, args.images, args.threads)
        call = partial(write_reduced) if precision else partial(write_export, network, checkpoint)
        reason = in_process(call, *arguments, log=folder.with_suffix('.log'), limit=args.limit)
        if reason:
            shutil.rmtree(folder, ignore_errors=True)  # of an earlier key
        known = dict(key=key, reason=reason)
        with replacing(state) as temporary:
            temporary.write_text(json.dumps(known))
    return known['reason']
