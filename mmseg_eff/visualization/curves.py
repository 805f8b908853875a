"""Read the logged values of a training and draw them."""

import json
import re
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ..engine.hooks.run_record_hook import NAME as RUN_RECORD
from ..errors import InputError
from ..utils.atomic_io import remove_leftovers, replacing
from ..utils.file_limit import check_file
from ..utils.json_files import read_json

FARTHEST = 2**53  # steps; larger ones are no longer whole as floating-point numbers

SMOOTH = 5  # logged values in the running mean of the loss


def read_scalars(work_dir: Path) -> list[dict]:
    """What mmengine logged of the newest training in a work dir, one dict a line.

    A training that was resumed begins with what earlier starts logged up to its first iteration.
    Starts that trained nothing, such as a test, are left out. Where validations are numbered by
    epoch, their ``step`` becomes the iteration that was logged last.

    Raises:
        InputError: If there is no log, or it holds no loss yet.
    """
    files = sorted(work_dir.glob('*/vis_data/scalars.json'))
    if not files:
        raise InputError(f'{work_dir}: holds no */vis_data/scalars.json of a training run')
    begins = recorded_begins(work_dir)
    scalars: list[dict] = []
    for file in files:
        lines = read_start(file)
        if not any('loss' in line for line in lines):
            continue
        begin = lines[0]['step'] - 1 if was_resumed(file.with_name('config.py')) else 0
        begin = begins.get(file.parent.parent.name, begin)
        scalars = [line for line in scalars if line['step'] <= begin] + lines
    if not scalars:
        raise InputError(f'{work_dir}: its log holds no loss yet')
    return scalars


def read_start(file: Path) -> list[dict]:
    """The lines of one start of a training, by iteration.

    Raises:
        InputError: If one is no JSON or no log; the last may be cut, where the training was killed.
    """
    check_file(file)
    texts = file.read_text(errors='replace').splitlines()
    lines, last = [], 0
    for number, text in enumerate(texts, 1):
        try:
            line = json.loads(text)
        except (ValueError, RecursionError) as error:
            if number == len(texts):
                break
            raise InputError(f'{file}:{number}: not a line of JSON: {text[:40]!r}') from error
        if not is_logged(line):
            raise InputError(f'{file}:{number}: not a line of a log: {text[:40]!r}')
        if 'loss' in line:
            last = line['step']
        lines.append({**line, 'step': max(line['step'], last)})
    return lines


def is_logged(line: object) -> bool:
    """Whether a line of JSON is one of mmengine's log: a step, and numbers where they are drawn."""
    if not isinstance(line, dict) or type(line.get('step')) is not int:
        return False
    values = [line.get(name, 0) for name in ('loss', 'mIoU')]
    return abs(line['step']) < FARTHEST and all(type(value) in (int, float) for value in values)


def was_resumed(config: Path) -> bool:
    """Whether a start's config says that it went on from a checkpoint; true if that is unknown."""
    text = config.read_text(errors='replace') if config.is_file() else ''
    return not re.search('^resume = False', text, re.MULTILINE)


def recorded_begins(work_dir: Path) -> dict[str, int]:
    """The iteration that each start began after, by its time, as far as ``RunRecordHook`` ran."""
    path = work_dir / RUN_RECORD
    records = read_json(path, list) if path.is_file() else []
    try:
        return {record['started']: int(record['iteration']) for record in records}
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f'{path}: is no record of trainings ({error!r})') from error


def draw_curves(work_dir: Path, out: Path | None = None, title: str = '') -> Path:
    """Draw loss and mIoU of the newest training in a work dir.

    Args:
        work_dir: Work dir of the training.
        out: PNG to write; ``curves.png`` in the work dir by default.
        title: Title of the picture.

    Returns:
        The PNG.

    Raises:
        InputError: See ``read_scalars``.
    """
    path = out or work_dir / 'curves.png'
    plot_curves(read_scalars(work_dir), path, title)
    return path


def plot_curves(scalars: list[dict], path: Path, title: str) -> None:
    """Write a PNG with loss and mIoU over the iterations."""
    loss = np.array([(line['step'], line['loss']) for line in scalars if 'loss' in line])
    miou = np.array([(line['step'], line['mIoU']) for line in scalars if 'mIoU' in line])
    figure = Figure(figsize=(7, 4), dpi=110, layout='constrained')
    left = figure.subplots()
    left.plot(*loss.T, color='tab:red', alpha=0.25)
    window = min(SMOOTH, len(loss))
    mean = [np.convolve(column, np.ones(window) / window, 'valid') for column in loss.T]
    left.plot(*mean, color='tab:red')
    left.set(xlabel='iteration', ylabel='training loss', ylim=(0, None))
    left.set_title(title, parse_math=False)
    left.yaxis.label.set_color('tab:red')
    if len(miou):
        right = left.twinx()
        right.plot(*miou.T, 'o-', color='tab:blue', markersize=4)
        right.set(ylabel='validation mIoU [%]', ylim=(0, 100))
        right.yaxis.label.set_color('tab:blue')
        step, best = miou[miou[:, 1].argmax()]
        right.annotate(
            f'{best:.2f}', (step, best), xytext=(0, 8), textcoords='offset points', ha='center'
        )
    remove_leftovers(path.parent)
    with replacing(path) as temporary:
        figure.savefig(temporary, format='png')
