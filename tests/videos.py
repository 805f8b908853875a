"""Small videos for tests."""

from pathlib import Path

import cv2
import numpy as np


def make_video(path: Path, frames: int = 3, size: tuple[int, int] = (64, 48)) -> Path:
    """Write a video of grey frames (width, height), each brighter by 60."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), 5, size)
    for index in range(frames):
        writer.write(np.full((size[1], size[0], 3), 60 * index, np.uint8))
    writer.release()
    return path
