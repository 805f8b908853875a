"""Read JSON files, with an error for damaged ones and other types of content."""

import json
from pathlib import Path
from typing import Any

from ..errors import InputError
from .file_limit import check_file

LIMIT = 64  # MB; Python needs up to 30 times as much


def read_json(path: Path, kind: type = dict, limit: int = LIMIT) -> Any:
    """The content of a JSON file.

    Args:
        path: The file.
        kind: Type of the content.
        limit: See ``check_file``.

    Raises:
        InputError: If it is missing, no JSON or of another type, or see ``check_file``.
    """
    check_file(path, limit)
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InputError(f'{path}: not JSON ({error})') from error
    if not isinstance(content, kind):
        raise InputError(
            f'{path}: expected JSON of type {kind.__name__}, got {type(content).__name__}'
        )
    return content
