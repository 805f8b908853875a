"""Call functions in turn and time them."""

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

Result = TypeVar('Result')
MOST_TURNS = 50  # of a function that is faster than the others


def in_turn(
    functions: Mapping[str, Callable[[], Result]], repeats: int, seconds: float = 0.0
) -> dict[str, list[Result]]:
    """What functions return, called in turn; the first turn is the warm-up and left out.

    Args:
        functions: The functions by name.
        repeats: Turns of each function.
        seconds: Time for each function: those that took less go on in turn, up to ``MOST_TURNS``.
    """
    results: dict[str, list[Result]] = {name: [] for name in functions}
    spent = dict.fromkeys(functions, 0.0)

    def call(name: str) -> None:
        begin = time.perf_counter()
        results[name].append(functions[name]())
        spent[name] += time.perf_counter() - begin

    for function in functions.values():
        function()
    for _ in range(repeats):
        for name in functions:
            call(name)

    def is_fast(name: str) -> bool:
        turns = len(results[name])
        return turns < MOST_TURNS and spent[name] * (1 + 1 / turns) <= seconds

    while fast := [name for name in functions if repeats and is_fast(name)]:
        for name in fast:
            call(name)
    return results


def seconds_of(function: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin
