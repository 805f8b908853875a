"""The one error that a tool shows as a single line."""


class InputError(ValueError):
    """Something the user gave is wrong: the message names the file, the value and what is allowed."""
