"""Every tool that writes, on a bad day: full disk, read-only folder, SIGKILL, SIGTERM, Ctrl-C.

``python tests/test_bad_days.py`` prints a table of exit status, message, what is left in the output
folder, and what the same command does afterwards; ``pytest -m slow`` checks it. Tools run in forks
of one process, so that the imports are paid once.
"""

import importlib
import json
import os
import re
import resource
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import BinaryIO, NamedTuple

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from mmseg_eff.converters import save_checkpoint
from mmseg_eff.datasets import make_toy_street

sys.path.insert(0, str(Path(__file__).parent))
from helpers import TINY, official

ROOT = Path(__file__).parent.parent
LEAF = 'configs/espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'
MAX_BYTES = 64  # of a file on the full disk
SIGNALS = ('SIGKILL', 'SIGTERM', 'SIGINT')
DAYS = ('full disk', 'read-only', *SIGNALS)
STATUS = {'full disk': 1, 'read-only': 1, 'SIGKILL': -9, 'SIGTERM': 143, 'SIGINT': 130}
REASONS = {
    'full disk': r'\((No space left on device|File too large)\)',
    'read-only': r'\((Read-only file system|Permission denied)\)',
}
MOUNTED = {'full disk': 'size=8k', 'read-only': 'ro'}  # options, where mounting is permitted
BALLAST = 'ballast'  # which fills the disk for tools that write a single small file
MANY = (
    'convert_labels coco',
    'convert_labels voc',
    'predict',
    'predict --tile',
    'pseudo_label',
    'test --out',
)
PROGRESS = re.compile('━|-:--:--|it/s')
PATIENCE = 120  # seconds for a tool


class Row(NamedTuple):
    """What a tool did on a bad day.

    Attributes:
        status: Exit status, negative for a signal; ``None`` if it was done before the signal came.
        message: All lines on stderr but progress bars.
        left: Files of the output folder, relative to it.
        rerun: Exit status of the same command on a good day, and whether all files are then as if
            nothing had happened.
    """

    tool: str
    day: str
    status: int | None
    message: str
    left: list[str]
    rerun: tuple[int, bool]


def prepare(folder: Path) -> dict[str, tuple[str, list[str]]]:
    """Write the inputs, and give the module and the arguments of each tool; ``out/`` is theirs."""
    make_toy_street(folder / 'toystreet', num_train=4, num_val=12, size=(64, 128))
    config = Config.fromfile(ROOT / LEAF)
    options = dict(item.split('=', 1) for item in TINY)
    config.merge_from_dict({key: eval(value) for key, value in options.items()})
    for split in ('train', 'val', 'test'):
        config[f'{split}_dataloader'].dataset.data_root = str(folder / 'toystreet')
    config.dump(folder / 'config.py')
    init_default_scope('mmseg')
    model = MODELS.build(config.model)
    save_checkpoint(dict(state_dict=model.state_dict(), meta={}), folder / 'weights.pth')
    torch.save(official(1, 12, 19), folder / 'official.pth')
    logs = folder / 'work/0/vis_data'
    logs.mkdir(parents=True)
    (logs / 'scalars.json').write_text('{"loss": 1.5, "step": 1}\n{"mIoU": 40.0, "step": 1}\n')
    write_coco(folder / 'coco.json')
    write_voc(folder / 'voc')
    images = str(folder / 'toystreet/images/val')
    config, weights = str(folder / 'config.py'), str(folder / 'weights.pth')
    out = str(folder / 'out')
    tile = ['--tile', '64', '--overlap', '0']
    return {
        'check_dataset': ('check_dataset', [config, '--out', out, '--workers', '1']),
        'class_weights': ('class_weights', [config, '--out', f'{out}/weights.json']),
        'complexity': ('complexity', [config, '--json', f'{out}/figures.json']),
        'convert_labels coco': ('convert_labels', ['coco', str(folder / 'coco.json'), f'{out}/c']),
        'convert_labels voc': ('convert_labels', ['voc', str(folder / 'voc'), f'{out}/v']),
        'convert_weights': (
            'convert_weights',
            ['espnet', str(folder / 'official.pth'), f'{out}/w.pth'],
        ),
        'plot_curves': ('plot_curves', [str(folder / 'work'), '--out', f'{out}/curves.png']),
        'predict': ('predict', [config, weights, images, '--out', out]),
        'predict --tile': ('predict', [config, weights, images, '--out', out, *tile]),
        'pseudo_label': ('pseudo_label', [config, weights, images, '--out', out]),
        'test --out': ('test', [config, weights, '--out', out, '--work-dir', str(folder / 'log')]),
    }


