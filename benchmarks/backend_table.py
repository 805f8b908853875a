"""The table of networks and backends in Markdown."""

from collections.abc import Sequence

from mmseg_eff.benchmarking.stages import TORCH

CAPTION = 'Labels equal to those of torch / milliseconds from image to labels / MB:'
UNKNOWN = '–'


def cell(figures: dict, milliseconds: float | None) -> str:
    """Share of equal labels, time and size of an export, or where to read why there is none."""
    if 'reason' in figures:
        return 'refused'
    time = UNKNOWN if milliseconds is None else f'{milliseconds:.1f}'
    return f'{figures["labels"]:.4%} / {time} / {figures["bytes"] / 1e6:.2f}'


def table(rows: Sequence[dict], backends: Sequence[str]) -> str:
    """The rows in Markdown, and below them the reasons of what was refused.

    Args:
        rows: With ``network``, ``weights`` and ``backends``, which has ``reason`` or ``labels`` and
            ``bytes`` by backend; timed ones with ``ms`` by backend and ``labels_found``.
        backends: Names of the columns.
    """
    lines = [
        CAPTION,
        '',
        f'| network | weights | labels found | torch ms | {" | ".join(backends)} |',
        '|---|---|--:|--:|' + '--:|' * len(backends),
    ]
    reasons = []
    for row in rows:
        times = row.get('ms', {})
        cells = [
            row['network'],
            'published' if row['weights'] else 'random',
            str(row.get('labels_found', UNKNOWN)),
            f'{times[TORCH]:.1f}' if TORCH in times else UNKNOWN,
            *(cell(row['backends'][name], times.get(name)) for name in backends),
        ]
        lines.append(f'| {" | ".join(cells)} |')
        for name, figures in row['backends'].items():
            if 'reason' in figures:
                reason = figures['reason'].replace('|', '\\|')
                reasons.append(f'| {row["network"]} | {name} | {reason} |')
    if reasons:
        lines += ['', '| refused | by | reason |', '|---|---|---|', *reasons]
    return '\n'.join(lines)
