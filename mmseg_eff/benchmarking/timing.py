"""Time functions in turn with pinned threads."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic

import cv2
import torch

from ..utils.timing import Result, in_turn
from .machine import processor


@dataclass(frozen=True)
class Conditions:
    """What a measured time should be read with.

    Attributes:
        threads: Threads of torch and OpenCV.
        repeats: Timed calls of each function, at least.
        load_before: Load average of the machine's last minute before the calls.
        load_after: The same after them.
        processor: The machine's, see ``processor``.
    """

    threads: int
    repeats: int
    load_before: float
    load_after: float
    processor: str = field(default_factory=processor)

    def __str__(self) -> str:
        return (
            f'{self.threads} threads, {self.repeats} repeats, load average '
            f'{self.load_before:.2f} before, {self.load_after:.2f} after; {self.processor}'
        )


@dataclass(frozen=True)
class Turns(Generic[Result]):
    """Results of functions called in turn.

    Attributes:
        results: What each function returned, by name, without the first turn.
        conditions: What they were measured with.
    """

    results: dict[str, list[Result]]
    conditions: Conditions


def take_turns(
    functions: Mapping[str, Callable[[], Result]],
    *,
    repeats: int,
    threads: int,
    seconds: float = 0.0,
) -> Turns[Result]:
    """``in_turn`` with pinned threads."""
    with pinned(threads):
        before = os.getloadavg()[0]
        results = in_turn(functions, repeats, seconds)
    return Turns(results, Conditions(threads, repeats, before, os.getloadavg()[0]))


@contextmanager
def pinned(threads: int) -> Iterator[None]:
    """Let torch and OpenCV use a number of threads in the block."""
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])