def write_coco(path: Path) -> None:
    """Instance annotations of 40 images, one box each."""
    box = [[4, 4, 90, 4, 90, 70, 4, 70]]
    content = dict(
        images=[dict(id=i, file_name=f'{i}.jpg', height=200, width=300) for i in range(40)],
        annotations=[dict(id=i, image_id=i, category_id=1, segmentation=box) for i in range(40)],
        categories=[dict(id=1, name='crack')],
    )
    path.write_text(json.dumps(content))


def write_voc(folder: Path) -> None:
    """40 labels of VOC."""
    folder.mkdir()
    for index in range(40):
        cv2.imwrite(str(folder / f'{index}.png'), np.full((200, 300), index % 21, np.uint8))


def mount(out: Path, options: str) -> bool:
    """Mount a file system of its own, or mount it anew; false where this is not permitted."""
    command = ['mount', '-t', 'tmpfs', '-o', options, 'tmpfs', str(out)]
    return subprocess.run(command, capture_output=True).returncode == 0


def break_disk(tool: str, day: str, out: Path) -> str:
    """Make the output folder full or read-only, and say how."""
    if day not in MOUNTED:
        return ''
    if mount(out, MOUNTED[day]):
        if day == 'full disk' and tool not in MANY:
            (out / BALLAST).write_bytes(bytes(8192))
        return 'mount'
    if day == 'full disk':
        return 'limit'
    out.chmod(0o555)
    return 'chmod'


def mend_disk(how: str, out: Path) -> None:
    """Make room, or let the folder be written to again."""
    if how == 'mount':
        assert mount(out, 'remount,rw,size=64m')
        (out / BALLAST).unlink(missing_ok=True)
    elif how == 'chmod':
        out.chmod(0o755)


def limit_files(module: ModuleType) -> None:
    """Let files of this process grow no larger than ``MAX_BYTES``, once its config is read."""

    def limit() -> None:  # Python ignores SIGXFSZ
        resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_BYTES, MAX_BYTES))

    names = [name for name in ('load_config', 'read_runner_config_of') if hasattr(module, name)]
    for name in names:
        load = getattr(module, name)
        setattr(module, name, lambda args, load=load: (load(args), limit())[0])
    if not names:
        limit()


def run(
    module: str, arguments: list[str], day: str, out: Path, after: float, is_limited: bool = False
) -> tuple[int | None, str]:
    """Run a tool in a fork, with a signal as soon as it has written something, or late.

    Args:
        after: Seconds until the signal, if nothing is written.
        is_limited: See ``limit_files``.

    Returns:
        The exit status, ``None`` if it ended before the signal, and what it wrote to stderr.
    """
    read, write = os.pipe()  # which no limit of files concerns
    with open(read, 'rb') as stderr, open(os.devnull, 'wb') as stdout:
        begin, pid = time.monotonic(), os.fork()
        if not pid:
            run_in_child(module, arguments, is_limited, stdout.fileno(), write)
        os.close(write)
        sent = False
        while (ended := os.waitpid(pid, os.WNOHANG)) == (0, 0):
            seconds = time.monotonic() - begin
            if seconds > PATIENCE:
                os.kill(pid, signal.SIGKILL)
            elif day in SIGNALS and not sent and (seconds > after or written(out)):
                os.kill(pid, getattr(signal, day))
                sent = True
            time.sleep(0.001)
        lines = [line for line in rest_of(stderr).split('\n') if line.strip(' \r\x1b[?25hl')]
    status = os.waitstatus_to_exitcode(ended[1])
    message = '\n'.join(line for line in lines if not PROGRESS.search(line))
    return (None if day in SIGNALS and status == 0 else status), message


def rest_of(pipe: BinaryIO) -> str:
    """What was written to a pipe, and a line if a process goes on that could write to it."""
    os.set_blocking(pipe.fileno(), False)
    text, begin = b'', time.monotonic()
    while (more := pipe.read()) != b'':
        text += more or b''
        if time.monotonic() - begin > 20:
            return text.decode() + '\na child process is left'
        time.sleep(0.01)
    return text.decode()


