import os
import re
import resource
import shutil
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import mmseg
import pytest
from config_files import CONFIGS, read
from helpers import parsed
from mmengine.config import Config

from mmseg_eff.commands._cli import read_config_of, tool
from mmseg_eff.errors import InputError
from mmseg_eff.safe_config.evaluator import MAX_BYTES
from mmseg_eff.safe_config.keys import Limits
from mmseg_eff.safe_config.reader import read_safe_config

BLOCK = re.compile(r'^```python\n# (\w+\.py)\n(.*?)^```', re.DOTALL | re.MULTILINE)
RUN = "__import__('os').system('touch ran')"
REFUSED, STEPS = 'not allowed in a safe config', 'takes more than 200000 steps'
HOSTILE = {  # case -> config, and what the error says
    'call': (f'a = 1\nb = {RUN}', r'config\.py:2: "__import__'),
    'call in the third line': (f'a = dict(\n    b=1,\n    c={RUN},\n)', r'config\.py:3: '),
    'import': ('import os', r"config\.py:1: 'import os'"),
    'import of a name': ('from os import system', r"config\.py:1: 'from os import system'"),
    'call as the base': (f'_base_ = {RUN}', REFUSED),
    'call in the list of bases': (f'_base_ = [{RUN}]', REFUSED),
    'exec': (f'exec({RUN!r})', REFUSED),
    'eval': (f'a = eval({RUN!r})', REFUSED),
    'lambda': (f'a = lambda: {RUN}', REFUSED),
    'walrus': (f'a = (b := {RUN})', REFUSED),
    'call in an f-string': (f'a = f"{{{RUN}}}"', REFUSED),
    'call in a comprehension': (f'a = [{RUN} for i in range(1)]', REFUSED),
    'call as the source of a comprehension': (f'a = [1 for i in {RUN}]', REFUSED),
    'call as the condition of a comprehension': (
        f'a = [1 for i in [2] if {RUN}]',
        'one loop and no condition',
    ),
    'attribute as the target of a comprehension': ('a = [1 for a.b in [2]]', REFUSED),
    'function': (f'def a():\n    {RUN}\na()', "'def a"),
    'class': (f'class A:\n    {RUN}', "'class A"),
    'with': (f'with open("x") as a:\n    {RUN}', 'with open'),
    'assert': (f'assert {RUN}', 'assert __import__'),
    'builtin redefined': ('dict = 1', "'dict = 1'"),
    'attribute of a builtin': ('a = dict.__base__', REFUSED),
    'all classes through a tuple': ('a = ().__class__.__base__.__subclasses__()', REFUSED),
    'attribute of the bases': ('a = _base_.__class__', REFUSED),
    'format of an attribute': ('a = "{0.__class__}".format(1)', REFUSED),
    'bytes': ('a = b"x"', REFUSED),
    'template variable of mmengine': ('a = "{{ fileDirname }}"', 'of template variables only'),
    'environment variable': ('a = "{{$HOME:x}}"', 'of template variables only'),
    'template put together': (
        'a = """{{$MMSEG_EFF_DATA:x"""+"y}}"""',
        'of template variables only',
    ),
    'base by an absolute path': ('_base_ = "/etc/passwd.py"', 'expected an existing file below'),
    'base in the folder above': ('_base_ = "../outside.py"', 'expected an existing file below'),
    'base that is the file itself': ('_base_ = "config.py"', 'does not lead back here'),
    'base that is a number': ('_base_ = 3', 'one path or list of paths'),
    'two assignments of bases': ('_base_ = "a"\n_base_ = "b"', 'one path or list of paths'),
    'power': ('a = 9 ** 9 ** 9 ** 9', REFUSED),
    'long integer': ('a = 10 ' + '* 99999999999 ' * 9, 'more than 128 bits'),
    'long list': ('a = [0] * 99999999', STEPS),
    'sum of long lists': ('a = [0] * 999999\nb = a + a', STEPS),
    'long text by %': ('a = "%999999999d" % 1', 'for numbers'),
    'long text by an f-string': ('a = f"{1:999999999}"', REFUSED),
    'nested loops': ('a = [[1 for i in range(99999)] for j in range(99999)]', STEPS),
    'long range': ('a = range(10 * 1000000000)', STEPS),
    'doubled lists': ('a = 0\n' + ''.join(f'a = [a, a]  # {i}\n' for i in range(40)), STEPS),
    'deep lists': ('a = 0\n' + 'a = [a]\n' * 60, 'nested deeper than 50'),
    'many signs': ('a = ' + '-' * 5000 + '1', 'nested too deeply|not Python'),
    'many brackets': ('a = ' + '(' * 5000, 'not Python'),
    'open bracket': ('a = [1, 2', r'config\.py:1: not Python'),
    'division by zero': ('a = 1 / 0', r'config\.py:1: ZeroDivisionError'),
    'unknown name': ('a = b', "'b' is not allowed in a safe config, or not defined"),
    'index out of range': ('a = [1][2]', r'config\.py:1: IndexError'),
    'null character': ('a = "\0"', 'not Python'),
}


