"""Find the checkpoint to resume from: that of ``last_checkpoint``, or the newest whole one.

What ``last_checkpoint`` and checkpoints hold may come from elsewhere, as in a copied folder.
"""

import logging
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from mmengine.hooks import CheckpointHook
from mmengine.logging import print_log
from mmengine.runner import Runner

from ..checkpoint import read_pth, reason_of
from ..errors import InputError
from ..utils.atomic_io import check_regular

LAST = 'last_checkpoint'
TEMPLATES = ('iter_{}.pth', 'epoch_{}.pth')
LONGEST = 4096  # characters of a path


class Checkpoint(NamedTuple):
    """A checkpoint file that is whole, and what it holds."""

    path: Path
    content: object


def examine(path: Path, *, mmap: bool = False) -> tuple[object, str]:
    """What a checkpoint holds, and what is wrong with it; empty if nothing is.

    Reads all of it: ``torch.save`` keeps a CRC-32 of each tensor, which ``torch.load`` ignores.

    Args:
        path: The file.
        mmap: Leave the tensors on the disk until they are used.
    """
    try:
        check_regular(path)
        return read_pth(path, mmap=mmap), ''
    except FileNotFoundError:
        return None, 'there is no such file'
    except InputError as error:  # no regular file
        return None, str(error).removeprefix(f'{path}: ')
    except Exception as error:  # damage can make the reader raise anything
        return None, f'{reason_of(error)} ({path.stat().st_size} bytes)'


def damage(path: Path) -> str:
    """What is wrong with a checkpoint; empty if nothing is."""
    return examine(path, mmap=True)[1]


def meta_of(path: Path) -> dict:
    """``meta`` of a checkpoint; empty if there is none or the file cannot be read."""
    checkpoint, _ = examine(path, mmap=True)
    meta = checkpoint.get('meta') if isinstance(checkpoint, dict) else None
    return meta if isinstance(meta, dict) else {}


def pattern_of(template: str) -> str:
    """A regular expression for the file names that ``template.format`` makes of a number."""
    return '([0-9]{1,18})'.join(map(re.escape, re.split(r'\{[^{}]*\}', template)))


def is_step(value: object) -> bool:
    """Whether a value is a number of iterations or epochs."""
    return type(value) is int and 0 <= value < 10**18


def number_in(name: str, template: str) -> int | None:
    """The number in a file's name that ``template.format`` made; ``None`` for another name."""
    match = re.fullmatch(pattern_of(template), name)
    return int(match[1]) if match and match.groups() else None


def folders_of(work_dir: str | Path, out_dir: str | Path | None = None) -> list[Path]:
    """The folders of a training's checkpoints: the work dir, and that of mmengine in ``out_dir``.

    Args:
        work_dir: The work dir.
        out_dir: ``CheckpointHook``'s argument.
    """
    folders = [Path(work_dir)]
    if out_dir and '://' not in str(out_dir) and Path(out_dir) != folders[0]:
        folders.insert(0, Path(out_dir, folders[0].name))
    return folders


def saved_in(folders: Sequence[Path], template: str | None = None) -> Iterator[Path]:
    """The checkpoints in some folders: those of the template, then others; newest first."""
    for name in dict.fromkeys((template or TEMPLATES[0], *TEMPLATES)):
        files = [file for folder in folders if folder.is_dir() for file in folder.iterdir()]
        numbers = [(number_in(file.name, name), file) for file in files]
        found = [(number, file) for number, file in numbers if number is not None]
        yield from (file for _, file in sorted(found, key=lambda item: item[0], reverse=True))


def named_by(work_dir: str | Path) -> str:
    """What ``last_checkpoint`` names; empty if nothing, or if it is no file of text."""
    path = Path(work_dir, LAST)
    if not path.is_file():
        return ''
    with path.open(errors='replace') as file:
        text = file.read(LONGEST).strip()
    return text if text.isprintable() else ''


def has_checkpoint(work_dir: str | Path, hook: dict) -> bool:
    """Whether there is something in a work dir to go on from, or that should be there.

    Args:
        work_dir: The work dir.
        hook: Config of its ``CheckpointHook``.
    """
    saved = saved_in(folders_of(work_dir, hook.get('out_dir')), hook.get('filename_tmpl'))
    return bool(named_by(work_dir)) or any(saved)


def find_checkpoint(
    work_dir: str | Path, folders: Sequence[Path], template: str | None = None
) -> Checkpoint | None:
    """The checkpoint to go on from, read; ``None`` where there is none at all.

    Says which one it is if that is not the one that ``last_checkpoint`` names, and why.

    Args:
        work_dir: Folder of ``last_checkpoint``.
        folders: See ``folders_of``.
        template: ``CheckpointHook``'s ``filename_tmpl``, for those that no file names.

    Raises:
        InputError: If what ``last_checkpoint`` names is damaged, or nothing that is there is whole.
    """
    last = Path(work_dir, LAST)
    path = settle(named_by(work_dir), last, folders)
    if path is not None and path.exists():
        return read_whole(path, folders, template)
    saved = list(saved_in(folders, template))
    for file in saved:
        content, damaged = examine(file)
        if damaged:
            say(f'{file}: skipped, {damaged}')
            continue
        reason = f'names {path}, which is not there' if path else 'names no checkpoint'
        say(f'{last}: {reason if last.exists() else "is not there"}; {file} is the newest whole')
        return Checkpoint(file, content)
    if saved:
        raise InputError(
            f'{work_dir}: none of its {len(saved)} checkpoints is whole; move them away to begin '
            'at iteration 0'
        )
    return None if path is None else read_whole(path, folders, template)


def settle(named: str, last: Path, folders: Sequence[Path]) -> Path | None:
    """The file that ``last_checkpoint`` means: that of its name in ``folders``, if there is one."""
    if not named:
        return None
    if '://' in named:
        say(f'{last}: names {named}, which is no local file')
        return None
    path = Path(named)
    if path.parent.resolve() in [folder.resolve() for folder in folders]:
        return path
    own = (folder / path.name for folder in folders)
    if copy := next((file for file in own if file.is_file()), None):
        say(f'{last}: names {path}, in another folder; {copy} is taken')
        return copy
    if path.exists():
        say(f'{last}: names {path}, in another folder, which is taken: here is none of that name')
    return path


def read_whole(path: Path, folders: Sequence[Path], template: str | None = None) -> Checkpoint:
    """Read a checkpoint to resume from.

    Args:
        path: The file.
        folders: See ``folders_of``.
        template: See ``find_checkpoint``.

    Raises:
        InputError: If it is damaged; names the newest whole one in ``folders``.
    """
    content, reason = examine(path)
    if not reason:
        return Checkpoint(path, content)
    others = [file for file in saved_in(folders, template) if file != path]
    whole = next((str(other) for other in others if not damage(other)), None)
    advice = f'load_from={whole} is whole' if whole else f'{folders[0]} has no other whole one'
    raise InputError(f'{path}: cannot be resumed from, {reason}; {advice}')


def say(text: str) -> None:
    """Warn, once for all processes."""
    print_log(text, logger='current', level=logging.WARNING)


def places_of(runner: Runner) -> tuple[list[Path], str | None]:
    """``folders_of`` a training and the template of its checkpoints, before it begins."""
    for hook in getattr(runner, 'hooks', []):
        if isinstance(hook, CheckpointHook):
            return folders_of(runner.work_dir, hook.out_dir), hook.filename_tmpl
    return folders_of(runner.work_dir), None
