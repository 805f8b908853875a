"""The one error that a tool shows as a single line, and lines that two parts share."""

from collections.abc import Sequence


class InputError(ValueError):
    """Wrong input: the message names the file, the value and what is allowed."""


class MissingFileError(InputError, FileNotFoundError):
    """A file that is not there: callers of mmengine and mmseg expect ``FileNotFoundError``."""


def out_of_range(labels: Sequence[int], num_classes: int, ignore_index: int) -> str:
    """The line on labels that are neither a class nor ignored; it names eight."""
    return (
        f'label value {", ".join(map(str, labels[:8]))} out of range; allowed are 0 to '
        f'{num_classes - 1} and {ignore_index} (ignored)'
    )
