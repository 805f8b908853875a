"""The colours of labels, blended into an image."""

import numpy as np
import pytest

from mmseg_eff.errors import InputError
from mmseg_eff.visualization.overlay import color_table, draw_overlay


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
