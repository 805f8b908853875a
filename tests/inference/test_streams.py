"""Names of cameras and streams."""

import numpy as np
import pytest

from mmseg_eff.errors import InputError
from mmseg_eff.inference.inputs import ArraySource, Source, read_inputs
from mmseg_eff.inference.streams import StreamSource, stream_of


@pytest.mark.parametrize(
    ('given', 'address', 'name', 'is_live'),
    [
        ('0', 0, 'camera_0', True),
        ('camera:12', 12, 'camera_12', True),
        ('rtsp://me:pw@cam.local:554/front', None, 'cam.local_554_front', True),
        ('http://10.0.0.7/live/a.m3u8?token=x', None, '10.0.0.7_live_a', False),
        ('https://example.org/', None, 'example.org', False),
        ('udp://@:1234', None, '1234', True),
    ],
)
def test_cameras_and_urls(given, address, name, is_live, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = stream_of(given)
    assert source == StreamSource(given if address is None else address, name)
    assert source.is_live == is_live and source.is_video


def test_passwords_are_not_shown():
    source = stream_of('rtsp://me:secret@cam/front')
    assert source.origin == 'rtsp://me:***@cam/front' and 'secret' not in source.name
    assert stream_of('camera:3').origin == 'camera:3'


def test_a_file_of_the_name_of_a_camera(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / '0').mkdir()
    assert stream_of('0') is None and stream_of('camera:0')
    for given in ('a.png', 'folder/', '*.png', '-1', tmp_path, np.zeros(3), 7):
        assert stream_of(given) is None


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        ('camera:front', 'camera:front: a camera is camera: and its number, such as camera:0'),
        ('ftp://a/b.mp4', 'ftp://a/b.mp4: ftp:// is unknown; streams are http https'),
        ('http://a:port/b.mp4', 'http://a:port/b.mp4: is no URL'),
    ],
)
def test_wrong_ones(given, message):
    with pytest.raises(InputError, match=message):
        stream_of(given)


def test_streams_among_files_and_arrays(tmp_path, make_image):
    image = make_image(tmp_path / 'a.png')
    inputs = ['camera:0', image, 'rtsp://cam/x', np.zeros((4, 4, 3), np.uint8), 'camera:1']
    sources = [*read_inputs(inputs)]
    kinds = [StreamSource, Source, StreamSource, ArraySource, StreamSource]
    assert [type(source) for source in sources] == kinds
    assert [*read_inputs('camera:0')] == [StreamSource(0, 'camera_0')]
    with pytest.raises(InputError, match='camera:0: another input has the name camera_0, too'):
        [*read_inputs(['0', image, 'camera:0'])]
