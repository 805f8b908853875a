"""Every network of the repository in every backend that is installed, in one table:

    python benchmarks/backends.py WORK --images IMAGE [IMAGE ...] --json FIGURES.json

Each network is exported at one size, with published weights where there are some, else with random
ones, and runs in torch and in the backends in turn. The table is Markdown: the share of the labels
that are equal to torch's, milliseconds from image to labels, the size of the network's files, and
the reason where a backend refuses a network. Exports are kept in the folder WORK and made again
when the network, the images or a package is another one. Each export and the timing of each network
is a process of its own, so a converter that crashes ends nothing else.
"""

import argparse
import json
from collections.abc import Sequence
from functools import partial
from hashlib import sha256
from importlib.metadata import packages_distributions, version
from pathlib import Path

import cv2
import numpy as np
import torch
from backend_table import table
from mmengine.config import Config
from network_list import Network, networks
from own_process import in_process
from random_networks import random_checkpoint, set_benign_norms

import mmseg_eff
from mmseg_eff.apis.demonstration import PHOTO
from mmseg_eff.apis.exporting import export, torch_threads
from mmseg_eff.benchmarking.complexity import check_size
from mmseg_eff.benchmarking.run import make_images
from mmseg_eff.benchmarking.stages import TORCH
from mmseg_eff.benchmarking.timing import take_turns
from mmseg_eff.config.load import load_config
from mmseg_eff.deploy import find_backend, verify
from mmseg_eff.deploy.backends import backend_names, check_backend
from mmseg_eff.deploy.runtime_checks import REPORT, read_report
from mmseg_eff.deploy.segmentor import load_export
from mmseg_eff.errors import InputError
from mmseg_eff.hub import resolve
from mmseg_eff.inference.predict import without_resize
from mmseg_eff.inference.segmentor import ImageSegmentor, load_segmentor
from mmseg_eff.utils.atomic_io import replacing, sha256_of
from mmseg_eff.utils.printing import quiet_warnings
from mmseg_eff.utils.timing import seconds_of


def installed_backends() -> list[str]:
    """Backends whose packages are there, without those that another one's file runs."""
    found = []
    for name in backend_names():
        try:
            if not hasattr(check_backend(name), 'RUNTIME'):
                found.append(name)
        except InputError as error:
            print(f'without {name}: {error}')
    return found


def config_of(network: Network) -> Config:
    """A network's config, whose pipeline leaves images at their size."""
    config = load_config(network.config)
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


def write_times(
    network: Network,
    checkpoint: str,
    folders: Sequence[Path],
    image: Path,
    repeats: int,
    threads: int,
    out: Path,
) -> None:
    """Time torch and the exports of a network in turn, from a loaded image to its labels."""
    model = load_segmentor(config_of(network), checkpoint, 'cpu')
    segmentors = {TORCH: ImageSegmentor(model)}
    segmentors |= {folder.name: load_export(folder, threads) for folder in folders}
    loaded = segmentors[TORCH].reader.read(image)
    functions = {
        name: partial(seconds_of, partial(segmentor.segment, loaded))
        for name, segmentor in segmentors.items()
    }
    with torch_threads(threads):
        turns = take_turns(functions, repeats=repeats, threads=threads)
    times = {name: verify.median_ms(seconds) for name, seconds in turns.results.items()}
    found = len(np.unique(segmentors[TORCH].segment(loaded)))
    load = [turns.conditions.load_before, turns.conditions.load_after]
    out.write_text(json.dumps(dict(ms=times, labels_found=found, load_average=load)))


def version_of(module: str) -> str:
    """Version of the package that a module is in."""
    return version(packages_distributions()[module.partition('.')[0]][0])


def digest(*parts: object) -> str:
    """A short hash of what an export depends on."""
    return sha256(json.dumps(parts, default=str).encode()).hexdigest()[:16]


