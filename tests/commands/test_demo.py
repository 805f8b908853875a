import cv2
import numpy as np
import pytest

from mmseg_eff.apis.demonstration import PHOTO
from mmseg_eff.commands.demo import main
from mmseg_eff.datasets import CamVidDataset
from mmseg_eff.hub.cache import VARIABLE
from mmseg_eff.hub.download import MIRROR
from mmseg_eff.visualization.contact_sheet import contact_sheet
from mmseg_eff.visualization.overlay import color_table

SEEN = {  # in the photo: top, bottom, left, right
    'Sky': (10, 60, 450, 700),
    'Building': (165, 200, 470, 600),
    'Road': (400, 500, 300, 800),
}


def test_contact_sheet_shows_image_label_and_prediction():
    image = np.full((10, 20, 3), 7, np.uint8)
    rows = [(image, np.zeros((10, 20), np.uint8), np.ones((10, 20), np.uint8))] * 2
    colors = color_table([[255, 0, 0], [0, 255, 0]])
    sheet = contact_sheet(rows, colors, ('a', 'b'))
    assert sheet.shape == (28 + 2 * (20 + 6) + 28, 3 * (40 + 6), 3)
    row = sheet[28 + 10]
    assert row[20].tolist() == [7, 7, 7]
    assert row[46 + 20].tolist() == [0, 0, 255]
    assert row[92 + 20].tolist() == [0, 255, 0]


def test_photo_is_labelled_by_the_network_of_the_package(root, tmp_path, monkeypatch, capsys):
    """Without a network: neither a cache nor a mirror has anything."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / 'cache'))
    monkeypatch.setenv(MIRROR, str(tmp_path / 'nothing here'))
    assert main(['--photo', '--work-dir', str(tmp_path / 'out')]) == 0
    printed = capsys.readouterr().out
    assert f'overlay  {tmp_path}/out/overlays/street.png' in printed
    height, width, _ = cv2.imread(str(PHOTO)).shape
    overlay = cv2.imread(str(tmp_path / 'out/overlays/street.png'))
    assert overlay.shape[0] > height and overlay.shape[1] == width
    shown = cv2.imread(str(root / 'docs/images/street_overlay.jpg'))  # by the same network
    assert shown.shape == overlay.shape and np.abs(shown.astype(int) - overlay).mean() < 4
    labels = cv2.imread(str(tmp_path / 'out/labels/street.png'), cv2.IMREAD_UNCHANGED)
    for name, (top, bottom, left, right) in SEEN.items():
        index = CamVidDataset.METAINFO['classes'].index(name)
        assert np.mean(labels[top:bottom, left:right] == index) > 0.9, name


def test_photo_needs_no_iterations(capsys):
    assert main(['--photo', '--iters', '3']) == 1
    assert capsys.readouterr().err == 'error: --photo and --iters exclude each other\n'


@pytest.mark.slow
def test_demo_end_to_end(tmp_path, monkeypatch, capsys):
    """From any folder, with paths relative to it."""
    monkeypatch.delenv('MMSEG_EFF_DATA', raising=False)
    monkeypatch.chdir(tmp_path)
    out = tmp_path / 'demo'
    assert main(['--work-dir', 'demo', '--iters', '3']) == 0
    printed = capsys.readouterr().out
    assert 'mIoU ' in printed and 'mmseg-eff predict mmseg_eff::espnet/' in printed
    assert len(list((out / 'overlays').glob('*.png'))) == 6
    assert cv2.imread(str(out / 'contact_sheet.png')).shape[1] == 3 * (512 + 6)
