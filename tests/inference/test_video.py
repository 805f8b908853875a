"""Frames of a video file, upright and as many as asked for."""

import cv2
import numpy as np
import pytest
from videos import make_video

from mmseg_eff.errors import InputError
from mmseg_eff.inference.inputs import Source
from mmseg_eff.inference.video import DEFAULT_RATE, Video


def rotate(path):
    """Turn the picture by a quarter, as phones do: the matrix of the track's header (tkhd)."""
    data = bytearray(path.read_bytes())
    start = data.index(b'tkhd') + 4 + 40
    assert data[start - 4] == 0  # version 0: the matrix follows 40 bytes
    one, minus = 0x10000.to_bytes(4, 'big'), (-0x10000).to_bytes(4, 'big', signed=True)
    zero = bytes(4)
    data[start : start + 36] = b''.join(
        (zero, one, zero, minus, zero, zero, zero, zero, 0x40000000.to_bytes(4, 'big'))
    )
    path.write_bytes(data)


def test_frames_of_a_phone_are_turned_upright(tmp_path):
    path = tmp_path / 'a.mp4'
    backend = cv2
    writer = cv2.VideoWriter(str(path), backend.VideoWriter_fourcc(*'mp4v'), 5, (64, 48))
    frame = np.zeros((48, 64, 3), np.uint8)
    frame[:24] = 255  # bright above
    for _ in range(3):
        writer.write(frame)
    writer.release()
    rotate(path)
    with Video(Source(path, 'a')) as video:
        frames = [*video.frames()]
    assert [frame.shape for frame in frames] == [(64, 48, 3)] * 3
    halves = frames[0][:, :20].mean(), frames[0][:, 28:].mean()
    assert min(halves) < 40 and max(halves) > 215  # bright at a side


@pytest.mark.parametrize(
    ('stated', 'rate'),
    [(0, DEFAULT_RATE), (90000, DEFAULT_RATE), (float('nan'), DEFAULT_RATE), (12.5, 12.5)],
)
def test_rates_that_are_none(tmp_path, monkeypatch, stated, rate):
    class Capture:
        def get(self, key):
            return {cv2.CAP_PROP_FPS: stated, cv2.CAP_PROP_FRAME_COUNT: -9.2e18}[key]

        def release(self):
            pass

    monkeypatch.setattr('mmseg_eff.inference.video.open_capture', lambda _: Capture())
    with Video(Source(tmp_path / 'a.mp4', 'a')) as video:
        assert (video.rate, video.num_frames) == (rate, 0)


def test_a_limit_and_a_stop(tmp_path):
    path = make_video(tmp_path / 'a.mp4', frames=5)
    with Video(Source(path, 'a'), 2) as video:
        assert (len([*video.frames()]), video.num_frames) == (2, 2)
        video.check_complete()
    with Video(Source(path, 'a')) as video:
        frames = video.frames()
        next(frames)
        video.stop()
        assert not [*frames]
        video.check_complete()


def test_what_is_no_video(tmp_path):
    (tmp_path / 'a.mp4').write_text('no video')
    with Video(Source(tmp_path / 'a.mp4', 'a')) as video:
        assert not [*video.frames()]
        with pytest.raises(InputError, match=r'a\.mp4: only 0 frames could be decoded'):
            video.check_complete()
