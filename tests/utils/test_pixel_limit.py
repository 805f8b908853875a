import numpy as np
import pytest
from PIL import Image

from mmseg_eff.errors import InputError
from mmseg_eff.utils.pixel_limit import VARIABLE, max_pixels, pixel_limit


def test_limit_of_pixels(tmp_path, monkeypatch):
    path = tmp_path / 'a.png'
    Image.fromarray(np.zeros((20, 30), np.uint8)).save(path)
    assert max_pixels() == 2**30
    before = Image.MAX_IMAGE_PIXELS
    with pixel_limit():
        assert Image.MAX_IMAGE_PIXELS == 2**29
    assert before == Image.MAX_IMAGE_PIXELS
    monkeypatch.setenv(VARIABLE, '500')
    with pixel_limit(), pytest.raises(Image.DecompressionBombError):
        Image.open(path)
    monkeypatch.setenv(VARIABLE, 'many')
    with pytest.raises(InputError, match=f"{VARIABLE} must be a whole number above 0, got 'many'"):
        max_pixels()
