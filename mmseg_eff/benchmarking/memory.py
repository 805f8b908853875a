"""Peak memory of a network, measured in a process of its own."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import torch

from ..utils.printing import quiet_warnings
from ..utils.signals import follow_parent
from .stages import Candidate, load_candidate, run_once


def peak_memory(
    candidate: Candidate, images: Sequence[Path], threads: int, keep_size: bool
) -> float:
    """Most memory (MB, resident) that a network takes beyond the libraries, in a new process."""
    spawn = get_context('spawn')
    with ProcessPoolExecutor(1, spawn, initializer=follow_parent) as pool:
        return pool.submit(measure_peak, candidate, images, threads, keep_size).result()


def measure_peak(
    candidate: Candidate, images: Sequence[Path], threads: int, keep_size: bool
) -> float:
    """``peak_memory`` of this process, which must be a new one. Linux only."""
    quiet_warnings()
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    before = resident('VmRSS')
    segmentor, clock = load_candidate(candidate, threads, keep_size)
    with TemporaryDirectory() as folder:
        for image in [*images, images[0]]:
            run_once(segmentor, clock, image, Path(folder, 'labels.png'))
    return resident('VmHWM') - before


def resident(key: str) -> float:
    """A line of ``/proc/self/status`` in MB; a child's ``ru_maxrss`` would include its parent's."""
    lines = Path('/proc/self/status').read_text().splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith(key))
    return int(kilobytes) / 1e3
