"""Print tables and progress with text that comes from configs and files."""

from rich.console import Console


def console(*, stderr: bool = False, width: int | None = None) -> Console:
    """A console that prints text as it is: in a class named ``[/b]``, rich would see a tag."""
    return Console(stderr=stderr, width=width, markup=False, emoji=False)
