"""What the label files of a dataset hold: values or colours, formats and palettes."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path

import numpy as np
from rich.progress import track

from ..datasets.label_rules import INDEX_MODES
from ..errors import InputError
from ..label_formats.image_files import decode, open_image
from ..label_formats.masks import LOSSY, pack
from ..label_formats.source import naming
from ..label_formats.value_masks import MOST_TINT, read_grey
from ..utils.printing import console
from ..utils.signals import follow_parent

MOST_COLORS = 256
FEW = 100  # label files that this process reads alone
CHUNK = 8

Color = tuple[int, int, int]
UNSURE: Color = (-1, -1, -1)  # among the colours of a lossy file, which are many


@dataclass(frozen=True)
class LabelFacts:
    """What some label files hold together.

    Attributes:
        values: Values of the grey and palette files.
        colors: RGB colours of the colour files.
        is_lossy: Whether a file is of a format that changes values, such as JPEG.
        is_index: Whether every file has one value of 8 bits a pixel.
        palette: RGB colours of the indices, where the files have equal palettes.
    """

    values: frozenset[int] = frozenset()
    colors: frozenset[Color] = frozenset()
    is_lossy: bool = False
    is_index: bool = True
    palette: tuple[Color, ...] = field(default=())

    def __or__(self, other: 'LabelFacts') -> 'LabelFacts':
        return LabelFacts(
            self.values | other.values,
            self.colors | other.colors,
            self.is_lossy or other.is_lossy,
            self.is_index and other.is_index,
            self.palette if self.palette == other.palette else (),
        )


def read_labels_facts(paths: Sequence[Path]) -> LabelFacts:
    """What label files hold together, by all cores where there are many.

    Raises:
        InputError: If a file is damaged or has more colours than there are classes.
    """
    if len(paths) <= FEW:
        return together(map(facts_of, paths), len(paths))
    with ProcessPoolExecutor(initializer=follow_parent) as pool:
        return together(pool.map(facts_of, paths, chunksize=CHUNK), len(paths))


def together(facts: Iterable[LabelFacts], count: int) -> LabelFacts:
    """The facts of all files, with a progress bar on stderr."""
    return reduce(
        LabelFacts.__or__,
        track(facts, 'reading labels', total=count, console=console(stderr=True), transient=True),
    )


def facts_of(path: Path) -> LabelFacts:
    """What a label file holds.

    Raises:
        InputError: If it is damaged or has more colours than there are classes.
    """
    with naming(path), open_image(path) as image:
        mode, is_lossy = image.mode, image.format in LOSSY
        if mode in ('RGB', 'RGBA'):
            pixels = decode(image, 'RGB')
            tint = np.ptp(pixels.astype(np.int16), axis=-1).max()
            if tint > (MOST_TINT if is_lossy else 0):
                return of_colors(np.unique(pack(pixels)), is_lossy)
        indices = image.getpalette('RGB') if mode == 'P' else None
    values, is_lossy = read_grey(path)
    return LabelFacts(
        values=frozenset(np.unique(values).tolist()),
        is_lossy=is_lossy,
        is_index=mode in INDEX_MODES and not is_lossy,
        palette=tuple((r, g, b) for r, g, b in np.reshape(indices or [], (-1, 3)).tolist()),
    )


def of_colors(codes: np.ndarray, is_lossy: bool) -> LabelFacts:
    """Facts of a colour mask by its packed colours."""
    if is_lossy:
        return LabelFacts(is_lossy=True, is_index=False, colors=frozenset([UNSURE]))
    if len(codes) > MOST_COLORS:
        raise InputError(f'{len(codes)} colours; a label has one colour for each class')
    colors = np.stack([codes >> 16, codes >> 8 & 255, codes & 255], 1).tolist()
    return LabelFacts(colors=frozenset((r, g, b) for r, g, b in colors), is_index=False)
