import cv2
import numpy as np
import pytest

from mmseg_eff.commands.demo import main
from mmseg_eff.visualization.contact_sheet import contact_sheet
from mmseg_eff.visualization.overlay import color_table


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
