import json

import cv2

from mmseg_eff.apis.plot_curves import main, read_scalars


def write_log(work_dir, lines, second=0):
    path = work_dir / f'20260101_00000{second}/vis_data/scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text(''.join(json.dumps(line) + '\n' for line in lines))


def test_loss_and_miou_are_drawn(tmp_path):
    lines = [dict(step=step, loss=1 / step) for step in range(1, 30)]
    write_log(tmp_path, [*lines, dict(step=10, mIoU=40.0), dict(step=29, mIoU=60.0)])
    out = tmp_path / 'curves.png'
    assert main([str(tmp_path), '--out', str(out)]) == 0
    image = cv2.imread(str(out)).astype(int)
    red = (image[..., 2] > image[..., 0] + 100).sum()
    blue = (image[..., 0] > image[..., 2] + 100).sum()
    assert red > 100 and blue > 100


def test_nothing_to_draw(tmp_path, capsys):
    assert main([str(tmp_path)]) == 1
    assert f'error: {tmp_path}: holds no */vis_data/scalars.json' in capsys.readouterr().err
    write_log(tmp_path, [dict(step=1, mIoU=1.0)])
    assert main([str(tmp_path)]) == 1
    assert 'its log holds no loss yet' in capsys.readouterr().err


def test_a_later_run_replaces_what_it_repeats(tmp_path):
    write_log(tmp_path, [dict(step=step, loss=1.0) for step in (1, 2, 3)])
    write_log(tmp_path, [dict(step=step, loss=2.0) for step in (3, 4)], second=1)
    assert [(line['step'], line['loss']) for line in read_scalars(tmp_path)] == [
        *[(1, 1.0), (2, 1.0)],
        *[(3, 2.0), (4, 2.0)],
    ]
