"""The figures of ``choosing.py`` as rows that can be compared."""

import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple


class Row(NamedTuple):
    """A network at a size.

    Attributes:
        title, is_ours, miou, source, size: See ``choosing_list.Rated``.
        has_weights: Whether it ran with its authors' weights, not with random ones.
        size_timed: Height and width of the image that was timed.
        parameters, macs, input_shape: See ``Figures``.
        ways: For each way (``torch``, ``openvino``, ``openvino-int8`` …) the ``memory``, ``laps``
            and ``conditions`` of ``Figures``, and for exports the agreement of the ``labels`` with
            torch's, below float32 with those of float32; or the ``reason`` why there is none.
    """

    title: str
    is_ours: bool
    miou: float
    source: str
    size: tuple[int, int]
    has_weights: bool
    size_timed: tuple[int, int]
    parameters: int
    macs: int
    input_shape: tuple[int, int]
    ways: dict[str, dict[str, Any]]

    @property
    def is_at_own_size(self) -> bool:
        """Whether the mIoU was published for this size."""
        return self.size == self.size_timed

    def has(self, way: str) -> bool:
        """Whether it was timed in this way."""
        return 'laps' in self.ways.get(way, {})

    def runs(self, way: str) -> list[float]:
        """Milliseconds of each run, from the image file to the label file."""
        return [1000 * sum(lap.values()) for lap in self.ways[way]['laps']]

    def ms(self, way: str) -> float:
        """Their median."""
        return statistics.median(self.runs(way))


def rows_of(report: dict) -> list[Row]:
    """The rows of a JSON file of ``choosing.py``."""
    sizes = ('size', 'size_timed', 'input_shape')
    return [
        Row(**{**network, **{key: tuple(network[key]) for key in sizes}})
        for network in report['networks']
    ]


def is_ahead(row: Row, other: Row, way: str) -> bool:
    """Whether a network is at least as accurate and as fast as another, and better in one."""
    gains = (row.miou - other.miou, other.ms(way) - row.ms(way))
    return min(gains) >= 0 and max(gains) > 0


def front(rows: Sequence[Row], way: str) -> list[Row]:
    """Networks of which no other one is ahead, the fastest first."""
    timed = sorted((row for row in rows if row.has(way)), key=lambda row: row.ms(way))
    return [row for row in timed if not any(is_ahead(other, row, way) for other in timed)]


def peer_ahead(row: Row, rows: Sequence[Row], way: str) -> Row | None:
    """The most accurate network that is not ours and ahead of one, if there is one."""
    if not row.has(way):
        return None
    peers = [other for other in rows if not other.is_ours and other.has(way)]
    ahead = [peer for peer in peers if is_ahead(peer, row, way)]
    return max(ahead, key=lambda peer: peer.miou, default=None)
