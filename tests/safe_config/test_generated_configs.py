"""Random configs: none runs, fetches or writes anything, and each is read or refused in one line.

``MMSEG_EFF_FUZZ_SECONDS`` is the time of the slow test, 60 by default.
"""

import os
import random
import resource
import time
from contextlib import suppress
from itertools import count

import pytest
from mmengine.registry import DATA_SAMPLERS, HOOKS, METRICS, VISBACKENDS, VISUALIZERS
from mmseg.registry import DATASETS, MODELS, OPTIM_WRAPPERS, RUNNERS, TRANSFORMS
from watch import watch

from mmseg_eff.errors import InputError
from mmseg_eff.safe_config.allowed_parts import ALLOWED, REASONS, SECTIONS, VARIABLES
from mmseg_eff.safe_config.keys import CHOICES, CLOSED, FETCHED, NAMED, TYPES, WRITTEN
from mmseg_eff.safe_config.reader import read_safe_config

SECONDS = float(os.environ.get('MMSEG_EFF_FUZZ_SECONDS', 60))
REGISTRIES = (
    *(DATASETS, MODELS, OPTIM_WRAPPERS, RUNNERS, TRANSFORMS),
    *(DATA_SAMPLERS, HOOKS, METRICS, VISBACKENDS, VISUALIZERS),
)
PARTS = sorted(name for names in ALLOWED.values() for name in names)
TOPS = (*sorted(SECTIONS | VARIABLES), 'compile', 'strategy', 'cfg', 'filename', 'text', 'free')
KEYS = sorted(
    {*TYPES, *CLOSED, *WRITTEN, *NAMED, *FETCHED, *(k.rpartition('.')[2] for k in CHOICES)}
)
KEYS += ['norm_cfg', 'act_cfg', 'padding', 'command', 'dataset', 'pipeline', 'transforms', 'args']
KEYS += ['in_channels', 'out_channels', 'kernel_size', 'ann_file', 'data_root', 'vis_backends']
HOSTILE = (
    *(
        'os.system',
        'subprocess.run',
        'builtins.eval',
        'torch.hub.load',
        'runpy.run_path',
        'pty.spawn',
    ),
    *('evil', 'evil.Net', 'antigravity', 'mmseg_eff.evil', 'mmengine.evil', '..evil', './evil.py'),
    *('http://198.51.100.1/a.pth', 's3://a/b', 'petrel://a', 'file:///etc/passwd', 'mmcls://x'),
    *('/tmp/elsewhere', '../up', 'a/../../up', '~/up', '{}/../{}', '{:99999999d}', 'work_dirs/x'),
    *('a.pkl', 'a.yaml', 'memcached', 'petrel', 'local', 'pickle', 'spawn', 'touch ran', '\\x00'),
    *('\\ud800', '\\x1b[31m', '$HOME', '{{ fileDirname }}', '{{$HOME:x}}', '__import__', 'é', ''),
)
CODE = (
    "__import__('os').system('touch ran')",
    "open('ran', 'w')",
    '().__class__.__base__.__subclasses__()',
    'dict.__init__.__globals__',
    "(lambda: print('ran'))()",
    "[x for x in open('ran', 'w')]",
    'f"{__import__(\'evil\')}"',
    "eval('1')",
    'exec',
    '_base_.__class__',
    'range.__class__',
    "'{0.__class__}'.format(1)",
    '(yield)',
    '(a := 1)',
    'dict(**_base_)',
)
STATEMENTS = (
    'import evil',
    'from evil import *',
    'def f():\n    pass',
    'class A: pass',
    'del model',
)
STATEMENTS += ('exec("1")', 'with open("ran", "w"): pass', 'assert open("ran", "w")', 'global x')
STATEMENTS += ('dict = 1', 'del model')
STATEMENTS += ('_base_ = "evil.py"', '_base_ = ["/etc/passwd"]', '_base_ = "config.py"')


