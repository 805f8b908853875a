"""Time functions in turn with pinned threads."""

import os
from collections.abc import Callable, Mapping

import cv2
import torch

from ..utils.timing import Result, in_turn


def take_turns(
    functions: Mapping[str, Callable[[], Result]], *, repeats: int, threads: int
) -> dict[str, list[Result]]:
    """``in_turn`` with pinned threads.

    Prints the threads and the machine's load, which a ratio should be read with.
    """
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    before = os.getloadavg()[0]
    results = in_turn(functions, repeats)
    print(
        f'{threads} threads, {repeats} repeats, '
        f'load average {before:.2f} before, {os.getloadavg()[0]:.2f} after'
    )
    return results
