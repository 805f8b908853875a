"""The pictures of docs/ are what the page beside them draws."""

import re
import runpy

import cv2
import numpy as np
import pytest

from mmseg_eff.hub.cache import VARIABLE
from mmseg_eff.hub.download import MIRROR

MOST_BYTES = 400_000


@pytest.mark.parametrize('name', ['choosing.png', 'street_five_networks.jpg', 'street_overlay.jpg'])
def test_pictures_are_small(root, name):
    path = root / 'docs/images' / name
    assert path.stat().st_size < MOST_BYTES
    height, width, _ = cv2.imread(str(path)).shape
    assert 500 <= height <= width <= 1400


@pytest.mark.slow
def test_street_by_five_networks(root, shared, tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / 'cache'))
    monkeypatch.setenv(MIRROR, str(shared / 'checkpoints'))
    monkeypatch.setenv('MPLBACKEND', 'Agg')
    monkeypatch.chdir(tmp_path)
    page = (root / 'docs/choosing.md').read_text()
    (block,) = re.findall(r'^```python\n(# five_networks\.py\n.*?)^```$', page, re.M | re.S)
    (tmp_path / 'five_networks.py').write_text(block)
    names = runpy.run_path('five_networks.py')
    assert len(names['pictures']) == 6 and len(names['seen']) >= 5
    drawn = cv2.imread('street_five_networks.jpg')
    stored = cv2.imread(str(root / 'docs/images/street_five_networks.jpg'))
    assert drawn.shape == stored.shape and np.abs(drawn.astype(int) - stored).mean() < 4
