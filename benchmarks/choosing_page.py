"""Write what ``choosing.py`` has measured into its page and its picture:

    python benchmarks/choosing_page.py docs/results/choosing.json

Tables and sentences stand between ``<!-- figures: NAME -->`` and ``<!-- end -->`` in the page.
"""

import argparse
import json
import re
from pathlib import Path

from choosing_text import PARTS
from choosing_times import Row, rows_of

from mmseg_eff.benchmarking.picture import plot
from mmseg_eff.benchmarking.report import Figures
from mmseg_eff.benchmarking.stages import TORCH
from mmseg_eff.benchmarking.timing import Conditions
from mmseg_eff.errors import InputError
from mmseg_eff.utils.atomic_io import replacing

SHOWN = (TORCH, 'openvino')  # in the picture


def filled(page: str, rows: list[Row]) -> str:
    """A page with the figures of a run between its marks.

    Raises:
        InputError: If a mark is missing.
    """
    for name, write in PARTS.items():
        mark = re.compile(rf'(<!-- figures: {name} -->\n).*?(<!-- end -->)', re.S)
        if not mark.search(page):
            raise InputError(f'the page has no <!-- figures: {name} --> … <!-- end -->')
        text = write(rows)
        page = mark.sub(lambda found, text=text: f'{found[1]}\n{text}\n\n{found[2]}', page)
    return page


def figures_of(rows: list[Row]) -> list[Figures]:
    """What the picture shows: each network at the size of its mIoU."""
    return [
        Figures(
            name=row.title if way == TORCH else f'{row.title}_{way}',
            engine=way,
            input_shape=row.size_timed,
            parameters=row.parameters,
            macs=row.macs,
            memory=row.ways[way]['memory'],
            miou=row.miou,
            laps=row.ways[way]['laps'],
            conditions=Conditions(**row.ways[way]['conditions']),
        )
        for row in rows
        for way in SHOWN
        if row.is_at_own_size and row.has(way)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('figures', type=Path)
    parser.add_argument('--page', type=Path, default=Path('docs/choosing.md'))
    parser.add_argument('--plot', type=Path, default=Path('docs/images/choosing.png'))
    args = parser.parse_args()
    rows = rows_of(json.loads(args.figures.read_text()))
    page = filled(args.page.read_text(), rows)
    plot(args.plot, figures_of(rows))
    with replacing(args.page) as temporary:
        temporary.write_text(page)


if __name__ == '__main__':
    main()
