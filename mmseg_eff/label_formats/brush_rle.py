"""Label Studio's run-length encoding of brush strokes, compatible with label-studio-sdk.

The bytes hold a stream of bits (rle-pack of thi.ng/umbrella): 32 of the number of values, 5 of
their width less 1, four times 4 of the widths of run lengths less 1, then the runs. A run is 1 bit
(one value repeated, or as many values), 2 bits (which of the four widths), the length less 1, and
the value or values. The values are the pixels' R, G, B and A in turn; A above 0 marks the mask.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

WIDTHS = (3, 4, 8, 16)  # bits of run lengths, as label-studio-sdk writes them
LONGEST = 1 << WIDTHS[-1]
CHANNELS = 4


def encode_brush(mask: NDArray[np.bool_]) -> list[int]:
    """Bytes of a mask (H, W), equal to those of label-studio-sdk's ``mask2rle(mask * 255)``."""
    flat = mask.ravel()
    edges = np.flatnonzero(np.diff(flat)) + 1
    lengths = np.diff([0, *edges.tolist(), flat.size]) * CHANNELS
    bits = [f'{flat.size * CHANNELS:032b}', '00111', *(f'{width - 1:04b}' for width in WIDTHS)]
    value = bool(flat[0])
    for length in lengths.tolist():
        byte = '1' * 8 if value else '0' * 8
        while length > LONGEST:
            bits.append(f'111{LONGEST - 1:016b}{byte}')
            length -= LONGEST
        kind = next(kind for kind, width in enumerate(WIDTHS) if length <= 1 << width)
        bits.append(f'1{kind:02b}{length - 1:0{WIDTHS[kind]}b}{byte}')
        value = not value
    text = ''.join(bits)
    text += '0' * (8 - len(text) % 8)  # the SDK adds a byte to a stream that fills its last one
    return list(int(text, 2).to_bytes(len(text) // 8, 'big'))


def decode_brush(rle: Sequence[int], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Mask (H, W) of the bytes.

    Raises:
        InputError: If they are cut, no bytes, or hold another number of pixels.
    """
    try:
        stream = Bits(bytes(rle))
    except (TypeError, ValueError) as error:
        raise InputError(f'rle is no list of bytes ({error})') from error
    total = stream.read(32)
    if total != size[0] * size[1] * CHANNELS:
        raise InputError(
            f'rle holds {total} values; an image of {size[0]} x {size[1]} has '
            f'{size[0] * size[1] * CHANNELS}'
        )
    word = stream.read(5) + 1
    widths = [stream.read(4) + 1 for _ in range(4)]
    mask = np.zeros(size[0] * size[1], bool)
    start = 0
    while start < total:
        repeats = stream.read(1)
        length = 1 + stream.read(widths[stream.read(2)])
        end = start + length
        if end > total:
            raise InputError(f'rle has a run up to value {end} of {total}')
        # the alpha values of pixels start // 4 up to end // 4 are in the run
        pixels = slice(start // CHANNELS, end // CHANNELS)
        if repeats:
            mask[pixels] = stream.read(word) > 0
        else:
            mask[pixels] = stream.read_words(length, word)[
                CHANNELS - 1 - start % CHANNELS :: CHANNELS
            ]
        start = end
    return mask.reshape(size)


class Bits:
    """Bits of bytes, read in turn, the highest of a byte first."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def advance(self, count: int) -> int:
        """Position of the next bits, ``count`` of which are taken."""
        start = self.position
        self.position += count
        if self.position > 8 * len(self.data):
            raise InputError(f'rle is cut: it ends after {len(self.data)} bytes')
        return start

    def read(self, count: int) -> int:
        """A number of at most 32 bits."""
        start = self.advance(count)
        first, last = start // 8, (start + count + 7) // 8
        number = int.from_bytes(self.data[first:last], 'big')
        return number >> (8 * last - start - count) & (1 << count) - 1

    def read_words(self, count: int, width: int) -> NDArray[np.bool_]:
        """Which of the next ``count`` numbers of ``width`` bits are above 0."""
        start = self.advance(count * width)
        first, last = start // 8, (start + count * width + 7) // 8
        bits = np.unpackbits(np.frombuffer(self.data[first:last], np.uint8))
        return np.asarray(bits[start - 8 * first :][: count * width].reshape(count, width).any(1))
