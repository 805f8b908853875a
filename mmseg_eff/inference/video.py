"""Read the frames of a video, a camera or a stream."""

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .inputs import Source
from .streams import LatestFrames, StreamSource, open_capture

DEFAULT_RATE = 25.0  # frames per second of a video that does not say
MAX_RATE = 1000  # a stream may state the ticks of its clock


class Video(AbstractContextManager):
    """A video, a camera or a stream; closed at the end of a ``with`` block.

    Frames are turned upright where the container says how (OpenCV does so).

    Args:
        source: The file, camera or stream.
        max_frames: Number of frames to end after.

    Attributes:
        num_frames: Number of frames to come according to the container, which may be off by some;
            0 if it does not say, as of a camera.
        rate: Frames per second.
        time: Of a live source, seconds of the last frame since the first one; else ``None``.

    Raises:
        InputError: If a camera or a stream cannot be opened.
    """

    def __init__(self, source: Source | StreamSource, max_frames: int | None = None) -> None:
        self.origin, self.max_frames = source.origin, max_frames
        self.path = source.path if isinstance(source, Source) else None
        self.capture = open_capture(
            str(source.path) if isinstance(source, Source) else source.address
        )
        if isinstance(source, StreamSource) and not self.capture.isOpened():
            reasons = 'no such camera, or another program uses it'
            if isinstance(source.address, str):
                reasons = 'wrong address, no connection, or not a video'
            raise InputError(f'{self.origin}: cannot be opened ({reasons})')
        stated = self.capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.num_stated = int(stated) if 0 < stated < 2**31 else 0
        self.num_frames = min(self.num_stated, max_frames or self.num_stated)
        rate = self.capture.get(cv2.CAP_PROP_FPS)
        self.rate = rate if math.isfinite(rate) and 0 < rate <= MAX_RATE else DEFAULT_RATE
        self.is_endless = isinstance(source, StreamSource) and not self.num_frames
        self.num_read = 0
        self.is_stopped = False
        self.time: float | None = None
        is_live = isinstance(source, StreamSource) and source.is_live
        self.live = LatestFrames(self.capture) if is_live else None

    def __exit__(self, *_error: object) -> None:
        if self.live is not None:
            self.live.close()
        else:
            self.capture.release()

    def stop(self) -> None:
        """End ``frames`` before the next frame; a signal handler may call it."""
        self.is_stopped = True
        if self.live is not None:
            self.live.is_ended = True

    def frames(self) -> Iterator[NDArray[np.uint8]]:
        """BGR frames (H, W, 3), as many as can be decoded, or ``max_frames``."""
        first: float | None = None
        for frame, now in self.live or self.read():
            if self.is_stopped:
                return
            if now is not None:
                first = now if first is None else first
                self.time = now - first
            self.num_read += 1
            yield frame
            if self.is_stopped or self.num_read == self.max_frames:
                return

    def read(self) -> Iterator[tuple[NDArray[np.uint8], None]]:
        """All frames of a source that waits until they are read."""
        while (frame := self.capture.read()[1]) is not None:
            yield np.asarray(frame, np.uint8), None

    def check_complete(self) -> None:
        """Check, after the last frame, that there were as many as the container says.

        Raises:
            InputError: If a percent of the frames or more is missing, or there is none; unless
                ``stop`` or ``max_frames`` has ended it.
        """
        if self.is_stopped or self.num_read == self.max_frames:
            return
        if self.num_read < max(1, 0.99 * self.num_stated - 1):
            of = f'of {self.num_stated} ' if self.num_stated else ''
            raise InputError(f'{self.origin}: only {self.num_read} {of}frames could be decoded')
