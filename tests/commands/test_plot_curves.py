import json

import cv2

from mmseg_eff.commands.plot_curves import main
from mmseg_eff.visualization.curves import read_scalars


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


def test_one_run_is_shown(tmp_path):
    write_log(tmp_path, [dict(step=step, loss=1.0) for step in range(10, 100, 10)])
    write_log(tmp_path, [dict(step=step, loss=2.0) for step in (50, 100)], second=1)
    (tmp_path / '20260101_000001/vis_data/config.py').write_text('a = 1\nresume = False\n')
    write_log(tmp_path, [dict(step=0, mIoU=3.0)], second=2)  # a test in the same work dir
    expected = [(50, 2.0), (100, 2.0)]
    assert [(line['step'], line['loss']) for line in read_scalars(tmp_path)] == expected
    write_log(tmp_path, [dict(step=step, loss=4.0) for step in (100, 150)], second=3)
    records = [dict(started=f'20260101_00000{i}', iteration=n) for i, n in ((1, 0), (3, 75))]
    (tmp_path / 'run_record.json').write_text(json.dumps(records))
    expected = [(50, 2.0), (100, 4.0), (150, 4.0)]
    assert [(line['step'], line['loss']) for line in read_scalars(tmp_path)] == expected


def test_validations_by_epoch_stand_at_their_iteration(tmp_path):
    train = [dict(step=step, loss=1.0) for step in (5, 10, 15, 20)]
    validate = [dict(step=epoch, mIoU=50.0) for epoch in (1, 2)]
    write_log(tmp_path, [*train[:2], validate[0], *train[2:], validate[1]])
    assert [line['step'] for line in read_scalars(tmp_path) if 'mIoU' in line] == [10, 20]


def test_the_picture_goes_into_the_work_dir(tmp_path, monkeypatch, capsys):
    (tmp_path / 'elsewhere').mkdir()
    monkeypatch.chdir(tmp_path / 'elsewhere')
    write_log(tmp_path / 'run', [dict(step=1, loss=1.0)])
    assert main([str(tmp_path / 'run')]) == 0
    assert capsys.readouterr().out == f'{tmp_path}/run/curves.png\n'
    assert (tmp_path / 'run/curves.png').is_file() and not list(tmp_path.glob('elsewhere/*'))


def test_a_damaged_log_is_named(tmp_path, capsys):
    write_log(tmp_path, [dict(step=1, loss=1.0)])
    (log,) = tmp_path.glob('*/vis_data/scalars.json')
    log.write_text(log.read_text() + '{"step": 2, "lo')
    assert main([str(tmp_path)]) == 0  # killed while it wrote
    log.write_text(log.read_text() + '\n{"step": 3, "loss": 1.0}\n')
    assert main([str(tmp_path)]) == 1
    assert f'error: {log}:2: not a line of JSON' in capsys.readouterr().err
