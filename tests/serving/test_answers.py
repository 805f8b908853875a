import base64
import json

import cv2
import numpy as np
import pytest
from helpers import FunctionSegmentor

from mmseg_eff.datasets.image_reader import ImageReader
from mmseg_eff.serving.answers import choose_answer, encode, shares_of
from mmseg_eff.serving.uploads import Refused
from mmseg_eff.visualization.overlay import color_table, draw_overlay

SEGMENTOR = FunctionSegmentor(None)
LABELS = np.array([[0, 0, 0], [3, 3, 255]], np.uint8)
IMAGE = np.random.default_rng(0).integers(0, 256, (2, 3, 3), np.uint8)


@pytest.mark.parametrize(
    ('wanted', 'accept', 'answer'),
    [
        (None, '', 'png'),
        (None, '*/*', 'png'),
        (None, 'image/png', 'png'),
        (None, 'application/json', 'json'),
        (None, 'image/png, application/json;q=0.5', 'png'),
        ('overlay', 'application/json', 'overlay'),
    ],
)
def test_what_a_request_asks_for(wanted, accept, answer):
    assert choose_answer(wanted, accept) == answer


def test_no_other_answer():
    with pytest.raises(Refused, match="one of png, json, shares, overlay, got 'tiff'") as info:
        choose_answer('tiff', '')
    assert info.value.status == 400


def answer_of(name):
    return encode(name, LABELS, ImageReader().from_loaded(IMAGE), SEGMENTOR)


def decode(data):
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)


def test_pictures():
    body, kind = answer_of('png')
    assert kind == 'image/png' and np.array_equal(decode(body), LABELS)
    body, kind = answer_of('overlay')
    expected = draw_overlay(IMAGE, LABELS, color_table(SEGMENTOR.palette))
    assert kind == 'image/png' and np.array_equal(decode(body), expected)


def test_json():
    body, kind = answer_of('json')
    facts = json.loads(body)
    assert kind == 'application/json'
    assert np.array_equal(decode(base64.b64decode(facts.pop('labels'))), LABELS)
    assert facts == json.loads(answer_of('shares')[0])
    assert facts['classes'] == ['night', 'dusk', 'dawn', 'day']
    assert (facts['height'], facts['width']) == (2, 3)
    assert facts['shares'] == {'night': 3 / 6, 'day': 2 / 6}  # the last label has no class


def test_shares_are_sorted():
    shares = shares_of(np.array([[1, 1, 0, 2, 2]], np.uint8), ('a', 'b', 'c'))
    assert [*shares.items()] == [('b', 2 / 5), ('c', 2 / 5), ('a', 1 / 5)]
