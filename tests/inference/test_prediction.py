"""Prediction: its overlay, and the files that it writes."""

import cv2
import numpy as np
import pytest
from helpers import read_image

from mmseg_eff.errors import InputError, OutputError
from mmseg_eff.inference.prediction import Prediction

PALETTE = ((200, 0, 0), (0, 0, 50))  # RGB


def make(**changed):
    """A prediction of 2 x 3 pixels of grey 100."""
    values = dict(
        name='deep/a',
        path=None,
        frame=None,
        labels=np.array([[0, 1, 255], [1, 1, 0]], np.uint8),
        image=np.full((2, 3, 3), 100, np.uint8),
        classes=('red', 'blue'),
        palette=PALETTE,
    )
    return Prediction(**{**values, **changed})


@pytest.mark.parametrize('opacity', [0.5, 1, 0])
def test_files_of_a_prediction(tmp_path, opacity):
    prediction = make()
    prediction.save(tmp_path / 'out', opacity=opacity)
    found = sorted(path for path in (tmp_path / 'out').rglob('*') if path.is_file())
    assert [str(path.relative_to(tmp_path / 'out')) for path in found] == [
        'labels/deep/a.png',
        'overlays/deep/a.png',
    ]
    assert np.array_equal(cv2.imread(str(found[0]), cv2.IMREAD_UNCHANGED), prediction.labels)
    color = {0: [0, 0, 200], 1: [50, 0, 0], 255: [0, 0, 0]}  # BGR; black without a class
    for row, column in np.ndindex(2, 3):
        expected = [
            (1 - opacity) * 100 + opacity * value
            for value in color[int(prediction.labels[row, column])]
        ]
        assert read_image(found[1])[row, column].tolist() == expected


def test_labels_of_16_bits_and_the_default_opacity(tmp_path):
    palette = [[9, 9, 9]] * 300
    labels = np.array([[299, 0, 256]] * 2, np.uint16)
    make(labels=labels, palette=palette).save(tmp_path)
    found = cv2.imread(str(tmp_path / 'labels/deep/a.png'), cv2.IMREAD_UNCHANGED)
    assert found.dtype == np.uint16 and np.array_equal(found, labels)
    assert (read_image(tmp_path / 'overlays/deep/a.png') == (100 + 9) // 2).all()


def test_overlay_of_every_second_pixel():
    prediction = make(step=2, image=np.full((1, 2, 3), 100, np.uint8))
    assert prediction.overlay(1).tolist() == [[[0, 0, 200], [0, 0, 0]]]  # labels 0 and 255


@pytest.mark.parametrize('changed', [dict(palette=[[0, 0, 256]]), dict(palette=7)])
def test_nothing_is_written_with_a_wrong_palette(tmp_path, changed):
    with pytest.raises(InputError, match='palette'):
        make(**changed).save(tmp_path / 'out')
    with pytest.raises(InputError, match=r'opacity must be between 0 and 1, got 1\.5'):
        make().save(tmp_path / 'out', opacity=1.5)
    assert not (tmp_path / 'out').exists()


def test_a_full_disk_leaves_the_older_file(tmp_path, monkeypatch):
    prediction = make()
    prediction.save(tmp_path)
    before = (tmp_path / 'labels/deep/a.png').read_bytes()

    def refuse(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('pathlib.Path.write_bytes', refuse)
    with pytest.raises(OutputError, match=r'labels/deep/a\.png: cannot be written \(No space'):
        make(labels=1 - np.eye(2, 3, dtype=np.uint8)).save(tmp_path)
    assert (tmp_path / 'labels/deep/a.png').read_bytes() == before
    assert len(list(tmp_path.rglob('*.*'))) == 2
