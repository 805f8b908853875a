"""Decide how the labels of a dataset are read: as they are, or converted first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mmseg.datasets import CityscapesDataset

from ..errors import InputError
from ..label_formats.classes import BACKGROUND_NAMES, IGNORED, IGNORED_NAMES, class_list
from ..label_formats.masks import NUM_VOC, TABLE_FILES
from ..label_formats.source import listed
from ..label_formats.tables import CAMVID
from ..label_formats.voc_classes import voc_classes
from .class_files import ClassFile
from .label_facts import UNSURE, Color, LabelFacts

# Values of Cityscapes' 19 classes in *_labelIds.png, in the order of the classes (its labels.py).
CITYSCAPES_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
MOST_VALUES = 34  # of labelIds
BLACK: Color = (0, 0, 0)
CAMVID_COLORS = 8  # found at least, to tell CamVid's table from another


@dataclass(frozen=True)
class LabelPlan:
    """How labels are read.

    Attributes:
        format: Of ``label_formats`` that they are converted from; ``None``: they stay as they are.
        options: Of the conversion.
        classes: Names of the labels that stay as they are; a conversion gives its own.
        palette: RGB colour of each class, likewise.
        ignore_index: Value of the ignored pixels.
        why: What was found, in words.
    """

    format: str | None
    options: dict[str, Any]
    why: str
    classes: tuple[str, ...] = ()
    palette: list[list[int]] = field(default_factory=list)
    ignore_index: int = IGNORED


def plan_labels(facts: LabelFacts, named: ClassFile | None, suffix: str) -> LabelPlan:
    """How the labels of some facts are read.

    Args:
        facts: Of all label files.
        named: File that names the classes, if there is one.
        suffix: Of the label files.

    Raises:
        InputError: If they are colours and values, or the names do not fit them.
    """
    if facts.colors and facts.values:
        raise InputError('some label files hold colours and some hold values')
    if facts.colors:
        return plan_colors(facts, named)
    found = sorted(facts.values)
    if facts.is_lossy:
        found = [0, IGNORED]
    if named is None and 'labelids' in suffix.lower() and found[-1] < MOST_VALUES:
        known = dict(zip(CITYSCAPES_IDS, CityscapesDataset.METAINFO['classes'], strict=True))
        table = {value: known.get(value, 'void') for value in range(MOST_VALUES)}
        return LabelPlan('values', dict(values=table), "Cityscapes' labelIds")
    kept = found if found == [0, IGNORED] else [value for value in found if value != IGNORED]
    if len(kept) < 2:
        raise InputError(
            f'the labels hold only the value {listed(found)}: no second class to tell from it'
        )
    why = f'values {ranges(found)}'
    if named is not None and named.values is not None:
        unnamed = [value for value in found if value not in named.values and value != IGNORED]
        if unnamed:
            raise InputError(f'{named.path}: has no name for the value {listed(unnamed)}')
        if list(named.values) != list(range(len(named.values))) or len(named.names) < len(
            named.values
        ):
            return LabelPlan('values', dict(values=named.values), why)
    names = fit_names(named, found, kept, suffix)
    is_direct = facts.is_index and found != [0, IGNORED]
    if is_direct and names and kept[-1] < len(names):
        return as_they_are(names, facts, why)
    if is_direct and not names and kept == list(range(len(kept))):
        return as_they_are(usual_names(len(kept), suffix, facts), facts, why)
    if names and len(names) != len(kept):
        return LabelPlan('values', dict(values=dict(enumerate(names))), why)
    if any(name.lower() in IGNORED_NAMES for name in names):
        return LabelPlan('values', dict(values=dict(zip(kept, names, strict=True))), why)
    return LabelPlan('values', dict(classes=names or None), why)


def fit_names(
    named: ClassFile | None, found: Sequence[int], kept: Sequence[int], suffix: str
) -> list[str]:
    """The names of a file as they fit the values; empty without a file.

    Names may leave out the background of value 0.

    Raises:
        InputError: If they fit the values in no way.
    """
    if named is None:
        return []
    names = named.names
    has_background = any(name.lower() in BACKGROUND_NAMES for name in names)
    if found != [0, IGNORED] and kept[-1] < len(names):
        return names
    if not has_background and kept[0] == 0 and len(kept) == len(names) + 1:
        return ['background', *names]
    if not has_background and found != [0, IGNORED] and kept[-1] == len(names):
        return ['background', *names]
    if len(kept) == len(names):
        return names
    raise InputError(
        f'{named.path}: {len(names)} names for labels of the values {ranges(found)}; name the '
        'value of each class in it, as "0 background"'
    )


def as_they_are(names: Sequence[str], facts: LabelFacts, why: str) -> LabelPlan:
    """Labels that are indices of the names already; a last name such as ``void`` is ignored."""
    ignored = IGNORED
    if names[-1].lower() in IGNORED_NAMES and IGNORED not in facts.values:
        ignored, names = len(names) - 1, names[:-1]
    elif any(name.lower() in IGNORED_NAMES for name in names):
        return LabelPlan('values', dict(values=dict(enumerate(names))), why)
    palette = [list(color) for color in facts.palette[: len(names)]]
    if len({*map(tuple, palette)}) < len(names):
        palette = class_list(list(names)).palette
    return LabelPlan(None, {}, why, tuple(names), palette, ignored)


def usual_names(count: int, suffix: str, facts: LabelFacts) -> list[str]:
    """Names of the indices 0, 1, … of a dataset without a file of names."""
    cityscapes = CityscapesDataset.METAINFO['classes']
    if 'trainids' in suffix.lower() and count <= len(cityscapes):
        return list(cityscapes)
    if count == NUM_VOC and facts.palette:
        return list(voc_classes('voc').names)
    return ['background', 'foreground'] if count == 2 else [f'class_{i}' for i in range(count)]


def plan_colors(facts: LabelFacts, named: ClassFile | None) -> LabelPlan:
    """How colour masks are read: by the dataset's table, a known one, or a name for each colour."""
    if named is not None and named.has_colors:
        return LabelPlan('colors', dict(colors=named.path), f'colours of {named.path}')
    if UNSURE in facts.colors:
        raise InputError(
            'colour masks in a lossy format (JPEG), whose colours are many; put a table of the '
            f"classes' colours beside them, named {' or '.join(TABLE_FILES)}"
        )
    colors = facts.colors
    cityscapes = dict(
        zip(
            map(tuple, CityscapesDataset.METAINFO['palette']),
            CityscapesDataset.METAINFO['classes'],
            strict=True,
        )
    )
    if len(colors) >= CAMVID_COLORS and colors <= set(CAMVID):
        return LabelPlan('colors', dict(colors='camvid'), "CamVid's colours, as its 11 classes")
    if len(colors) >= 3 and colors - {BLACK} <= set(cityscapes):
        table: Mapping[Color, str] = {**cityscapes, BLACK: 'void'}
        return LabelPlan('colors', dict(colors=table), "Cityscapes' colours")
    names = {
        color: 'background' if color == BLACK else 'color_{:02x}{:02x}{:02x}'.format(*color)
        for color in sorted(colors)
    }
    return LabelPlan('colors', dict(colors=names), f'{len(names)} colours')


def ranges(values: Sequence[int]) -> str:
    """Values as text, neighbours as a range: ``0 to 10, 255``."""
    parts: list[list[int]] = []
    for value in values:
        if parts and value == parts[-1][-1] + 1:
            parts[-1].append(value)
        else:
            parts.append([value])
    shown = [str(p[0]) if len(p) == 1 else f'{p[0]} to {p[-1]}' for p in parts]
    return listed(shown)
