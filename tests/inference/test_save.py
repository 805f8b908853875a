"""Files become label PNGs and overlays; one that fails does not stop the others."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers import FunctionSegmentor
from rich.progress import Progress
from videos import make_video

from mmseg_eff.errors import InputError, OutputError
from mmseg_eff.inference.inputs import collect_sources
from mmseg_eff.inference.save import save_predictions, save_source
from mmseg_eff.inference.tiling import Tiling
from mmseg_eff.inference.video import Video


def brightness(image):
    return (image.mean(2) // 64).astype(np.uint8)


def save(path, out, segment=brightness, **options):
    return save_predictions(collect_sources([path]), out, FunctionSegmentor(segment), **options)


def parts_of(path, out, tiling=None):
    (source,) = collect_sources([path])
    return list(save_source(source, out, FunctionSegmentor(brightness), 0.5, tiling))


def test_parts_of_a_source(tmp_path, make_image):
    image, video = make_image(tmp_path / 'a.png', 48, 64), make_video(tmp_path / 'clip.mp4')
    tiling = Tiling(32, 0, {})
    assert parts_of(image, tmp_path / 'out') == [1]
    assert parts_of(image, tmp_path / 'tiled', tiling) == [4] * 4
    assert parts_of(video, tmp_path / 'tiled', tiling) == [3] * 3  # a video has no tiles
    assert files(tmp_path / 'tiled') == [
        'labels/a.png',
        *(f'labels/clip/{frame:06d}.png' for frame in range(3)),
        'overlays/a.png',
        'overlays/clip.mp4',
        'tiles/a.json',
    ]


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob('*') if path.is_file())


def test_the_bar_counts_images_frames_and_tiles(tmp_path, make_image, monkeypatch):
    bars = []

    class Bar(Progress):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            bars.append(self)

    monkeypatch.setattr('mmseg_eff.inference.save.Progress', Bar)
    for name in 'ab':
        make_image(tmp_path / f'in/{name}.png', 48, 64)
    (tmp_path / 'in/c.png').write_text('no image')
    make_video(tmp_path / 'in/clip.mp4')
    for tiling, total in ((None, 6), (Tiling(32, 0, {}), 12)):
        failed = save(tmp_path / 'in', tmp_path / str(total), tiling=tiling)
        (task,) = bars[-1].tasks
        assert (len(failed), task.total, task.completed) == (1, total, total - 1)


def test_opacity_and_palette_are_checked_once(tmp_path, make_image):
    image = make_image(tmp_path / 'a.png')
    with pytest.raises(InputError, match=r'opacity must be between 0 and 1, got 2'):
        save(image, tmp_path / 'out', opacity=2)
    segmentor = FunctionSegmentor(brightness)
    segmentor.palette = [[0, 0, 256]]
    with pytest.raises(InputError, match=r'palette has the colour \[0, 0, 256\] for class 0'):
        save_predictions(collect_sources([image]), tmp_path / 'out', segmentor)
    assert not (tmp_path / 'out').exists()


def test_video_that_ends_early_keeps_what_could_be_decoded(tmp_path, monkeypatch):
    class Longer(Video):
        def __init__(self, path):
            super().__init__(path)
            self.num_frames = 10

    monkeypatch.setattr('mmseg_eff.inference.save.Video', Longer)
    video = make_video(tmp_path / 'clip.mp4')
    failed = save(video, tmp_path / 'out')
    assert failed == {video: f'{video}: only 3 of 10 frames could be decoded'}
    assert len(files(tmp_path / 'out/labels')) == 3
    with Video(tmp_path / 'out/overlays/clip.mp4') as overlays:
        assert (overlays.num_frames, overlays.rate) == (3, 5)
        shown = [frame.mean() for frame in overlays.frames()]
    # grey 0, 60 and 120 of labels 0, 0 and 1, whose colours are 0 and 1, at half their share
    assert np.allclose(shown, [0, 30, 60.5], atol=5)


def test_a_video_that_fails_in_the_middle_leaves_no_overlay(tmp_path):
    def segment(image):
        if image.mean() > 100:
            raise RuntimeError('too bright')
        return brightness(image)

    video = make_video(tmp_path / 'clip.mp4')
    failed = save(video, tmp_path / 'out', segment)
    assert failed == {video: f'{video}: RuntimeError: too bright'}
    assert files(tmp_path / 'out') == [f'labels/clip/{frame:06d}.png' for frame in range(2)]


def test_damaged_video_leaves_no_overlay(tmp_path):
    video = make_video(tmp_path / 'clip.mp4')
    video.write_bytes(video.read_bytes()[:600])
    failed = save(video, tmp_path / 'out')
    assert 'frames could be decoded' in failed[video]
    assert not list((tmp_path / 'out/overlays').iterdir())


@pytest.mark.parametrize(
    ('fault', 'reason'),
    [
        (RuntimeError("can't allocate memory: you tried to"), 'does not fit into memory'),
        (MemoryError(), 'does not fit into memory'),
        (RuntimeError('kernel larger than input'), 'RuntimeError: kernel larger than input'),
        (IndexError('x'), 'IndexError: x'),
        (cv2.error('odd'), 'error: odd'),
    ],
)
def test_any_fault_of_one_image_is_its_line(tmp_path, make_image, monkeypatch, fault, reason):
    def segment(image):
        if image.shape[1] == 51:
            raise fault
        return brightness(image)

    for name, width in (('a', 64), ('b', 51), ('c', 64)):
        make_image(tmp_path / f'in/{name}.png', 48, width)
    failed = save(tmp_path / 'in', tmp_path / 'out', segment)
    bad = tmp_path / 'in/b.png'
    assert list(failed) == [bad] and failed[bad].startswith(f'{bad}: {reason}')
    assert sorted(p.name for p in (tmp_path / 'out/labels').iterdir()) == ['a.png', 'c.png']
    monkeypatch.setenv('MMSEG_EFF_TRACEBACK', '1')
    with pytest.raises(type(fault)):
        save(tmp_path / 'in', tmp_path / 'out', segment)


def test_a_full_disk_ends_the_folder(tmp_path, make_image, monkeypatch):
    def refuse(*_):
        raise OSError(28, 'No space left on device')

    for name in 'ab':
        make_image(tmp_path / f'in/{name}.png')
    monkeypatch.setattr('pathlib.Path.write_bytes', refuse)
    line = r'out/labels/a\.png: cannot be written \(No space left on device\)'
    with pytest.raises(OutputError, match=line):
        save(tmp_path / 'in', tmp_path / 'out')


def test_a_video_that_opencv_cannot_write(tmp_path, monkeypatch):
    """OpenCV says nothing of it."""

    class Silent:
        def __init__(self, path, *_):
            Path(path).touch()

        def write(self, _frame):
            pass

        def release(self):
            pass

    video = make_video(tmp_path / 'clip.mp4')
    monkeypatch.setattr(cv2, 'VideoWriter', Silent)
    monkeypatch.setattr(cv2, 'VideoWriter_fourcc', lambda *_: 0)
    with pytest.raises(OutputError, match=r'overlays/clip\.mp4: cannot be written'):
        save(video, tmp_path / 'out')
    assert not list((tmp_path / 'out/overlays').iterdir())
