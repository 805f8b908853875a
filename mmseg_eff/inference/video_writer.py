"""Write MP4 videos: H.264 by PyAV, which browsers play, or MPEG-4 Part 2 by OpenCV without it."""

import errno
import importlib.util
import os
from contextlib import AbstractContextManager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from ..utils.atomic_io import writing
from .streams import open_capture, quiet_opencv

QUALITY = {'crf': '20', 'preset': 'veryfast'}  # of x264: 18 is close to lossless, 23 its default
BT709 = 1  # matrix, primaries and transfer curve of HD video, in FFmpeg's numbers
TICKS = 1000  # of a second: the clock of a video whose frames have times
HINT = (
    'overlay videos will be MPEG-4 Part 2 (mp4v), which browsers do not play; for H.264: '
    'pip install av (the extra [video])'
)


def has_h264() -> bool:
    """Whether PyAV is installed."""
    return importlib.util.find_spec('av') is not None


class Encoder(Protocol):
    """Writes frames of one size to a file."""

    def write(self, frame: NDArray[np.uint8], seconds: float | None) -> None:
        """Append a BGR frame (H, W, 3), shown at ``seconds`` or one period after the last one."""

    def close(self) -> None:
        """Write what is left, and close the file."""


class H264Encoder:
    """H.264 (4:2:0, BT.709) in an MP4 whose index is in front, so that it plays while it loads.

    Args:
        path: File to write.
        rate: Frames per second.
        size: Width and height of the frames, even numbers.
        is_timed: The frames come with times.
    """

    def __init__(self, path: Path, rate: float, size: tuple[int, int], is_timed: bool) -> None:
        import av

        fraction = Fraction(rate).limit_denominator(1001)  # 29.97… is 30000/1001
        self.base = Fraction(1, TICKS) if is_timed else 1 / fraction
        self.next = 0
        self.container = av.open(str(path), 'w', options={'movflags': '+faststart'})
        self.stream: Any = self.container.add_stream('libx264', rate=fraction, options=QUALITY)
        self.stream.width, self.stream.height = size
        self.stream.pix_fmt = 'yuv420p'
        codec = self.stream.codec_context
        codec.time_base = self.base
        codec.colorspace = codec.color_primaries = codec.color_trc = BT709
        codec.color_range = 1  # 16 to 235

    def write(self, frame: NDArray[np.uint8], seconds: float | None) -> None:
        """See ``Encoder``."""
        from av import VideoFrame

        picture = VideoFrame.from_ndarray(frame, format='bgr24')
        picture = picture.reformat(format='yuv420p', dst_colorspace=BT709)
        pts = self.next if seconds is None else max(self.next, round(seconds * TICKS))
        picture.pts, picture.time_base = pts, self.base
        self.next = pts + 1
        for packet in self.stream.encode(picture):
            self.container.mux(packet)

    def close(self) -> None:
        """See ``Encoder``."""
        try:
            for packet in self.stream.encode():
                self.container.mux(packet)
        finally:
            self.container.close()


class MPEG4Encoder:
    """OpenCV's MPEG-4 Part 2 at a constant rate; arguments as for ``H264Encoder``."""

    def __init__(self, path: Path, rate: float, size: tuple[int, int]) -> None:
        backend: Any = cv2  # the types of OpenCV lack VideoWriter_fourcc
        codec = backend.VideoWriter_fourcc(*'mp4v')
        self.path, self.num_written = path, 0
        self.writer = cv2.VideoWriter(str(path), codec, rate, size)

    def write(self, frame: NDArray[np.uint8], seconds: float | None) -> None:
        """See ``Encoder``; the time is ignored."""
        with quiet_opencv():
            self.writer.write(frame)
        self.num_written += 1

    def close(self) -> None:
        """See ``Encoder``.

        Raises:
            OSError: If frames are missing: OpenCV does not report errors of writing.
        """
        with quiet_opencv():
            self.writer.release()
        found = open_capture(str(self.path)).get(cv2.CAP_PROP_FRAME_COUNT)
        if found < self.num_written - 1:
            raise OSError(errno.EIO, 'is the disk full?')


class VideoWriter(AbstractContextManager):
    """Write an MP4 under a temporary name; ``finish`` gives it its own.

    Without ``finish``, the end of the ``with`` block removes it. Makes the folder. Both codecs
    store colours at half the size: at an odd side, the last row or column is repeated.

    Args:
        path: File to write or replace.
        rate: Frames per second.

    Attributes:
        num_written: Number of frames.

    Raises:
        OutputError: If the folder cannot be made.
    """

    def __init__(self, path: Path, rate: float) -> None:
        self.path, self.rate = path, rate
        self.temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp.mp4')
        self.encoder: Encoder | None = None
        self.num_written = 0
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)

    def __exit__(self, *_error: object) -> None:
        if self.encoder is not None:
            with suppress(Exception):  # its file is removed
                self.encoder.close()
        self.temporary.unlink(missing_ok=True)

    def write(self, frame: NDArray[np.uint8], seconds: float | None = None) -> None:
        """Append a frame.

        Args:
            frame: BGR (H, W, 3); all have the size of the first one.
            seconds: When it is shown, for the frames of a camera; by default one period after the
                last one. MPEG-4 ignores it.

        Raises:
            OutputError: If it cannot be written.
        """
        height, width = frame.shape[:2]
        even = cv2.copyMakeBorder(frame, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        with writing(self.path):
            if self.encoder is None:
                self.encoder = self.open((even.shape[1], even.shape[0]), seconds is not None)
            self.encoder.write(np.asarray(even, np.uint8), seconds)
        self.num_written += 1

    def open(self, size: tuple[int, int], is_timed: bool) -> Encoder:
        """The best encoder that is installed."""
        if has_h264():
            return H264Encoder(self.temporary, self.rate, size, is_timed)
        return MPEG4Encoder(self.temporary, self.rate, size)

    def finish(self) -> None:
        """Give the file its name; a video without a frame is not written.

        Raises:
            OutputError: If frames cannot be written.
        """
        if self.encoder is None:
            return
        encoder, self.encoder = self.encoder, None
        with writing(self.path):
            encoder.close()
            os.replace(self.temporary, self.path)
