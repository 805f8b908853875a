"""The one error that a tool shows as a single line."""


class InputError(ValueError):
    """Wrong input: the message names the file, the value and what is allowed."""