def run_in_child(module: str, arguments: list[str], is_limited: bool, *streams: int) -> None:
    """The part of ``run`` in the fork; does not return."""
    status = 99
    try:
        for number, stream in enumerate(streams, 1):
            os.dup2(stream, number)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, runpy.run_path(str(ROOT / 'tools/train.py'))['stop'])
        tool = importlib.import_module(f'mmseg_eff.commands.{module}')
        if is_limited:
            limit_files(tool)
        status = tool.main(arguments)
        sys.stdout.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def written(out: Path) -> bool:
    """Whether there is a file in the output folder but the lock."""
    return any(path.is_file() and path.name != '.lock' for path in out.rglob('*'))


def content(out: Path) -> dict[str, bytes]:
    """Files of the output folder by their relative path."""
    return {
        str(path.relative_to(out)): path.read_bytes() for path in out.rglob('*') if path.is_file()
    }


def rows(folder: Path, tools: dict[str, tuple[str, list[str]]]) -> Iterator[Row]:
    """Try every tool on every day."""
    out = folder / 'out'
    for module, _ in tools.values():  # once, before the forks
        importlib.import_module(f'mmseg_eff.commands.{module}')
    for tool, (module, arguments) in tools.items():
        clean(out)
        begin = time.monotonic()
        status, message = run(module, arguments, 'good', out, PATIENCE)
        assert status == 0, message
        duration, whole = time.monotonic() - begin, content(out)
        for day in DAYS:
            clean(out)
            how = break_disk(tool, day, out)
            if how == 'chmod' and os.geteuid() == 0:  # whom it does not stop
                continue
            after = PATIENCE if tool in MANY else duration / 2
            status, message = run(module, arguments, day, out, after, how == 'limit')
            mend_disk(how, out)
            left = content(out)
            broken = [name for name, data in left.items() if whole.get(name, data) != data]
            again, _ = run(module, arguments, 'good', out, PATIENCE)
            is_same = comparable(content(out)) == comparable(whole)
            names = [f'{name} (half)' if name in broken else name for name in left]
            if how == 'mount':
                subprocess.run(['umount', str(out)], check=True)
            yield Row(tool, day, status, message, sorted(names), (again, is_same))


def comparable(files: dict[str, bytes]) -> dict[str, bytes]:
    """Files without those that hold a time."""
    return {name: data for name, data in files.items() if not name.endswith('.json')}


def clean(out: Path) -> None:
    """An empty output folder."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()


def table() -> list[Row]:
    """All rows, made in a temporary folder that everybody may read."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        return list(rows(folder, prepare(folder)))


@pytest.mark.slow
def test_every_tool_on_every_bad_day():
    command = [sys.executable, __file__, '--json']
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)}
    made = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found = [Row(*row) for row in json.loads(made.stdout.splitlines()[-1])]
    assert len({row.tool for row in found}) == 11 and len(found) >= 11 * (len(DAYS) - 1)
    for row in found:
        if row.status is not None:
            assert row.status == STATUS[row.day], row
            lines = [line for line in row.message.split('\n') if not line.startswith('skipped')]
            assert 'Traceback' not in row.message, row
            assert len(lines) == (0 if row.day == 'SIGKILL' else 1) or row.day == 'SIGKILL', row
            assert re.search(REASONS.get(row.day, ''), row.message), row
        assert not any('(half)' in name for name in row.left), row
        if row.day != 'SIGKILL':
            assert not any(name.rpartition('/')[2].startswith('.') for name in row.left), row
        assert tuple(row.rerun) == (0, True), row


if __name__ == '__main__':
    torch.set_num_threads(1)
    made = table()
    if '--json' in sys.argv:
        print(json.dumps(made))
    else:
        print('| tool | day | status | message | left | rerun |\n|---|---|--:|---|---|---|')
        for row in made:
            left = ', '.join(row.left[:3]) + (f' … ({len(row.left)})' if len(row.left) > 3 else '')
            again = f'{row.rerun[0]}, {"same files" if row.rerun[1] else "OTHER FILES"}'
            status = 'done before' if row.status is None else row.status
            message = row.message.replace('\n', ' ⏎ ')[-200:]
            print(
                '|',
                ' | '.join((row.tool, row.day, f'{status}', message, left or 'nothing', again)),
                '|',
            )
