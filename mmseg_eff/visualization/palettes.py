"""Palettes of class colours that can replace a dataset's own."""

from collections.abc import Sequence

from ..errors import InputError

Palette = Sequence[Sequence[int]]

# RGB, in an order whose first n stay as far apart as a greedy choice allows. Found by a search over
# 8 x 8 x 8 colours for the largest smallest CIEDE2000 distance of any two, and of any one to black
# (ignored pixels), as seen by four kinds of eyes: normal, and without red, green or blue cones
# (Machado et al. 2009, severity 1). The smallest distance is 33.8 for 4 classes, 18.0 for 8, 14.1
# for 11 and 11.4 for all 21; 2.3 is the least that the eye sees.
COLORBLIND: Palette = (
    (182, 73, 255),
    (219, 255, 0),
    (36, 0, 73),
    (73, 146, 109),
    (73, 36, 0),
    (182, 73, 0),
    (73, 73, 73),
    (182, 219, 255),
    (182, 182, 182),
    (109, 0, 219),
    (36, 73, 109),
    (255, 109, 0),
    (146, 182, 109),
    (182, 146, 182),
    (0, 0, 146),
    (146, 109, 146),
    (73, 109, 73),
    (255, 219, 146),
    (109, 109, 109),
    (36, 182, 255),
    (255, 255, 255),
)
PALETTES = {'colorblind': COLORBLIND}


def choose_palette(palette: str | Palette | None, own: Palette, num_classes: int) -> Palette:
    """The colours to draw with.

    Args:
        palette: Name of a palette here, RGB colours, or ``None`` for the dataset's own.
        own: RGB colour of each class of the dataset.
        num_classes: Number of classes to be told apart.

    Raises:
        InputError: If there is no such palette, or it has fewer colours than there are classes.
    """
    if palette is None:
        return own
    name = f'palette {palette}' if isinstance(palette, str) else 'the palette'
    if isinstance(palette, str):
        if palette not in PALETTES:
            raise InputError(f'{name} is unknown; allowed are {", ".join(PALETTES)}')
        palette = PALETTES[palette]
    if len(palette) < num_classes:
        raise InputError(
            f'{name} has {len(palette)} colours; the network has {num_classes} classes'
        )
    return palette
