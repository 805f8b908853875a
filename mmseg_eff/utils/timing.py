"""Call functions in turn and time them."""

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

Result = TypeVar('Result')


def in_turn(functions: Mapping[str, Callable[[], Result]], repeats: int) -> dict[str, list[Result]]:
    """What functions return, called in turn; the first turn is the warm-up and left out."""
    results: dict[str, list[Result]] = {name: [] for name in functions}
    for repeat in range(repeats + 1):
        for name, function in functions.items():
            result = function()
            if repeat:
                results[name].append(result)
    return results


def seconds_of(function: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin
