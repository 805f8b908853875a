"""Our networks and mmseg's fast ones, in torch and exported, in float32 and below, in one run:

    python benchmarks/choosing.py WORK --export-only
    python benchmarks/choosing.py WORK --minutes 20 --json docs/results/choosing.json
    python benchmarks/choosing_page.py docs/results/choosing.json

Every network labels an image file of 512x1024 and one of 1024x2048, whole and at their sizes, in
torch (eager) and in each of ``--ways``. Exports are made in the folder WORK, of the authors'
weights where they are published, else of random ones, and kept there until what they depend on
changes. Each network in each way is a warm process; at each size all of them run in turn, or those
of ``--together`` networks, if the memory does not hold more. A precision that the processor does
not compute in is said to be missing.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import NamedTuple

from choosing_list import Rated, rated_networks
from kept_exports import add_arguments, checkpoint_of, exported

import mmseg_eff
from mmseg_eff.apis.demonstration import PHOTO
from mmseg_eff.apis.measuring import Candidate, benchmark
from mmseg_eff.benchmarking.complexity import check_size
from mmseg_eff.benchmarking.run import make_images
from mmseg_eff.benchmarking.stages import TORCH
from mmseg_eff.deploy.runtime_checks import REPORT, read_report
from mmseg_eff.utils.atomic_io import replacing
from mmseg_eff.utils.printing import quiet_warnings

WAYS = ('openvino', 'onnx', 'openvino-bf16', 'openvino-f16', 'openvino-int8')
LEAST_REPEATS = 5
STATISTICS = (256, 512)  # size of the images that random weights have the statistics of
LACKING = 'this processor has no'  # in the reason of an exporter


class Made(NamedTuple):
    """The exports of a network at a size.

    Attributes:
        checkpoint: The weights; empty if there are none, for the reason that all ``reasons`` are.
        folders: Exported folder by way.
        reasons: Why there is none, by way.
    """

    checkpoint: str
    folders: dict[str, Path]
    reasons: dict[str, str]


def make(row: Rated, args: argparse.Namespace) -> Made:
    """Make the exports of a network unless they are there, in float32 before the others.

    What the processor lacks for one network, it lacks for all; that goes to ``args.lacking``.
    """
    place = args.place / row.network.name
    weights = args.work / 'random' / row.network.name
    for folder in (place, weights):
        folder.mkdir(parents=True, exist_ok=True)
    checkpoint, reason = checkpoint_of(row.network, weights, args.small_images, args.limit)
    if reason:
        return Made('', {}, dict.fromkeys(args.ways, reason))
    made = Made(checkpoint, {}, {})
    for way in sorted(args.ways, key=lambda way: '-' in way):
        refused = args.lacking.get(way) or made.reasons.get(way.partition('-')[0], '')
        refused = refused or exported(row.network, checkpoint, place / way, args)
        if refused:
            made.reasons[way] = refused
            if LACKING in refused:
                args.lacking[way] = refused
        else:
            made.folders[way] = place / way
    return made


def candidates_of(row: Rated, made: Made) -> list[Candidate]:
    """A network in torch and its exports, named by their ways."""
    network, name = row.network, partial('{} {}'.format, row.network.name)
    rows = [Candidate(name(TORCH), str(network.config), made.checkpoint, network.options)]
    return rows + [Candidate(name(way), str(folder)) for way, folder in made.folders.items()]


def figures_of(rows: Sequence[Rated], args: argparse.Namespace) -> list[dict]:
    """Time networks in all ways at a size; figures by network."""
    made = {row.title: make(row, args) for row in rows}
    if args.export_only:
        return []
    candidates = {row.title: candidates_of(row, made[row.title]) for row in rows}
    figures = benchmark(
        [candidate for of_one in candidates.values() for candidate in of_one],
        args.images[0],
        size=args.size,
        repeats=args.repeats,
        minutes=args.share * len(rows),
        threads=args.threads,
    )
    by_name = {figure.name: asdict(figure) for figure in figures}
    found = []
    for row in rows:
        ways = {}
        for candidate in candidates[row.title]:
            figure = by_name[candidate.name]
            way = candidate.name.rpartition(' ')[2]
            ways[way] = {key: figure[key] for key in ('memory', 'laps', 'conditions')}
            if way == TORCH:
                counts = {key: figure[key] for key in ('parameters', 'macs', 'input_shape')}
            else:
                ways[way]['labels'] = read_report(Path(candidate.path, REPORT))['agreement']
        ways |= {way: dict(reason=reason) for way, reason in made[row.title].reasons.items()}
        has_weights = bool(row.network.weights)
        facts = {key: value for key, value in row._asdict().items() if key != 'network'}
        found.append(
            dict(**facts, has_weights=has_weights, size_timed=args.size, **counts, ways=ways)
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    parser.add_argument('--ways', nargs='*', default=WAYS, help='BACKEND or BACKEND-PRECISION')
    parser.add_argument('--sizes', nargs='+', default=('512x1024', '1024x2048'), metavar='HxW')
    parser.add_argument('--images', nargs='+', default=[PHOTO], help='photos; the first is timed')
    parser.add_argument('--repeats', type=int, default=LEAST_REPEATS, help='at least so many')
    parser.add_argument('--minutes', type=float, default=0, help='of timing, for more repeats')
    parser.add_argument('--together', type=int, default=100, help='networks that run in turn')
    args = parser.parse_args()
    quiet_warnings()
    mmseg_eff.register()
    rows = [
        row
        for row in rated_networks()
        if not args.only or row.network.name.startswith(tuple(args.only))
    ]
    args.share = args.minutes / len(rows) / len(args.sizes)
    photos, found, args.lacking = args.images, [], {}
    folder = args.work / 'random'
    folder.mkdir(parents=True, exist_ok=True)
    args.small_images = make_images(photos, STATISTICS, folder)
    for text in args.sizes:
        args.size = check_size(text.split('x'))
        args.place = args.work / text
        args.place.mkdir(parents=True, exist_ok=True)
        args.images = make_images(photos, args.size, args.place)
        for first in range(0, len(rows), args.together):
            found += figures_of(rows[first : first + args.together], args)
            if args.json and found:
                with replacing(args.json) as temporary:
                    temporary.write_text(json.dumps(dict(networks=found), indent=1) + '\n')
    if found:
        print(found[0]['ways'][TORCH]['conditions'])


if __name__ == '__main__':
    main()
