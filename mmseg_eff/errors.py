"""User errors, printed in one line."""


class InputError(ValueError):
    """Wrong input: the message names the file, the value and what is allowed."""


class OutputError(InputError, OSError):
    """A file that cannot be written: the message names it and the system's reason, ``strerror``."""

    def __str__(self) -> str:
        return str(self.args[0])


class MissingFileError(InputError, FileNotFoundError):
    """A file that is not there: callers of mmengine and mmseg expect ``FileNotFoundError``."""
