"""What the benchmarks share: functions timed in turn in one process."""

import os
import statistics
import time
from collections.abc import Callable, Mapping

import torch


def interleaved(
    functions: Mapping[str, Callable[[], object]], *, repeats: int, threads: int
) -> dict[str, float]:
    """Median seconds of each function; they take turns, the first turn is the warm-up.

    Prints the threads and the machine's load, which a ratio should be read with.
    """
    torch.set_num_threads(threads)
    times = {name: [] for name in functions}
    for repeat in range(repeats + 1):
        for name, function in functions.items():
            begin = time.perf_counter()
            function()
            if repeat:
                times[name].append(time.perf_counter() - begin)
    print(f'{threads} threads, {repeats} repeats, load average {os.getloadavg()[0]:.2f}')
    return {name: statistics.median(values) for name, values in times.items()}
