"""Read a video frame by frame, and write one."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, OutputError
from ..utils.atomic_io import writing

DEFAULT_RATE = 25.0  # frames per second of a video that does not say


class Video(AbstractContextManager):
    """A video file; closed at the end of a ``with`` block.

    Args:
        path: The file.

    Attributes:
        num_frames: Number of frames according to the container, which may be off by some.
        rate: Frames per second.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.capture = cv2.VideoCapture(str(path))
        self.num_frames = int(self.capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.rate = self.capture.get(cv2.CAP_PROP_FPS) or DEFAULT_RATE
        self.num_read = 0

    def __exit__(self, *_error: object) -> None:
        self.capture.release()

    def frames(self) -> Iterator[NDArray[np.uint8]]:
        """BGR frames (H, W, 3), as many as can be decoded."""
        while (frame := self.capture.read()[1]) is not None:
            self.num_read += 1
            yield np.asarray(frame, np.uint8)

    def check_complete(self) -> None:
        """Check, after the last frame, that there were as many as the container says.

        Raises:
            InputError: If a percent of the frames or more is missing, or there is none.
        """
        if self.num_read < max(1, 0.99 * self.num_frames - 1):
            raise InputError(
                f'{self.path}: only {self.num_read} of {self.num_frames} frames could be decoded'
            )


class VideoWriter(AbstractContextManager):
    """Write an MP4 under a temporary name; ``finish`` gives it its own.

    Without ``finish``, the end of the ``with`` block removes it. Makes the folder.

    Args:
        path: File to write or replace.
        rate: Frames per second.
    """

    def __init__(self, path: Path, rate: float) -> None:
        self.path, self.rate = path, rate
        self.temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp.mp4')
        self.writer: cv2.VideoWriter | None = None
        self.num_written = 0
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)

    def __exit__(self, *_error: object) -> None:
        if self.writer is not None:
            self.writer.release()
        self.temporary.unlink(missing_ok=True)

    def write(self, frame: NDArray[np.uint8]) -> None:
        """Append a BGR frame (H, W, 3); all have the size of the first one."""
        if self.writer is None:
            height, width = frame.shape[:2]
            backend: Any = cv2  # the types of OpenCV lack VideoWriter_fourcc
            codec = backend.VideoWriter_fourcc(*'mp4v')
            self.writer = cv2.VideoWriter(str(self.temporary), codec, self.rate, (width, height))
        self.writer.write(frame)
        self.num_written += 1

    def finish(self) -> None:
        """Give the file its name; a video without a frame is not written.

        Raises:
            OutputError: If frames are missing: OpenCV does not report errors of writing.
        """
        if self.writer is None:
            return
        self.writer.release()
        found = cv2.VideoCapture(str(self.temporary)).get(cv2.CAP_PROP_FRAME_COUNT)
        if found < self.num_written - 1:
            raise OutputError(f'{self.path}: cannot be written (is the disk full?)')
        os.replace(self.temporary, self.path)
