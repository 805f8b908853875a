"""What the benchmarks share: functions timed in turn in one process, and a count of operators."""

import statistics
from collections.abc import Callable, Mapping
from functools import partial

from torch.utils._python_dispatch import TorchDispatchMode

from mmseg_eff.benchmarking.timing import take_turns
from mmseg_eff.utils.timing import seconds_of

VIEWS = ('alias', 'detach', 'expand', 'permute', 'select', 'slice', 't', 'unsqueeze', 'view')


def interleaved(
    functions: Mapping[str, Callable[[], object]], *, repeats: int, threads: int
) -> dict[str, float]:
    """Median seconds of each function, called in turn (``take_turns``).

    Prints the threads and the machine's load, which a ratio should be read with.
    """
    calls = {name: partial(seconds_of, function) for name, function in functions.items()}
    turns = take_turns(calls, repeats=repeats, threads=threads)
    print(turns.conditions)
    return {name: statistics.median(values) for name, values in turns.results.items()}


class CallCounter(TorchDispatchMode):
    """Counts operator calls; views do nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.calls += func._opname not in VIEWS
        return func(*args, **(kwargs or {}))
