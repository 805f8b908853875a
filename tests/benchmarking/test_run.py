from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers import read_image
from mmengine.config import Config
from watch import watch

from mmseg_eff.benchmarking.run import PEERS, known_miou, make_images
from mmseg_eff.config.load import load_config
from mmseg_eff.errors import InputError


def test_images(tmp_path, make_image):
    file = str(make_image(tmp_path / 'a.png', 30, 50))
    assert make_images([file], None, tmp_path / 'b') == [tmp_path / 'a.png']
    (resized,) = make_images([file], (20, 40), tmp_path / 'b')
    expected = cv2.resize(read_image(tmp_path / 'a.png'), (40, 20))
    assert np.array_equal(read_image(resized), expected)
    (drawn,) = make_images([], (64, 96), tmp_path / 'c')
    assert read_image(drawn).shape == (64, 96, 3)


@pytest.mark.parametrize('name', PEERS)
def test_published_miou_of_peers(name):
    config = load_config(f'mmseg::{PEERS[name]}')
    assert 70 < known_miou(config) < 80


def test_unknown_miou(tmp_path):
    path = tmp_path / 'a.py'
    path.write_text('x = 1')
    assert known_miou(Config.fromfile(path)) is None
    metafile = 'Models:\n- Name: {}\n  Results:\n  - Metrics: {}\n'
    (tmp_path / 'metafile.yaml').write_text(metafile.format('b', '{mIoU: 50.0}'))
    assert known_miou(Config.fromfile(path)) is None
    (tmp_path / 'metafile.yaml').write_text(metafile.format('a', '{mIoU: 50.0}'))
    assert known_miou(Config.fromfile(path)) == 50.0
    (tmp_path / 'metafile.yaml').write_text(metafile.format('a', '{}'))
    assert known_miou(Config.fromfile(path)) is None


@pytest.mark.parametrize(
    'text',
    [
        '!!python/object/apply:os.system ["touch ran"]',
        'Models: !!python/object/apply:builtins.open ["ran", "w"]',
        'Models: !!python/name:os.system',
        'Models: 1',
        'Models: [1]',
        'Models: [{Name: a}]',
        'Models: [{Name: a, Results: [{Metrics: {mIoU: [1]}}]}]',
        '- a',
        '[' * 9999,
        'Models: ["\0"]',
        'a: ' + 'b' * 200_000,
    ],
)
def test_a_metafile_is_data(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    Path('a.py').write_text('x = 1')
    Path('metafile.yaml').write_text(text)
    config = Config.fromfile('a.py')
    with watch() as seen, pytest.raises(InputError, match=r'metafile\.yaml: expected Models with'):
        known_miou(config)
    assert seen == [] and not Path('ran').exists()
