"""What a request is answered with: labels as PNG or JSON, shares of the classes, or an overlay."""

import base64
import json
from collections.abc import Sequence

import numpy as np

from ..datasets.image_reader import Loaded, to_display
from ..inference.prediction import Prediction
from ..inference.segmentor import Segmentor
from ..utils.image_io import Label, encode_png
from .uploads import Refused

ANSWERS = ('png', 'json', 'shares', 'overlay')  # the values of ?format=
PNG, JSON = 'image/png', 'application/json'


def choose_answer(wanted: str | None, accept: str) -> str:
    """The answer that a request asks for.

    Args:
        wanted: Its query parameter ``format``, if there is one.
        accept: Its header ``Accept``, which counts without that parameter.

    Raises:
        Refused: If there is no such answer (400).
    """
    if wanted is None:
        return 'json' if JSON in accept and PNG not in accept else 'png'
    if wanted not in ANSWERS:
        raise Refused(400, f'format must be one of {", ".join(ANSWERS)}, got {wanted[:40]!r}')
    return wanted


def encode(answer: str, labels: Label, image: Loaded, segmentor: Segmentor) -> tuple[bytes, str]:
    """The body of an answer, and its media type.

    Args:
        answer: One of ``ANSWERS``.
        labels: Labels (H, W) of the image.
        image: As the reader has loaded it.
        segmentor: With classes and palette.
    """
    if answer == 'png':
        return encode_png(labels), PNG
    if answer == 'overlay':
        pixels = to_display(image['img'])
        prediction = Prediction(
            'image', None, None, labels, pixels, segmentor.classes, segmentor.palette
        )
        return encode_png(prediction.overlay()), PNG
    height, width = labels.shape
    facts: dict[str, object] = dict(
        height=height,
        width=width,
        classes=list(segmentor.classes),
        shares=shares_of(labels, segmentor.classes),
    )
    if answer == 'json':
        facts['labels'] = base64.b64encode(encode_png(labels)).decode()
    return json.dumps(facts).encode(), JSON


def shares_of(labels: Label, classes: Sequence[str]) -> dict[str, float]:
    """Share of the pixels of each class that occurs, the largest first."""
    counts = np.bincount(labels.ravel(), minlength=len(classes))[: len(classes)]
    order = np.argsort(-counts, kind='stable')
    return {classes[label]: int(counts[label]) / labels.size for label in order if counts[label]}
