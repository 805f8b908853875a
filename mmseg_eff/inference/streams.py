"""Cameras and streams as inputs: their names, and their latest frame while they run."""

import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

LIVE = ('rtmp', 'rtsp', 'rtsps', 'srt', 'tcp', 'udp')  # frames come whether or not they are read
SCHEMES = ('http', 'https', *LIVE)
TIMEOUT = 10_000  # milliseconds until a stream that does not answer is given up
WAIT = 0.1  # seconds between two looks whether the reading was stopped

# FFmpeg in OpenCV prints on stderr, too; it reads this when it is first used.
os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')


class StreamSource(NamedTuple):
    """A camera or a stream.

    Attributes:
        address: Number of the camera, or URL.
        name: Path of the outputs below their folder, without suffix.
    """

    address: int | str
    name: str

    @property
    def is_video(self) -> bool:
        """It gives frames."""
        return True

    @property
    def overlay(self) -> str:
        """Path of the overlay below the output folder."""
        return f'overlays/{self.name}.mp4'

    @property
    def is_live(self) -> bool:
        """Whether its frames come in their own time, so that those not taken are lost."""
        return isinstance(self.address, int) or urlsplit(self.address).scheme in LIVE

    @property
    def origin(self) -> str:
        """The camera or the URL for messages, without a password."""
        if isinstance(self.address, int):
            return f'camera:{self.address}'
        return re.sub(r'(://[^/@:]*):[^/@]*@', r'\1:***@', self.address)


def stream_of(given: object) -> StreamSource | None:
    """The camera or stream that an input names; ``None`` for a file, a folder or a glob.

    Args:
        given: ``camera:0``; ``0``, unless a file has this name; a URL such as ``rtsp://…``.

    Raises:
        InputError: If the number of a camera or the kind of a URL is wrong.
    """
    if not isinstance(given, str):
        return None
    if given.startswith('camera:') or (given.isdecimal() and not Path(given).exists()):
        number = given.removeprefix('camera:')
        if not (number.isascii() and number.isdecimal()):
            raise InputError(f'{given}: a camera is camera: and its number, such as camera:0')
        return StreamSource(int(number), f'camera_{int(number)}')
    scheme, is_url, _ = given.partition('://')
    if not is_url or Path(given).exists():
        return None
    try:
        parts = urlsplit(given)
        host, port = parts.hostname or '', parts.port
    except ValueError as error:
        raise InputError(f'{given}: is no URL ({error})') from error
    if scheme not in SCHEMES:
        raise InputError(f'{given}: {scheme}:// is unknown; streams are {" ".join(SCHEMES)}')
    words = (host, str(port or ''), *os.path.splitext(parts.path)[0].split('/'))
    name = '_'.join(re.sub(r'[^\w.-]+', '', word) for word in words)
    return StreamSource(given, re.sub('_+', '_', name).strip('_.') or 'stream')


@contextmanager
def quiet_opencv() -> Iterator[None]:
    """Keep OpenCV from printing on stderr: what fails is an error of ours."""
    logging: Any = cv2.utils.logging
    level = logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        logging.setLogLevel(level)


def open_capture(address: int | str) -> cv2.VideoCapture:
    """Open a camera, a file or a stream by OpenCV.

    Args:
        address: Number of the camera, path or URL.

    Returns:
        The capture; ``isOpened()`` tells whether it could be opened.
    """
    with quiet_opencv():
        if isinstance(address, int) or '://' not in address:
            return cv2.VideoCapture(address)
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, TIMEOUT, cv2.CAP_PROP_READ_TIMEOUT_MSEC, TIMEOUT]
        return cv2.VideoCapture(address, cv2.CAP_FFMPEG, limits)


class LatestFrames:
    """The frames of a live capture, read in a thread of their own; one that is late is dropped.

    So a slow network sees what the camera sees now, and a signal is handled while the next frame
    is waited for.

    Args:
        capture: The capture, opened; released when ``close`` is called and its read returns.
    """

    def __init__(self, capture: cv2.VideoCapture) -> None:
        self.capture = capture
        self.changed = threading.Condition()
        self.latest: tuple[NDArray[np.uint8], float] | None = None
        self.is_ended = False
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self) -> None:
        """Read frames until the end or ``close``."""
        while not self.is_ended:
            frame = self.capture.read()[1]
            now = time.monotonic()
            with self.changed:
                if frame is None:
                    self.is_ended = True
                else:
                    self.latest = np.asarray(frame, np.uint8), now
                self.changed.notify()
        self.capture.release()

    def __iter__(self) -> Iterator[tuple[NDArray[np.uint8], float]]:
        """Frames (H, W, 3), each with its time in seconds of ``time.monotonic``."""
        while True:
            with self.changed:
                while self.latest is None and not self.is_ended:
                    self.changed.wait(WAIT)
                taken, self.latest = self.latest, None
            if taken is None:
                return
            yield taken

    def close(self) -> None:
        """End the thread; a read that hangs is left to end by itself."""
        self.is_ended = True
        self.thread.join(10 * WAIT)
