"""Read what a self-training has recorded, and refuse other settings than it began with."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from ..errors import InputError
from ..utils.json_files import read_json


def read_state(path: Path) -> dict:
    """The content of ``state.json``.

    Raises:
        InputError: If it is not that of a chain.
    """
    state = read_json(path)
    try:
        is_state = isinstance(state['options'], dict) and all(
            isinstance(record['finished'], bool)
            and isinstance(record['seconds'] + record['cpu_seconds'], int | float)
            for record in state['stages'].values()
        )
    except (AttributeError, LookupError, TypeError):
        is_state = False
    if not is_state:
        raise InputError(f'{path}: no state of a chain; choose another work dir')
    return state


def refuse_changes(path: Path, old: Mapping[str, object], new: Mapping[str, object]) -> None:
    """Compare settings with those of a file.

    Args:
        path: The file.
        old: Its settings.
        new: The settings of now.

    Raises:
        InputError: If they differ; the message names the first setting that does.
    """
    before, now = dict(flatten(old)), dict(flatten(new))
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            raise InputError(
                f'{path}: the chain began with {name}={before.get(name)!r}, now it is '
                f'{now.get(name)!r}; choose another work dir'
            )


def flatten(value: object, name: str = '') -> Iterator[tuple[str, object]]:
    """The settings in a config, each by its name as in ``--cfg-options``."""
    if not (isinstance(value, Mapping | list | tuple) and value):
        yield name, value
        return
    for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
        yield from flatten(item, f'{name}.{key}' if name else str(key))
