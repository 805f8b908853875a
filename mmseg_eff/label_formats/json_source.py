"""Content of JSON files that are read to find their format, and not once more to read labels."""

from pathlib import Path
from typing import Any, NamedTuple

from ..utils.file_limit import DEFAULT
from ..utils.json_files import read_json


class Parsed(NamedTuple):
    """A JSON file and its content."""

    path: Path
    content: Any


def content_of(path: Path, parsed: Parsed | None, limit: int = DEFAULT) -> Any:
    """The content of a JSON file, ``parsed`` if that is the same file; see ``read_json``."""
    if parsed is not None and parsed.path == path:
        return parsed.content
    return read_json(path, object, limit)
