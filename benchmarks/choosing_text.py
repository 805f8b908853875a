"""Tables and sentences of the page "Choose a network", from what was measured."""

import statistics
from collections.abc import Callable, Sequence

from choosing_times import Row, front, peer_ahead

from mmseg_eff.benchmarking.picture import name_of
from mmseg_eff.benchmarking.stages import TORCH

EXPORT = 'openvino'
WORDS = {TORCH: 'in torch', EXPORT: 'exported'}
NONE = '–'


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> str:
    """A table whose columns are numbers, but for the first ``words``."""
    rule = '|---' * words + '|--:' * (len(head) - words) + '|'
    lines = [f'| {" | ".join(cells)} |' for cells in (head, *rows)]
    return '\n'.join([lines[0], rule, *lines[1:]])


def size_text(size: Sequence[int]) -> str:
    """A size as ``512x1024``."""
    return f'{size[0]}x{size[1]}'


def own(rows: Sequence[Row]) -> list[Row]:
    """The networks at the sizes of their mIoU, those that are fastest when exported first."""
    found = [row for row in rows if row.is_at_own_size]
    return sorted(found, key=lambda row: row.ms(EXPORT if row.has(EXPORT) else TORCH))


def conditions(rows: Sequence[Row]) -> str:
    """What was measured on what."""
    timed = [way for row in rows for way in row.ways.values() if 'laps' in way]
    of_runs = [way['conditions'] for way in timed]
    counts = [len(way['laps']) for way in timed]
    processors = ' and '.join(sorted({facts['processor'] for facts in of_runs}))
    loads = [facts['load_before'] for facts in of_runs]
    missing = sorted({way for row in rows for way, facts in row.ways.items() if 'reason' in facts})
    never = [way for way in missing if not any(row.has(way) for row in rows)]
    text = (
        f'One run on {processors}, {of_runs[0]["threads"]} threads: medians of {min(counts)} to '
        f'{max(counts)} runs in turn, load average {min(loads):.2f} to {max(loads):.2f} before.'
    )
    if never:
        names = '; '.join(map(name_of, never))
        text += f' Not available on this processor: {names}.'
    return text


def overview(rows: Sequence[Row]) -> str:
    """The table for newcomers: every network at the size of its mIoU."""
    head = ('network', 'mIoU', 'sees', 'parameters M', 'torch ms', 'exported ms')
    cells = [
        (
            f'**{row.title}**' if row.is_ours else row.title,
            f'{row.miou:.2f}',
            size_text(row.size),
            f'{row.parameters / 1e6:.2f}',
            *(f'{row.ms(way):.0f}' if row.has(way) else NONE for way in (TORCH, EXPORT)),
        )
        for row in own(rows)
    ]
    return markdown(head, cells)


def ahead(rows: Sequence[Row]) -> str:
    """Where networks of others are ahead of ours, and where they are not."""
    lines = []
    for way, words in WORDS.items():
        rated = [row for row in own(rows) if row.has(way)]
        if not rated:
            continue
        ours = [row for row in rated if row.is_ours]
        pairs = [(row, peer) for row in ours if (peer := peer_ahead(row, rated, way))]
        best = ', '.join(row.title for row in front(rated, way))
        lines += [
            f'{words.capitalize()}, {len(pairs)} of our {len(ours)} networks have a network of '
            'another project ahead of them in accuracy and time together. '
            f'Nothing is ahead of {best}.',
            '',
        ]
        if pairs:
            head = (
                *(f'ours, {words}', 'ahead of it', 'mIoU more', 'time of ours', 'in ms less'),
                *('parameters of ours', 'MACs of ours'),
            )
            cells = [
                (
                    row.title,
                    peer.title,
                    f'{peer.miou - row.miou:.2f}',
                    f'{peer.ms(way) / row.ms(way):.2f}x',
                    f'{row.ms(way) - peer.ms(way):.0f}',
                    f'{peer.parameters / row.parameters:.1f}x',
                    f'{peer.macs / row.macs:.1f}x',
                )
                for row, peer in pairs
            ]
            lines += [markdown(head, cells, words=2), '']
    return '\n'.join(lines).rstrip()


def int8(rows: Sequence[Row]) -> str:
    """What int8 gains and keeps."""
    way = f'{EXPORT}-int8'
    both = [row for row in rows if row.has(way) and row.has(EXPORT)]
    if not both:
        return f'{name_of(way)} was not measured.'
    ratios = [row.ms(way) / row.ms(EXPORT) for row in both]
    text = []
    for has_weights, words in (
        (True, "of the published weights'"),
        (False, "of the random weights'"),
    ):
        kept = [row.ways[way]['labels']['labels'] for row in both if row.has_weights == has_weights]
        if kept:
            text.append(f'{min(kept):.1%} to {max(kept):.1%} {words}')
    return (
        f'{name_of(way)} takes {min(ratios):.2f} to {max(ratios):.2f} times as long as float32 '
        f'(median {statistics.median(ratios):.2f}) and keeps {" and ".join(text)} labels. '
        'It was calibrated on the photos that it is judged on, without accuracy control; labels of '
        'random weights say little of accuracy.'
    )


def details(rows: Sequence[Row]) -> str:
    """All figures, a table for each size."""
    ways = list(dict.fromkeys(way for row in rows for way in row.ways))
    ways = [way for way in ways if any(row.has(way) for row in rows)]
    head = ('network', 'mIoU of', 'MACs G', *(name_of(way) for way in ways))
    parts = []
    for size in dict.fromkeys(row.size_timed for row in rows):
        cells = [
            (row.title, row.source, f'{row.macs / 1e9:.2f}', *(cell(row, way) for way in ways))
            for row in rows
            if row.size_timed == size
        ]
        title = f'Images of {size_text(size)}: milliseconds, median / fastest; peak memory MB'
        parts += [f'{title}:', '', markdown(head, cells, words=2), '']
    return '\n'.join(parts + refused(rows)).rstrip()


def cell(row: Row, way: str) -> str:
    """Times and memory of a network in a way; below float32 the labels kept."""
    if not row.has(way):
        return NONE
    figures = row.ways[way]
    text = f'{row.ms(way):.0f} / {min(row.runs(way)):.0f}; {figures["memory"]:.0f}'
    return f'{text}; {figures["labels"]["labels"]:.1%}' if '-' in way else text


def refused(rows: Sequence[Row]) -> list[str]:
    """A line for each reason why something is missing."""
    found: dict[str, list[str]] = {}
    for row in rows:
        for way, figures in row.ways.items():
            if 'reason' in figures:
                key = f'{name_of(way)}: {figures["reason"].removesuffix("; nothing was written")}'
                found.setdefault(key, []).append(f'{row.title} at {size_text(row.size_timed)}')
    everywhere = len(rows)
    return [
        f'- {reason}' + ('' if len(names) == everywhere else f' ({", ".join(names)})')
        for reason, names in found.items()
    ]


PARTS: dict[str, Callable[[Sequence[Row]], str]] = {
    'conditions': conditions,
    'overview': overview,
    'ahead': ahead,
    'int8': int8,
    'details': details,
}
