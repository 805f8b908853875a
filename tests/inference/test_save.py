"""Files become label PNGs and overlays; one that fails does not stop the others."""

import os
import re
import signal
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from time import sleep

import cv2
import numpy as np
import pytest
from helpers import FunctionSegmentor
from rich.progress import Progress
from videos import make_video

from mmseg_eff.errors import InputError, OutputError
from mmseg_eff.inference.inputs import Source, collect_sources
from mmseg_eff.inference.save import save_predictions, save_source
from mmseg_eff.inference.streams import stream_of
from mmseg_eff.inference.tiling import Tiling
from mmseg_eff.inference.video import Video
from mmseg_eff.utils.signals import stopping_in_order
from mmseg_eff.visualization.overlay import OverlayStyle


def brightness(image):
    return (image.mean(2) // 64).astype(np.uint8)


def save(path, out, segment=brightness, **options):
    sources = collect_sources([path])
    return save_predictions(sources, out, FunctionSegmentor(segment), **options).failed


def parts_of(path, out, tiling=None):
    (source,) = collect_sources([path])
    return list(save_source(source, out, FunctionSegmentor(brightness), OverlayStyle(), tiling))


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
        save(image, tmp_path / 'out', style=OverlayStyle(opacity=2))
    with pytest.raises(InputError, match=r'palette dark is unknown; allowed are colorblind'):
        save(image, tmp_path / 'out', style=OverlayStyle(palette='dark'))
    segmentor = FunctionSegmentor(brightness)
    segmentor.palette = [[0, 0, 256]]
    with pytest.raises(InputError, match=r'palette has the colour \[0, 0, 256\] for class 0'):
        save_predictions(collect_sources([image]), tmp_path / 'out', segmentor)
    assert not (tmp_path / 'out').exists()


def test_video_that_ends_early_keeps_what_could_be_decoded(tmp_path, monkeypatch):
    class Longer(Video):
        def __init__(self, *args):
            super().__init__(*args)
            self.num_stated = self.num_frames = 10

    monkeypatch.setattr('mmseg_eff.inference.save.Video', Longer)
    video = make_video(tmp_path / 'clip.mp4')
    failed = save(video, tmp_path / 'out')
    assert failed == {video: f'{video}: only 3 of 10 frames could be decoded'}
    assert len(files(tmp_path / 'out/labels')) == 3
    with Video(Source(tmp_path / 'out/overlays/clip.mp4', 'clip')) as overlays:
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


def test_speed_counts_frames_and_images(tmp_path, make_image):
    def slow(image):
        sleep(0.02)
        return brightness(image)

    make_image(tmp_path / 'in/a.png', 48, 64)
    make_video(tmp_path / 'in/clip.mp4')
    sources = collect_sources([tmp_path / 'in'])
    for tiling, least in ((None, 0.02), (Tiling(32, 0, {}), 0.02)):
        speed = save_predictions(
            sources, tmp_path / f'out{tiling}', FunctionSegmentor(slow), tiling=tiling
        ).speed
        assert speed.num_images == 4 and least <= speed.network < speed.seconds
    line = rf'4 images in [0-9.]+ s: \d+ ms per image, {1000 * speed.network:.0f} ms of them in the'
    assert re.match(line, str(speed))
    (tmp_path / 'bad.png').write_text('no image')
    sources = collect_sources([tmp_path / 'bad.png'])
    assert save_predictions(sources, tmp_path / 'bad', FunctionSegmentor(slow)).speed is None


def test_legend_of_a_video_has_one_size_and_keeps_its_places(tmp_path):
    video = make_video(tmp_path / 'clip.mp4', size=(200, 48))
    assert not save(video, tmp_path / 'out', style=OverlayStyle(legend=True))
    with Video(Source(tmp_path / 'out/overlays/clip.mp4', 'clip')) as overlays:
        frames = [*overlays.frames()]
    assert len({frame.shape for frame in frames}) == 1 and frames[0].shape[0] > 60
    bands = [frame[48:].astype(int) for frame in frames]  # labels 0, 0 and 1
    assert abs(bands[0] - bands[1]).max() < 10  # the same text
    assert (255 - bands[2]).sum() > 1.3 * (255 - bands[0]).sum()  # a name more


def test_frames_may_be_limited(tmp_path):
    video = make_video(tmp_path / 'clip.mp4')
    assert not save(video, tmp_path / 'out', max_frames=2)
    assert files(tmp_path / 'out') == [
        *(f'labels/clip/{frame:06d}.png' for frame in range(2)),
        'overlays/clip.mp4',
    ]


def test_without_pyav_one_line_says_what_to_install(tmp_path, make_image, monkeypatch, capsys):
    monkeypatch.setattr('mmseg_eff.inference.save.has_h264', lambda: False)
    save(make_image(tmp_path / 'a.png', 48, 64), tmp_path / 'out')
    assert 'pip install' not in capsys.readouterr().err
    for name in ('clip.mp4', 'other.mp4'):
        make_video(tmp_path / 'in' / name)
    save(tmp_path / 'in', tmp_path / 'out')
    assert capsys.readouterr().err.count('pip install av') == 1


class Camera:
    """A camera of 50 grey frames a second, each brighter by one, until it is unplugged."""

    def __init__(self, num_frames=10**6):
        self.num_frames, self.num_read, self.is_released = num_frames, 0, False

    def isOpened(self):
        return True

    def get(self, key):
        return {cv2.CAP_PROP_FPS: 50.0, cv2.CAP_PROP_FRAME_COUNT: -1.0}[key]

    def read(self):
        sleep(0.02)
        self.num_read += 1
        if self.num_read > self.num_frames:
            return False, None
        return True, np.full((48, 64, 3), min(255, self.num_read), np.uint8)

    def release(self):
        self.is_released = True


@pytest.fixture
def camera(monkeypatch):
    camera = Camera()
    monkeypatch.setattr('mmseg_eff.inference.video.open_capture', lambda address: camera)
    return camera


def save_stream(address, out, segment=brightness, **options):
    sources = [stream_of(address)]
    return save_predictions(sources, out, FunctionSegmentor(segment), **options).failed


def test_camera_ends_after_max_frames(camera, tmp_path):
    assert not save_stream('camera:0', tmp_path / 'out', max_frames=4)
    assert files(tmp_path / 'out') == [
        *(f'labels/camera_0/{frame:06d}.png' for frame in range(4)),
        'overlays/camera_0.mp4',
    ]
    assert camera.is_released


def test_a_slow_network_sees_the_latest_frame_at_its_time(camera, tmp_path):
    seen = []

    def slow(image):
        seen.append(int(image[0, 0, 0]))
        sleep(0.2)
        return brightness(image)

    assert not save_stream('0', tmp_path / 'out', slow, max_frames=4)
    assert seen[-1] > 3 * len(seen) and seen == sorted(set(seen))
    av = pytest.importorskip('av', reason='needs the extra [video]')
    with av.open(str(tmp_path / 'out/overlays/camera_0.mp4')) as video:
        times = [float(frame.pts * frame.time_base) for frame in video.decode(video=0)]
    assert times[0] == 0 and min(np.diff(times)) > 0.15 and times[-1] < 5


def test_a_camera_that_is_unplugged_keeps_its_video(camera, tmp_path):
    camera.num_frames = 5
    assert not save_stream('0', tmp_path / 'out')
    assert (tmp_path / 'out/overlays/camera_0.mp4').is_file()
    camera.num_frames = camera.num_read = 0
    reason = 'camera:1: only 0 frames could be decoded'
    assert save_stream('camera:1', tmp_path / 'out') == {'camera:1': reason}
    assert files(tmp_path / 'out/overlays') == ['camera_0.mp4']


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_camera_and_keeps_its_video(camera, tmp_path, number):
    def segment(image):
        if camera.num_read > 5 and not sent:
            sent.append(number)
            signal.raise_signal(number)
        return brightness(image)

    sent = []
    with stopping_in_order(), pytest.raises(KeyboardInterrupt):
        save_stream('camera:0', tmp_path / 'out', segment)
    labels = files(tmp_path / 'out/labels')
    assert camera.is_released and sent
    capture = cv2.VideoCapture(str(tmp_path / 'out/overlays/camera_0.mp4'))
    assert len([*iter(lambda: capture.read()[0], False)]) == len(labels) > 0
    assert files(tmp_path / 'out/overlays') == ['camera_0.mp4']


def test_a_signal_ends_the_wait_for_a_frame(camera, tmp_path, monkeypatch):
    camera.num_frames, hang = 3, threading.Event()
    end = camera.read

    def read():
        ok, frame = end()
        if frame is None:
            threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
            hang.wait(5)
        return ok, frame

    monkeypatch.setattr(camera, 'read', read)
    with stopping_in_order(), pytest.raises(KeyboardInterrupt):
        save_stream('camera:0', tmp_path / 'out')
    assert not hang.is_set()
    hang.set()
    assert files(tmp_path / 'out/overlays') == ['camera_0.mp4']


def test_a_signal_leaves_no_video_of_a_file(tmp_path):
    def segment(image):
        if image.mean() > 100:
            signal.raise_signal(signal.SIGINT)
        return brightness(image)

    with stopping_in_order(), pytest.raises(KeyboardInterrupt):
        save(make_video(tmp_path / 'clip.mp4'), tmp_path / 'out', segment)
    assert not files(tmp_path / 'out/overlays')


def test_streams_that_cannot_be_opened(tmp_path, capfd):
    for address, shown, reason in (
        ('camera:97', 'camera:97', 'no such camera, or another program uses it'),
        ('http://me:secret@127.0.0.1:9/a.mp4', 'http://me:***@127.0.0.1:9/a.mp4',
         'wrong address, no connection, or not a video'),
    ):  # fmt: skip
        failed = save_stream(address, tmp_path / 'out')
        assert failed == {shown: f'{shown}: cannot be opened ({reason})'}
    printed = ''.join(capfd.readouterr())
    assert 'secret' not in printed and 'WARN' not in printed and 'refused' not in printed


def test_a_video_from_a_server(tmp_path):
    """On loopback, without the byte ranges that a player would ask for."""
    make_video(tmp_path / 'served/clip.mp4')
    handler = partial(QuietHandler, directory=str(tmp_path / 'served'))
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        root = f'http://127.0.0.1:{server.server_port}'
        assert not save_stream(f'{root}/clip.mp4', tmp_path / 'out')
        missing = save_stream(f'{root}/none.mp4', tmp_path / 'out')
        server.shutdown()
    assert next(iter(missing.values())).startswith(f'{root}/none.mp4: cannot be opened')
    name = f'127.0.0.1_{server.server_port}_clip'
    assert files(tmp_path / 'out') == [
        *(f'labels/{name}/{frame:06d}.png' for frame in range(3)),
        f'overlays/{name}.mp4',
    ]


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass
