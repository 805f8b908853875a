"""What the benchmarks share: functions timed in turn in one process, and a count of operators."""

import os
import statistics
import time
from collections.abc import Callable, Mapping

import torch
from torch.utils._python_dispatch import TorchDispatchMode

VIEWS = ('alias', 'detach', 'expand', 'permute', 'select', 'slice', 't', 'unsqueeze', 'view')


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


class CallCounter(TorchDispatchMode):
    """Counts operator calls; views do nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.calls += func._opname not in VIEWS
        return func(*args, **(kwargs or {}))
