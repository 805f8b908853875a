"""Print tables and progress with text that comes from configs and files."""

import warnings

from rich.console import Console


def console(*, stderr: bool = False, width: int | None = None) -> Console:
    """A console that prints text as it is: in a class named ``[/b]``, rich would see a tag."""
    return Console(stderr=stderr, width=width, markup=False, emoji=False)


def quiet_warnings() -> None:
    """Hide the warnings that mmseg gives on every run whatever the user does."""
    for message in (
        '.*would be deprecated soon',
        '.*avg_non_ignore',
        '.*The draw is False',
        '.*is not a child of',
        '.*torch.jit.script. is deprecated',
        '.*the output would more aligned if',
    ):
        warnings.filterwarnings('ignore', message=message)
