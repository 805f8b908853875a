"""A network in a warm process of its own, which times its images and knows its peak memory.

The processes are forked from one that has imported the libraries and run nothing, so a network is
ready in the time that it takes to load, and what it takes beyond the libraries can be told.
"""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import cv2
import torch

from ..datasets.image_reader import LabelsImages
from ..deploy.backends import find_backend
from ..deploy.engines import EngineMissing, import_quietly
from ..deploy.runtime_checks import REPORT, read_report
from ..utils.printing import quiet_warnings
from ..utils.signals import follow_parent
from .memory import resident
from .stages import Candidate, Clock, load_candidate, run_once


class Loaded(NamedTuple):
    """The network of this process.

    Attributes:
        segmentor, clock: See ``load_candidate``.
        libraries: Resident memory before it was loaded, in MB.
    """

    segmentor: LabelsImages
    clock: Clock
    libraries: float


class Facts(NamedTuple):
    """What a process knows of its network.

    Attributes:
        engine, input_shape: See ``Clock``.
        memory: Peak of the resident memory beyond the libraries, in MB.
    """

    engine: str
    input_shape: tuple[int, int] | None
    memory: float


class Worker:
    """A process that holds a network. Linux only.

    Args:
        candidate: Config or exported folder.
        threads: Threads of torch, OpenCV and the engine.
        keep_size: Leave what resizes the image out of the config's pipeline.

    Raises:
        InputError: See ``load_candidate``.
    """

    def __init__(self, candidate: Candidate, threads: int, keep_size: bool) -> None:
        context = get_context('forkserver')
        context.set_forkserver_preload([__name__])
        self.pool = ProcessPoolExecutor(1, context, initializer=follow_parent)
        try:
            self.pool.submit(load, candidate, threads, keep_size).result()
        except BaseException:
            self.close()
            raise

    def run(self, image: Path, out: Path) -> dict[str, float]:
        """Segment a file into another; seconds by stage."""
        return self.pool.submit(run, image, out).result()

    def facts(self) -> Facts:
        """What there is to tell after the runs."""
        return self.pool.submit(facts).result()

    def close(self) -> None:
        """End the process."""
        self.pool.shutdown(cancel_futures=True)


loaded: list[Loaded] = []  # in a worker's process: its network


def load(candidate: Candidate, threads: int, keep_size: bool) -> None:
    """Load the network of this process."""
    quiet_warnings()
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    if candidate.is_export:
        with suppress(OSError, ValueError, KeyError, EngineMissing, ImportError):
            report = read_report(Path(candidate.path, REPORT))  # whose faults ``load_export`` tells
            import_quietly(find_backend(report['backend']).ENGINE)
    libraries = resident('VmRSS')
    loaded[:] = [Loaded(*load_candidate(candidate, threads, keep_size), libraries)]


def run(image: Path, out: Path) -> dict[str, float]:
    """``Worker.run`` in its process."""
    ((segmentor, clock, _),) = loaded
    return run_once(segmentor, clock, image, out)


def facts() -> Facts:
    """``Worker.facts`` in its process."""
    ((_, clock, libraries),) = loaded
    return Facts(clock.engine, clock.input_shape, resident('VmHWM') - libraries)


def close_all(workers: Sequence[Worker]) -> None:
    """End the processes of workers."""
    for worker in workers:
        worker.close()
