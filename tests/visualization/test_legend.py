"""Names and colours of the classes present, below a picture of any size."""

import subprocess
import sys

import numpy as np
import pytest

from mmseg_eff.visualization.legend import LONGEST, Legend, present_classes, short
from mmseg_eff.visualization.overlay import color_table

PALETTE = [(200, 0, 0), (0, 200, 0), (0, 0, 200), (0, 0, 0), (255, 255, 255)]
CLASSES = ('road', 'traffic light', 'Gehweg für Fußgänger', 'night', 'snow')


def labels(*classes, height=60, width=120):
    """Vertical stripes of equal width."""
    columns = np.repeat(np.array(classes, np.uint8), -(-width // len(classes)))[:width]
    return np.tile(columns, (height, 1))


def draw(label, size=(60, 120), classes=CLASSES, palette=PALETTE, **options):
    picture = np.full((*size, 3), 7, np.uint8)
    drawn = Legend(classes, color_table(palette), **options).append(picture, label)
    assert (drawn[: size[0], : size[1]] == 7).all()  # the picture stays as it is
    return drawn[size[0] :]


def shows(band, rgb):
    return (band == np.array(rgb[::-1])).all(-1).sum() > 30


def test_classes_present_with_their_colours():
    band = draw(labels(2, 0, 3, 255))
    assert [shows(band, color) for color in PALETTE[:3]] == [True, False, True]
    assert shows(band, (0, 0, 0))  # also a class of the colour of ignored pixels
    alone = draw(labels(255))
    assert alone.size == 0


def test_classes_without_a_share_are_left_out():
    label = np.zeros((100, 100), np.uint8)
    label[0, 0] = 1
    assert present_classes(label, 5) == [0]
    label[0, 1] = 1
    assert present_classes(label, 5) == [0, 1]
    label[:] = 9
    assert present_classes(label, 5) == []
    assert present_classes(np.array([[300]], np.uint16), 301) == [300]


@pytest.mark.parametrize('size', [(24, 32), (48, 300), (300, 48), (360, 480), (1024, 2048)])
def test_text_is_readable_at_every_size(size):
    band = draw(labels(0, 1, 2, 3, 4, height=size[0], width=size[1]), size)
    ink = (band < 100).all(-1)
    heights = []
    for row in np.split(ink, np.flatnonzero(~ink.any(1))):
        heights.append(len(row) - 1)
    assert max(heights) >= max(8, 0.02 * min(size))
    assert (ink.mean() < 0.5) and band.shape[1] >= size[1]
    assert len(band) < max(130, size[0] / 2)


def test_many_classes_are_counted():
    classes = [f'class {index}' for index in range(200)]
    palette = [(index, 255 - index, 128) for index in range(200)]
    label = np.arange(200, dtype=np.uint8).repeat(50).reshape(100, 100)
    band = draw(label, (100, 100), classes, palette)
    assert len(band) < 24 * 17 + 20
    assert shows(band, palette[0]) and not shows(band, palette[199])


def test_frames_of_a_video_have_one_size_and_places():
    legend = Legend(CLASSES, color_table(PALETTE), is_video=True)
    picture = np.zeros((60, 200, 3), np.uint8)
    first, second, third = (
        legend.append(picture, label) for label in (labels(1), labels(0, 1), labels(2))
    )
    assert first.shape == second.shape == third.shape
    assert legend.shown == [1, 0, 2]
    changed = (first != second).any(-1)
    assert changed.any() and not changed[(first < 255).any(-1)].any()  # what was there stays


def test_places_are_found_without_comparing_all_classes(monkeypatch):
    class Index(int):
        comparisons = 0

        def __eq__(self, other):
            Index.comparisons += 1
            return int(self) == int(other)

        __hash__ = int.__hash__

    count = 500
    monkeypatch.setattr(
        'mmseg_eff.visualization.legend.present_classes',
        lambda label, num_classes: [Index(index) for index in reversed(range(num_classes))],
    )
    legend = Legend(['x'] * count, color_table([(0, 0, 0)] * count), is_video=True)
    picture = np.zeros((20, 20, 3), np.uint8)
    for _ in range(2):
        legend.append(picture, np.zeros((20, 20), np.uint16))
    assert legend.shown == [*reversed(range(count))]
    assert Index.comparisons < 10 * count


def test_names_in_one_line():
    assert short('traffic\n  light') == 'traffic light'
    assert len(short('x' * 100)) == LONGEST and short('x' * 100).endswith('…')


def test_legend_imports_no_matplotlib():
    code = (
        'import sys; import mmseg_eff.visualization.legend as legend; '
        "assert legend.font_of(12).getname()[0] == 'DejaVu Sans'; "
        "print('matplotlib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == 'False'  # the fork prints lines of its own before