@pytest.mark.parametrize('path', sorted(CONFIGS.rglob('*.py')), ids=lambda path: path.stem)
def test_our_configs_read_identically(path):
    safe, usual = read_safe_config(path), read(path)
    assert safe.to_dict() == usual.to_dict()
    assert safe.filename == usual.filename


def test_no_other_reader_of_foreign_text(root):
    """Configs are run in one place, each a file that the user names."""
    sources = {path.name: path.read_text() for path in (root / 'mmseg_eff').rglob('*.py')}
    unsafe = re.compile(
        r'yaml\.(?!safe_load|YAMLError|parse\(text, Loader=yaml\.SafeLoader|SafeLoader|\w+Event)|'
        r'pickle\.loads?\(|mmengine\.load\(|fileio\.load\(|'
        r'fromstring\(|(?<![\w.`])(?:eval|exec)\([^)]'
    )
    of_packages = {'_lazy_packages.py'}  # runs the __init__.py of installed packages
    assert {name for name, text in sources.items() if unsafe.search(text)} == of_packages
    runs = {name for name, text in sources.items() if 'Config.fromfile(' in text}
    assert runs == {'load.py'}


def test_there_are_configs():
    assert len([*CONFIGS.rglob('*.py')]) > 150


def without_scopes(value):
    """A config without what mmengine adds to parts of a base such as ``mmseg_eff::espnet/….py``."""
    if isinstance(value, dict):
        return {key: without_scopes(part) for key, part in value.items() if key != '_scope_'}
    return type(value)(map(without_scopes, value)) if isinstance(value, list | tuple) else value


