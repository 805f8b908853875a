"""The colours of labels, blended into an image."""

import numpy as np
import pytest

from mmseg_eff.errors import InputError
from mmseg_eff.visualization.overlay import OverlayStyle, color_table, draw_overlay


def test_overlay_mixes_colors_of_the_palette():
    image = np.full((1, 3, 3), 100, np.uint8)
    label = np.array([[0, 1, 255]], np.uint8)
    overlay = draw_overlay(image, label, color_table([[200, 0, 0], [0, 0, 50]]), opacity=0.5)
    assert overlay.tolist() == [[[50, 50, 150], [75, 50, 50], [50, 50, 50]]]  # BGR


@pytest.mark.parametrize('opacity', [-0.1, 1.1, float('nan')])
def test_opacity_is_a_share(opacity):
    image = np.zeros((1, 1, 3), np.uint8)
    with pytest.raises(InputError, match='opacity must be between 0 and 1, got'):
        draw_overlay(image, image[..., 0], color_table([]), opacity)


@pytest.mark.parametrize('color', [(-1, 0, 0), (256, 0, 0), (0.5, 0, 0), (0, 0), 'red', 7])
def test_colours_that_are_none(color):
    with pytest.raises(InputError, match=r'palette has the colour .* for class 1; expected three'):
        color_table([(0, 0, 0), color])


@pytest.mark.parametrize('brightness', [10, 245])
def test_borders_are_seen_on_dark_and_on_bright_photos(brightness):
    image = np.full((60, 80, 3), brightness, np.uint8)
    label = np.zeros((60, 80), np.uint8)
    label[20:40, 20:60] = 1
    colors = color_table([[brightness] * 3, [brightness, brightness, brightness + 5]])
    plain = draw_overlay(image, label, colors)
    drawn = draw_overlay(image, label, colors, outline=True)
    is_border = np.abs(drawn.astype(int) - plain).max(2) > 200
    rows, columns = np.flatnonzero(is_border.any(1)), np.flatnonzero(is_border.any(0))
    assert (
        np.abs(np.array([rows[0], rows[-1], columns[0], columns[-1]]) - [20, 40, 20, 60]).max() < 2
    )
    assert is_border.sum() < 4 * 120 and not is_border[25:35, 25:55].any()
    assert np.array_equal(plain[~is_border], drawn[~is_border])  # the colours keep their meaning


def test_borders_of_16_bits():
    label = np.array([[256] * 8 + [512] * 8] * 8, np.uint16)
    drawn = draw_overlay(
        np.zeros((8, 16, 3), np.uint8), label, color_table([[0] * 3] * 600), outline=True
    )
    assert 0 < (drawn > 0).any(2).sum() <= 16


def test_styles():
    colors = OverlayStyle(palette='colorblind').colors([[1, 2, 3]], ('a',))
    assert colors[0].tolist() == [255, 73, 182]
    assert OverlayStyle().colors([[1, 2, 3]], ('a',))[0].tolist() == [3, 2, 1]
    settings = OverlayStyle(0.3, palette=np.array([[1, 2, 3]])).settings()
    assert settings == dict(opacity=0.3, legend=False, outline=False, palette=[(1, 2, 3)])
    with pytest.raises(InputError, match='opacity must be between 0 and 1, got 2'):
        OverlayStyle(2).colors([], ())
    with pytest.raises(InputError, match=r'palette has the colour \[1, 2\] for class 0'):
        OverlayStyle(palette=[[1, 2]]).colors([[1, 2, 3]], ('a',))
