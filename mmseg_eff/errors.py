"""The one error that a tool shows as a single line, and lines that two parts share."""

from collections.abc import Sequence


class InputError(ValueError):
    """Wrong input: the message names the file, the value and what is allowed."""


class OutputError(InputError, OSError):
    """A file that cannot be written: the message names it and the system's reason, ``strerror``."""

    def __str__(self) -> str:
        return str(self.args[0])


class MissingFileError(InputError, FileNotFoundError):
    """A file that is not there: callers of mmengine and mmseg expect ``FileNotFoundError``."""


def out_of_range(labels: Sequence[int], num_classes: int, ignore_index: int) -> str:
    """The line on labels that are neither a class nor ignored; it names eight."""
    classes = f'0 to {num_classes - 1}' if num_classes > 1 else '0'
    ignored = f'{ignore_index} (ignored)'
    if ignore_index in range(num_classes):
        ignored = f'of these {ignore_index} is ignored'
    return (
        f'label value {", ".join(map(str, labels[:8]))} out of range; allowed are {classes} and '
        f'{ignored}'
    )
