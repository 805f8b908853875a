"""Check numbers that a caller gives."""

from ..errors import InputError


def check_at_least(least: int, **numbers: int) -> None:
    """Refuse the first number below ``least``.

    Raises:
        InputError: It names the argument, the minimum and the value.
    """
    for name, number in numbers.items():
        if number < least:
            raise InputError(f'{name} must be {least} or more, got {number}')
