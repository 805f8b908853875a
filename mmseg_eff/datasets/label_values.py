"""Find wrong label settings from the values in all label files of a dataset."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from .label_rules import LabelRules

SHIFT = 'reduce_zero_label'  # kind of the findings that another split can disprove
SIGMOID = (  # arguments of a head
    'num_classes=2, out_channels=1, '
    "loss_decode=dict(_delete_=True, type='CrossEntropyLoss', use_sigmoid=True)"
)
ONE_CLASS = (
    'one class cannot be learned if everything else is ignored: name the rest, too, '
    f"classes=('background', '…') with labels 0 and 1, and set {SIGMOID} in each head"
)


def check_values(
    values: NDArray[np.int64], rules: LabelRules, elsewhere: Sequence[NDArray[np.int64]] = ()
) -> Iterator[tuple[str, str]]:
    """Find what is wrong with the values of a dataset's label files; yield kind and message.

    Args:
        values: Pixels of each value in the files (256,).
        rules: How the dataset reads them.
        elsewhere: The same of other datasets that read their files alike, such as another split.
            A value that occurs there proves that ``reduce_zero_label`` is right.
    """
    count = rules.num_classes
    used = np.flatnonzero(values[:255])
    last = rules.table[count] if count < 256 else rules.ignore_index
    if (
        rules.reduce_zero_label
        and np.array_equal(used, np.arange(count))
        and not any(other[count] for other in elsewhere)
    ):
        yield (
            SHIFT,
            f'holds 0 to {count - 1}, of which reduce_zero_label=True drops the first class; set '
            f'reduce_zero_label=False, or leave out the last class, of which {count} would be the '
            'value',
        )
    if count > 1 and len(used) and used[-1] == count <= last != rules.ignore_index:
        if used[0] == 1:
            yield (
                SHIFT,
                f'holds 1 to {count}, never 0: reduce_zero_label=True would read them',
            )
        elif np.array_equal(used, np.arange(count + 1)):
            yield (
                SHIFT,
                f'holds 0 to {count}, one value more than the {count} classes: name the class of '
                '0, too, or set reduce_zero_label=True to ignore it',
            )
    present = np.flatnonzero(values)
    ignored = present[rules.table[present] == rules.ignore_index]
    found = np.flatnonzero(rules.count_classes(values))
    others = len(present) - len(ignored) - np.isin(rules.table[present], found).sum()
    if not len(ignored) or others:  # values out of range are reported elsewhere
        return
    if not len(found):
        yield 'all ignored', f'holds only {listed(ignored)}, which {verb(ignored)} ignored'
    elif count > 1 and len(found) == 1:
        values = present[rules.table[present] == found[0]]
        yield (
            '255 as class',
            f'holds only {listed(values)} and {listed(ignored)}, which {verb(ignored)} ignored: no '
            f'pixel of a second class; label files hold the indices of classes, 0 to {count - 1}',
        )


def listed(values: NDArray[np.integer]) -> str:
    """Values as text: ``0, 1 and 255``."""
    *first, last = map(str, values)
    return f'{", ".join(first)} and {last}' if first else last


def verb(values: NDArray[np.integer]) -> str:
    """The verb for one or several values."""
    return 'are' if len(values) > 1 else 'is'
