"""The palette for colour-blind eyes, measured by a simulation of them."""

import numpy as np
import pytest
from colorblind import EYES, ciede2000, lab_of, smallest_distance

from mmseg_eff.errors import InputError
from mmseg_eff.visualization.palettes import COLORBLIND, choose_palette

# The smallest distance that holds for so many classes, for all eyes. From 2.3 the eye sees a
# difference (Mahy et al. 1994); more than 10 is told apart in regions that do not touch.
LEAST = {2: 45, 4: 33, 8: 17.5, 11: 14, 19: 11.4, 21: 11.4}
CITYSCAPES = [
    *[[128, 64, 128], [244, 35, 232], [70, 70, 70], [102, 102, 156], [190, 153, 153]],
    *[[153, 153, 153], [250, 170, 30], [220, 220, 0], [107, 142, 35], [152, 251, 152]],
    *[[70, 130, 180], [220, 20, 60], [255, 0, 0], [0, 0, 142], [0, 0, 70], [0, 60, 100]],
    *[[0, 80, 100], [0, 0, 230], [119, 11, 32]],
]


@pytest.mark.parametrize(
    ('one', 'other', 'distance'),  # Sharma et al. 2005, Table 1
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 3.1571, -77.2803), (50, 0, -82.7485), 2.8615),
        ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0000),
        ((50, 2.4900, -0.0010), (50, -2.4900, 0.0009), 7.1792),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((50, 2.5, 0), (61, -5, 29), 22.8977),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ],
)
def test_the_distance_is_that_of_the_publication(one, other, distance):
    assert ciede2000(np.array(one), np.array(other)) == pytest.approx(distance, abs=1e-4)


def test_the_simulation_does_what_is_known_of_these_eyes():
    red, green = lab_of([[200, 60, 60]], 'normal'), lab_of([[105, 110, 40]], 'normal')
    assert ciede2000(red, green)[0] > 30
    red, green = (lab_of([rgb], 'deuteranopia') for rgb in ([200, 60, 60], [105, 110, 40]))
    assert ciede2000(red, green)[0] < 15
    for eyes in EYES:  # grey stays grey
        assert np.abs(lab_of([[128, 128, 128]], eyes)[0, 1:]).max() < 1.5


@pytest.mark.parametrize('eyes', EYES)
@pytest.mark.parametrize('num_classes', LEAST)
def test_colours_stay_apart(eyes, num_classes):
    assert smallest_distance(COLORBLIND[:num_classes], eyes) > LEAST[num_classes]


@pytest.mark.parametrize('eyes', EYES)
def test_no_colour_is_that_of_ignored_pixels(eyes):
    distances = ciede2000(lab_of(COLORBLIND, eyes), lab_of([[0, 0, 0]], eyes))
    assert distances.min() > 11


def test_it_is_better_than_the_palette_that_it_replaces():
    def worst(palette):
        return min(smallest_distance(palette, eyes) for eyes in EYES)

    assert worst(CITYSCAPES) < 3
    assert worst(COLORBLIND[: len(CITYSCAPES)]) > 11


def test_choice_of_a_palette():
    own = [[1, 2, 3]] * 3
    assert choose_palette(None, own, 3) is own
    assert choose_palette('colorblind', own, 3) is COLORBLIND
    assert choose_palette([[9, 9, 9]] * 4, own, 3) == [[9, 9, 9]] * 4
    for palette, num_classes, message in (
        ('dark', 3, 'palette dark is unknown; allowed are colorblind'),
        ('colorblind', 150, 'palette colorblind has 21 colours; the network has 150 classes'),
        ([[9, 9, 9]], 3, 'the palette has 1 colours; the network has 3 classes'),
    ):
        with pytest.raises(InputError, match=message):
            choose_palette(palette, own, num_classes)