class Grammar:
    """Draws the texts of configs."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def config(self) -> str:
        """A few assignments, now and then another statement."""
        pick = self.random
        lines = [f'{pick.choice(TOPS)} = {self.value(0)}' for _ in range(pick.randrange(1, 5))]
        if pick.random() < 0.1:
            lines.insert(pick.randrange(len(lines) + 1), pick.choice(STATEMENTS))
        text = '\n'.join(lines)
        if pick.random() < 0.1:  # damage
            position = pick.randrange(len(text))
            text = text[:position] + chr(pick.randrange(1, 1000)) + text[position + 1 :]
        return text

    def value(self, depth: int) -> str:
        """An expression; deeper ones are leaves."""
        pick = self.random
        if depth > 3 or pick.random() < 0.25:
            return self.leaf()
        kind = pick.randrange(8)
        if kind < 4:
            return f'dict({self.arguments(depth)})'
        if kind == 4:
            return f'[{", ".join(self.value(depth + 1) for _ in range(pick.randrange(4)))}]'
        if kind == 5:
            return f'{self.value(depth + 1)} {pick.choice("+-*/%@")} {self.value(depth + 1)}'
        if kind == 6:
            return f'[{self.value(depth + 1)} for i in range({pick.randrange(4)})]'
        return f'{self.value(depth + 1)}[{self.value(depth + 1)}]'

    def arguments(self, depth: int) -> str:
        """Keywords, mostly with a type."""
        pick = self.random
        given = {pick.choice(KEYS): self.value(depth + 1) for _ in range(pick.randrange(4))}
        if pick.random() < 0.6:
            given['type'] = repr(pick.choice(PARTS))
        return ', '.join(f'{key}={value}' for key, value in given.items())

    def leaf(self) -> str:
        """A constant, a name or a piece of code."""
        pick = self.random
        leaves = (
            lambda: f"'{pick.choice(HOSTILE)}'",
            lambda: repr(pick.choice(PARTS)),
            lambda: repr(pick.choice((*REASONS, *CHOICES, 'none', 'os'))),
            lambda: pick.choice(('1', '2', '0', '-1', '1e9', 'None', '()', '{}', '2 ** 9999')),
            lambda: pick.choice(CODE) if pick.random() < 0.3 else '3',
            lambda: pick.choice(TOPS),
        )
        return pick.choice(leaves)()


def build(config):
    """Build all parts that a config names in all registries, whatever comes of it."""
    for value in (
        *config.values(),
        *(x for v in config.values() if isinstance(v, list) for x in v),
    ):
        for registry in REGISTRIES if isinstance(value, dict) and 'type' in value else ():
            with suppress(Exception):
                registry.build(dict(value))


def attack(folder, seconds, first=0):
    """Read configs until the time is over; how many were read, and how many were tried."""
    path = folder / 'config.py'
    end = time.monotonic() + seconds
    accepted = 0
    for seed in count(first):
        if time.monotonic() > end:
            return accepted, seed - first
        text = Grammar(seed).config()
        path.write_text(text, errors='surrogateescape')
        begin = time.process_time()
        with watch(folder / 'work_dirs') as seen:
            try:
                config = read_safe_config(path)
            except InputError as error:
                assert '\n' not in str(error), text
            else:
                accepted += 1
                build(config)
        assert seen == [], f'seed {seed}: {text}'
        assert time.process_time() - begin < 5, f'seed {seed}: {text}'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / 'evil.py').write_text('open("ran", "w")')
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    'seconds',
    [pytest.param(2, id='quick'), pytest.param(SECONDS, id='long', marks=pytest.mark.slow)],
)
def test_random_configs(folder, seconds):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    accepted, tried = attack(folder, seconds)
    growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f'{tried} configs, {accepted} read, {growth / 1024:.0f} MB')
    assert tried > 20 * seconds and accepted > 0
    assert growth < 2**20  # kB
    assert not (folder / 'ran').exists()