def exported(network: Network, checkpoint: str, folder: Path, args: argparse.Namespace) -> str:
    """Make an export unless it is there.

    Returns:
        Why the backend refuses the network; empty if it does not.
    """
    modules = {'torch', *find_backend(folder.name).NEEDS}
    key = digest(
        config_of(network).pretty_text,
        sha256_of(checkpoint),
        [sha256_of(image) for image in args.images],
        {module: version_of(module) for module in sorted(modules)},
        mmseg_eff.__version__,
    )
    state = folder.with_suffix('.json')
    known = json.loads(state.read_text()) if state.exists() else {}
    is_kept = (folder / REPORT).exists() or (known.get('reason') and not args.retry)
    if known.get('key') != key or not is_kept:
        print(f'{network.name}: {folder.name}', flush=True)
        reason = in_process(
            write_export,
            network,
            checkpoint,
            folder,
            args.images,
            args.threads,
            log=folder.with_suffix('.log'),
            limit=args.limit,
        )
        known = dict(key=key, reason=reason)
        with replacing(state) as temporary:
            temporary.write_text(json.dumps(known))
    return known['reason']


def measure(network: Network, args: argparse.Namespace) -> dict:
    """Export a network for all backends and time them: a row of the table."""
    place = args.work / network.name
    place.mkdir(parents=True, exist_ok=True)
    images = digest([sha256_of(image) for image in args.images])
    checkpoint = place / f'random-{images}.pth'
    row = dict(network=network.name, config=network.config.stem, weights=network.weights)
    if network.weights:
        checkpoint = Path(resolve(network.weights))
    elif not checkpoint.exists():
        log = place / 'random.log'
        part = checkpoint.with_suffix('.part')
        reason = in_process(write_random, network, part, args.images, log=log, limit=args.limit)
        if reason:
            reason = f'no random weights: {reason}'
            return {**row, 'backends': {name: dict(reason=reason) for name in args.backends}}
        part.rename(checkpoint)
    reasons = {
        name: exported(network, str(checkpoint), place / name, args) for name in args.backends
    }
    figures = {name: dict(reason=reason) for name, reason in reasons.items() if reason}
    for name in set(reasons) - set(figures):
        report = read_report(place / name / REPORT)
        files = [report['files'][file]['bytes'] for file in find_backend(name).FILES]
        figures[name] = dict(**report['agreement'], bytes=sum(files))
    row['backends'] = {name: figures[name] for name in args.backends}
    if not args.export_only:
        accepted = [place / name for name, reason in reasons.items() if not reason]
        row |= timed(network, str(checkpoint), accepted, args)
    return row


def timed(
    network: Network, checkpoint: str, folders: Sequence[Path], args: argparse.Namespace
) -> dict:
    """Milliseconds of torch and of the exports."""
    place = args.work / network.name
    out = place / 'times.json'
    out.unlink(missing_ok=True)
    reason = in_process(
        write_times,
        network,
        checkpoint,
        folders,
        args.images[0],
        args.repeats,
        args.threads,
        out,
        log=place / 'times.log',
        limit=args.limit,
    )
    return dict(not_timed=reason) if reason else json.loads(out.read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('work', type=Path, help='folder that keeps the exports')
    parser.add_argument('--images', nargs='+', default=[PHOTO], help='photos, resized to --size')
    parser.add_argument('--backends', nargs='+', help='all that are installed without')
    parser.add_argument('--only', nargs='+', help='beginnings of names')
    parser.add_argument('--size', type=int, nargs=2, default=(256, 512), metavar=('H', 'W'))
    parser.add_argument('--json', type=Path)
    parser.add_argument('--repeats', type=int, default=9)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--limit', type=float, default=1200, help='seconds of a process')
    parser.add_argument('--retry', action='store_true', help='try what was refused again')
    parser.add_argument('--export-only', action='store_true', help='measure no time')
    args = parser.parse_args()
    quiet_warnings()
    args.work = args.work / f'{args.size[0]}x{args.size[1]}'
    args.work.mkdir(parents=True, exist_ok=True)
    args.images = make_images(args.images, check_size(args.size), args.work)
    args.backends = args.backends or installed_backends()
    rows = []
    for network in networks():
        if args.only and not network.name.startswith(tuple(args.only)):
            continue
        rows.append(measure(network, args))
        if args.json:
            facts = dict(
                size=args.size,
                images=len(args.images),
                threads=args.threads,
                repeats=args.repeats,
                networks=rows,
            )
            with replacing(args.json) as temporary:
                temporary.write_text(json.dumps(facts, indent=1) + '\n')
    print(table(rows, args.backends))


if __name__ == '__main__':
    main()