def test_base_among_the_configs_of_a_package(tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text("_base_ = 'mmseg_eff::espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'")
    assert read_safe_config(path).model.backbone.type == 'ESPNet'
    for name in ('mmdet::a.py', 'os::a.py', 'mmseg_eff::../../version.py', 'mmseg_eff::none.py'):
        path.write_text(f'_base_ = {name!r}')
        with pytest.raises(InputError, match=rf"mine\.py: _base_ '{name}': expected "):
            read_safe_config(path)


def test_configs_of_the_docs_read(root, tmp_path, monkeypatch):
    """The one with a class of one's own is refused."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(root / 'configs', 'configs')
    pages = '\n'.join(page.read_text() for page in sorted((root / 'docs').glob('*.md')))
    files = [(name, text) for name, text in BLOCK.findall(pages) if '_base_' in text]
    assert len(files) > 5
    for name, text in files:
        Path(name).write_text(text)
    for name, _ in files:
        if 'slimnet' in name:
            with pytest.raises(InputError, match=r"backbone\.type: 'SlimNet': expected the plain"):
                read_safe_config(name)
        else:
            usual = without_scopes(Config.fromfile(name).to_dict())
            safe = read_safe_config(name).to_dict()
            assert safe == {key: usual[key] for key in safe} and 'train_dataloader' in safe


@pytest.mark.parametrize('kind', ['ADE20KDataset', 'CityscapesDataset', 'LoveDADataset'])
def test_data_of_mmseg(root, tmp_path, kind):
    """A config of one's own with a dataset that mmseg registers, and what mmseg's own says."""
    shutil.copytree(root / 'configs/_base_', tmp_path / '_base_')
    shutil.copytree(root / 'configs/espnet', tmp_path / 'espnet')
    path = tmp_path / 'mine.py'
    path.write_text(
        "_base_ = 'espnet/espnet-p2q8_1xb8-69k_camvid-360x480.py'\n"
        f"mine = dict(_delete_=True, type='{kind}', data_root='my/data', pipeline=[\n"
        "    dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'),\n"
        "    dict(type='RandomCrop', crop_size=(64, 64)), dict(type='PackSegInputs')])\n"
        'train_dataloader = dict(dataset=mine)'
    )
    assert read_safe_config(path).train_dataloader.dataset.type == kind


def test_configs_of_mmseg():
    """Of a sample, those read that need no other package."""
    folder = Path(mmseg.__path__[0], '.mim/configs')
    configs = [path for path in sorted(folder.glob('*/*.py')) if '_base_' not in path.parts][::30]
    limits = Limits(Path('work_dirs'), allow_download=True)
    read = 0
    for path in configs:
        with suppress(InputError):
            read += 'model' in read_safe_config(path, limits)
    assert read > 0.8 * len(configs) > 10


LARGEST = MAX_BYTES - 100
COSTLY = {
    'statements': 'a=1\n' * (LARGEST // 4),
    'numbers': f'model = [{"-1," * (LARGEST // 3)}]',
    'f-strings': f'model = f"{"{1}" * (LARGEST // 3)}"',
    'comparisons': f'model = 1{"<1" * (LARGEST // 2)}',
    'calls': f'model = dict{"()" * (LARGEST // 2)}',
    'attributes': f'model = _base_{".a" * (LARGEST // 2)}',
    'sum': f'model = 1{"+1" * (LARGEST // 2)}',
    'brackets': '[' * LARGEST,
    'lambdas': f'model = {"lambda:" * (LARGEST // 7)}1',
    'digits': f'model = {"9" * LARGEST}',
    'decorators': '@a\n' * (LARGEST // 3) + 'def f(): pass',
    'doubled lists': 'data = 0\n' + 'data = [data, data]\n' * 40,
    'doubled dicts': 'model = dict()\n' + 'model = dict(a=model, b=model)\n' * 40,
    'doubled text': 'data = "a" * 1000\n' + 'data = f"{data}{data}"\n' * 40,
    'power': 'model = 9' + ' * 999999999999' * 99,
    'names': '\n'.join(f'data{i} = 1' for i in range(LARGEST // 14)),
    'too large': '#' * (MAX_BYTES + 1),
    'long type': f'model = dict(type="{"a" * (LARGEST - 50)}")',
}


@pytest.mark.parametrize('text', COSTLY.values(), ids=COSTLY)
def test_costly_files(tmp_path, text):
    path = tmp_path / 'config.py'
    path.write_text(text)
    with bounded(), pytest.raises(InputError, match=f'^{path}'):
        read_safe_config(path)


@contextmanager
def bounded():
    """Check the time of the block, and how much the memory of this process grows at most."""
    before, begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    yield
    assert time.process_time() - begin < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**20  # kB


def test_a_tree_of_bases(tmp_path):
    """Each file is read once, however often it is named: 2**24 times here."""
    for level in range(24):
        bases = f'_base_ = ["a{level + 1}.py", "b{level + 1}.py"]' if level < 23 else ''
        for side in 'ab':
            (tmp_path / f'{side}{level}.py').write_text(bases)
    (tmp_path / 'a0.py').write_text('_base_ = ["a1.py", "b1.py"]\nresume = True')
    with bounded():
        assert read_safe_config(tmp_path / 'a0.py').to_dict() == dict(resume=True)


@pytest.mark.parametrize(
    ('last', 'message'),
    [
        ('', 'builds on more than 50 files'),
        ('model = dict(a=[0] * 99999)', 'more than 200000 steps'),
    ],
)
def test_a_chain_of_bases(tmp_path, last, message):
    length = 60 if not last else 40
    for level in range(length):
        (tmp_path / f'{level}.py').write_text(f'_base_ = "{level + 1}.py"')
    (tmp_path / f'{length}.py').write_text(last)
    with bounded(), pytest.raises(InputError, match=message):
        read_safe_config(tmp_path / '0.py')


@pytest.mark.parametrize(('text', 'message'), HOSTILE.values(), ids=HOSTILE)
def test_hostile_configs_run_nothing(text, message, tmp_path, monkeypatch, capsys):
    (tmp_path / 'outside.py').write_text('a = 1')
    path = tmp_path / 'inside/config.py'
    path.parent.mkdir()
    path.write_text(text)
    monkeypatch.chdir(tmp_path)

    @tool
    def main(argv=None):
        read_config_of(parsed(argv))

    assert main([str(path), '--safe-config']) == 1
    error = capsys.readouterr().err
    assert error.startswith(f'error: {path}') and error.count('\n') == 1
    with pytest.raises(InputError, match=message):
        read_safe_config(path)
    assert not Path('ran').exists() and not Path('inside/ran').exists()


def test_a_call_runs_without_the_option(tmp_path, monkeypatch):
    """The canary can appear: else the test above would show nothing."""
    text, _ = HOSTILE['call']
    (tmp_path / 'config.py').write_text(text)
    monkeypatch.chdir(tmp_path)
    read_config_of(parsed(['config.py']))
    assert Path('ran').exists()


@pytest.mark.parametrize('name', ['config.yaml', 'config.json', 'config'])
def test_only_python_files(tmp_path, name):
    (tmp_path / name).write_text('a: !!python/object/apply:os.system ["touch ran"]')
    with pytest.raises(InputError, match=r'expected a \.py config'):
        read_safe_config(tmp_path / name)


def test_bases_below_the_configs_folder(tmp_path):
    for name, text in {
        'configs/_base_/a.py': 'model = dict(a=[1, 2], b=2)\nresume = True',
        'configs/net/b.py': '_base_ = "../_base_/a.py"\nmodel = dict(b=_base_.model.a[::-1])',
        'configs/net/c.py': '_base_ = ["b.py"]\nmodel = dict(_delete_=True, c=3)',
        'configs/twice.py': '_base_ = ["_base_/a.py", "net/b.py"]',
        'd.py': '',
        'configs/up.py': '_base_ = "../d.py"',
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    configs = tmp_path / 'configs'
    assert read_safe_config(configs / 'net/b.py').model == dict(a=[1, 2], b=[2, 1])
    assert read_safe_config(configs / 'net/c.py').to_dict() == dict(model=dict(c=3), resume=True)
    with pytest.raises(InputError, match='several bases define model, resume'):
        read_safe_config(configs / 'twice.py')
    with pytest.raises(InputError, match=f'expected an existing file below {configs}'):
        read_safe_config(configs / 'up.py')
    (configs / 'link.py').symlink_to('../d.py')
    (configs / 'up.py').write_text('_base_ = "link.py"')
    with pytest.raises(InputError, match='expected an existing file below'):
        read_safe_config(configs / 'up.py')


def test_data_folder_is_the_only_variable(tmp_path, monkeypatch):
    path = tmp_path / 'config.py'
    path.write_text('data_root = "{{$MMSEG_EFF_DATA:data}}/camvid"')
    monkeypatch.delenv('MMSEG_EFF_DATA', raising=False)
    assert read_safe_config(path).data_root == 'data/camvid'
    monkeypatch.setenv('MMSEG_EFF_DATA', f'{os.sep}x" + str(1) + "')
    with pytest.raises(InputError, match='not allowed in a safe config'):
        read_safe_config(path)
