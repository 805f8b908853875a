"""Videos that browsers play, or OpenCV's; never a half-written one."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmseg_eff.errors import OutputError
from mmseg_eff.inference import video_writer
from mmseg_eff.inference.inputs import Source
from mmseg_eff.inference.video import Video
from mmseg_eff.inference.video_writer import VideoWriter
from mmseg_eff.utils.output_folder import output_folder

COLORS = [(0, 0, 255), (0, 255, 0), (255, 0, 0), (128, 64, 128), (255, 255, 255), (20, 20, 20)]
KINDS = [
    pytest.param(True, id='H.264'),
    pytest.param(False, id='MPEG-4'),
]


@pytest.fixture(params=KINDS)
def h264(request, monkeypatch):
    if request.param:
        pytest.importorskip('av', reason='needs the extra [video]')
    monkeypatch.setattr(video_writer, 'has_h264', lambda: request.param)
    return request.param


def bars(height, width):
    """Vertical bars of ``COLORS``."""
    picture = np.zeros((height, width, 3), np.uint8)
    for index, color in enumerate(COLORS):
        picture[:, index * width // 6 : (index + 1) * width // 6] = color
    return picture


def write(path, rate=5.0, frames=6, size=(64, 96), is_finished=True, times=None):
    with VideoWriter(path, rate) as writer:
        for index in range(frames):
            writer.write(bars(*size), times and times[index])
        if is_finished:
            writer.finish()
    return path


def boxes(data):
    """Names of the outer boxes of an MP4."""
    names, start = [], 0
    while start < len(data):
        names.append(data[start + 4 : start + 8].decode())
        start += int.from_bytes(data[start : start + 4], 'big') or len(data)
    return names


@pytest.mark.parametrize('size', [(64, 96), (63, 95)])
def test_frames_come_back(h264, tmp_path, size):
    path = write(tmp_path / 'deep/a.mp4', rate=30000 / 1001, size=size)
    with Video(Source(path, 'a')) as video:
        assert video.rate == pytest.approx(30000 / 1001, abs=1e-3)
        frames = [*video.frames()]
        video.check_complete()
    assert len(frames) == 6
    assert frames[0].shape == (64, 96, 3)
    for index, color in enumerate(COLORS):
        x = (2 * index + 1) * size[1] // 12
        assert np.abs(frames[3][size[0] // 2, x].astype(int) - color).max() < (8 if h264 else 30)


def test_h264_as_browsers_want_it(tmp_path):
    av = pytest.importorskip('av', reason='needs the extra [video]')
    path = write(tmp_path / 'a.mp4', size=(63, 95))
    names = boxes(path.read_bytes())
    assert names.index('moov') < names.index('mdat')  # plays while it loads
    with av.open(str(path)) as video:
        codec = video.streams.video[0].codec_context
        assert (codec.name, codec.pix_fmt) == ('h264', 'yuv420p')
        assert (codec.colorspace, codec.color_primaries, codec.color_range) == (1, 1, 1)


def test_frames_of_a_camera_keep_their_times(tmp_path):
    av = pytest.importorskip('av', reason='needs the extra [video]')
    times = [0.0, 0.5, 0.5, 1.25, 7.0, 7.1]  # two of the same time
    path = write(tmp_path / 'a.mp4', rate=30, times=times)
    with av.open(str(path)) as video:
        shown = [float(frame.pts * frame.time_base) for frame in video.decode(video=0)]
    np.testing.assert_allclose(shown, times, atol=0.002)


def test_nothing_half_written(h264, tmp_path):
    path = tmp_path / 'a.mp4'
    path.write_bytes(b'older')
    write(path, is_finished=False)
    assert path.read_bytes() == b'older' and os.listdir(tmp_path) == ['a.mp4']
    write(tmp_path / 'none.mp4', frames=0)
    assert os.listdir(tmp_path) == ['a.mp4']


WRITE_AND_DIE = """
import os, signal, sys
import numpy as np
from pathlib import Path
from mmseg_eff.inference import video_writer
video_writer.has_h264 = lambda: sys.argv[2] == 'True'
writer = video_writer.VideoWriter(Path(sys.argv[1]), 5)
for _ in range(100):
    writer.write(np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_a_killed_process_leaves_nothing_that_looks_finished(h264, tmp_path):
    path = tmp_path / 'out/a.mp4'
    subprocess.run([sys.executable, '-c', WRITE_AND_DIE, str(path), str(h264)], check=False)
    (left,) = path.parent.iterdir()
    assert left.name.startswith('.a.mp4.') and left.name.endswith('.tmp.mp4')
    with output_folder(path.parent):  # the next run
        assert not left.exists()


def test_a_full_disk(h264, tmp_path, monkeypatch):
    resource = pytest.importorskip('resource')
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    path = tmp_path / 'a.mp4'
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with (
            pytest.raises(OutputError, match=rf'^{path}: cannot be written \(.+\)$') as caught,
            VideoWriter(path, 25) as writer,
        ):
            for _ in range(20):
                writer.write(noise)
            writer.finish()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.strerror and not os.listdir(tmp_path)


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / 'file').write_text('x')
    with pytest.raises(OutputError, match=r'file/a\.mp4: cannot be written \(File exists\)'):
        VideoWriter(tmp_path / 'file/a.mp4', 25)


def test_opencv_says_nothing_of_what_it_cannot_write(tmp_path, monkeypatch):
    class Silent:
        def __init__(self, path, *_):
            Path(path).touch()

        def write(self, _frame):
            pass

        def release(self):
            pass

    monkeypatch.setattr(video_writer, 'has_h264', lambda: False)
    monkeypatch.setattr(cv2, 'VideoWriter', Silent)
    with pytest.raises(OutputError, match=r'a\.mp4: cannot be written \(is the disk full\?\)'):
        write(tmp_path / 'a.mp4')
    assert not list(tmp_path.iterdir())
