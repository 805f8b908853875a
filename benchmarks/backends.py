"""Every network of the repository in every backend that is installed, in one table:

    python benchmarks/backends.py WORK --images IMAGE [IMAGE ...] --json FIGURES.json

Each network is exported at one size, with published weights where there are some, else with random
ones, and runs in torch and in the backends in turn. The table is Markdown: the share of the labels
that are equal to torch's, milliseconds from image to labels, the size of the network's files, and
the reason where a backend refuses a network. Exports are kept in the folder WORK and made again
when the network, the images, the exporter or a package is another one. Each export and the timing
of each network is a process of its own, so a converter that crashes ends nothing else.
"""

import argparse
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from backend_table import table
from kept_exports import add_arguments, checkpoint_of, config_of, exported
from network_list import Network, networks
from own_process import in_process

from mmseg_eff.apis.demonstration import PHOTO
from mmseg_eff.apis.exporting import torch_threads
from mmseg_eff.benchmarking.complexity import check_size
from mmseg_eff.benchmarking.run import make_images
from mmseg_eff.benchmarking.stages import TORCH
from mmseg_eff.benchmarking.timing import take_turns
from mmseg_eff.deploy import find_backend, verify
from mmseg_eff.deploy.backends import backend_names, check_backend
from mmseg_eff.deploy.runtime_checks import REPORT, read_report
from mmseg_eff.deploy.segmentor import load_export
from mmseg_eff.errors import InputError
from mmseg_eff.inference.segmentor import ImageSegmentor, load_segmentor
from mmseg_eff.utils.atomic_io import replacing
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


def measure(network: Network, args: argparse.Namespace) -> dict:
    """Export a network for all backends and time them: a row of the table."""
    place = args.work / network.name
    place.mkdir(parents=True, exist_ok=True)
    row = dict(network=network.name, config=network.config.stem, weights=network.weights)
    checkpoint, reason = checkpoint_of(network, place, args.images, args.limit)
    if reason:
        return {**row, 'backends': {name: dict(reason=reason) for name in args.backends}}
    reasons = {name: exported(network, checkpoint, place / name, args) for name in args.backends}
    figures = {name: dict(reason=reason) for name, reason in reasons.items() if reason}
    for name in set(reasons) - set(figures):
        report = read_report(place / name / REPORT)
        files = [report['files'][file]['bytes'] for file in find_backend(name).FILES]
        figures[name] = dict(**report['agreement'], bytes=sum(files))
    row['backends'] = {name: figures[name] for name in args.backends}
    if not args.export_only:
        accepted = [place / name for name, reason in reasons.items() if not reason]
        row |= timed(network, checkpoint, accepted, args)
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
    add_arguments(parser)
    parser.add_argument('--images', nargs='+', default=[PHOTO], help='photos, resized to --size')
    parser.add_argument('--backends', nargs='+', help='all that are installed without')
    parser.add_argument('--size', type=int, nargs=2, default=(256, 512), metavar=('H', 'W'))
    parser.add_argument('--repeats', type=int, default=9)
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
