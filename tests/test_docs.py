"""The pages of docs/ say what is true: their commands and Python are run, their links lead on.

A ``python`` block whose first line is ``# NAME.py`` is a file; others are run in one namespace, and
print what the comment after ``print()`` says. ``bash`` blocks are run, ``console`` blocks
(downloads, long trainings) only parsed.
"""

import argparse
import contextlib
import glob
import importlib
import io
import itertools
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote

import cv2
import numpy as np
import pytest
import yaml
from config_files import expand
from official_file import write_official_file

from mmseg_eff import hub
from mmseg_eff.commands import COMMANDS
from mmseg_eff.converters.convert import convert
from mmseg_eff.datasets.toy_street import IGNORED, Scene
from mmseg_eff.hub.cache import VARIABLE, converted_path

ROOT = Path(__file__).parent.parent
PAGES = sorted(path.relative_to(ROOT / 'docs').as_posix() for path in (ROOT / 'docs').rglob('*.md'))
BLOCK = re.compile(r'^```(\w*)\n(.*?)^```$', flags=re.DOTALL | re.MULTILINE)
LINK = re.compile(r'\]\(([^)#\s]*)(#[^)\s]*)?\)')
INCLUDED = re.compile(r'^--8<-- "(.+)"$', re.M)  # a file of the repository that is a page
OTHER_COMMANDS = {'curl', 'docker', 'export', 'make', 'pip', 'tritonserver'}
LANGUAGES = {'', 'python', 'bash', 'console', 'kotlin', 'swift', 'text'}
SLOW = {
    'export.md',
    'export_precision.md',
    'export_server.md',
    'new_network.md',
    'self_training.md',
}  # exports, trainings in processes
TINY_TRAINING = [
    '--cfg-options',
    'model.data_preprocessor.batch_sizes=[(90,120)]',
    'train_cfg.max_iters=2',
    'train_cfg.val_interval=2',
    'default_hooks.checkpoint.interval=2',
    'default_hooks.logger.interval=1',
]
TINY_LOADERS = [
    f'{split}_dataloader.{option}'
    for split in ('train', 'val', 'test')
    for option in ('num_workers=0', 'persistent_workers=False')
]
TINY = {  # subcommand -> what is appended to its commands
    'train': TINY_TRAINING + TINY_LOADERS,
    'self_train': TINY_TRAINING + TINY_LOADERS,
    'test': ['--cfg-options', *TINY_LOADERS],
    'check_dataset': ['--workers', '1'],
    'init': ['--workers', '1'],
    'benchmark': ['--threads', '1'],
    'export': ['--num-images', '2', '--threads', '1'],
}


class Parsed(BaseException):
    """A tool's arguments are right; raised in place of its work."""


def blocks(text: str) -> list[tuple[str, str]]:
    return [(match[1], match[2]) for match in BLOCK.finditer(text)]


def commands(block: str) -> Iterator[list[str]]:
    """The words of each command, with braces and wildcards expanded as a shell does."""
    for line in block.replace('\\\n', ' ').splitlines():
        words = shlex.split(line, comments=True)
        if words:
            words = [expanded for word in words for expanded in expand(word)]
            yield [found for word in words for found in sorted(glob.glob(word)) or [word]]


def name_of(words: list[str]) -> str:
    """The subcommand that a command starts, as ``mmseg-eff NAME`` or ``python tools/NAME.py``."""
    assert words[0] in ('mmseg-eff', 'python') and len(words) > 1, words
    if words[0] == 'mmseg-eff':
        assert words[1] in COMMANDS, words
        return words[1]
    assert (ROOT / words[1]).is_file(), words[1]
    return re.fullmatch(r'tools/(\w+)\.py', words[1])[1]


def tool_of(words: list[str]) -> tuple[Callable[[list[str]], int], list[str]]:
    """``main`` of the subcommand that a command starts, and its arguments."""
    return importlib.import_module(f'mmseg_eff.commands.{name_of(words)}').main, words[2:]


def check_command(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The subcommand, its options and the repository's files in a command exist."""
    if words[0] in OTHER_COMMANDS:
        return
    if words[0] == 'torchrun':
        words = ['python', *itertools.dropwhile(lambda word: not word.endswith('.py'), words)]
    if words[0] == 'python' and words[1].startswith('benchmarks/'):
        assert (ROOT / words[1]).is_file(), words[1]
        return
    main, argv = tool_of(words)

    def parse_only(parse: Callable) -> Callable:
        def run(*args, **kwargs) -> None:
            parse(*args, **kwargs)
            raise Parsed

        return run

    with monkeypatch.context() as context:
        for name in ('parse_args', 'parse_intermixed_args'):
            parse = parse_only(getattr(argparse.ArgumentParser, name))
            context.setattr(argparse.ArgumentParser, name, parse)
        with pytest.raises(Parsed):
            main(argv)
    for option, word in itertools.pairwise(['', *argv]):
        if word.startswith('configs/'):
            assert (ROOT / word).exists(), word
        if option == '--weights':
            assert hub.find(word)


def run_command(words: list[str]) -> None:
    """Run a command in this process, tiny."""
    if words == ['export', 'PYTHONPATH=.']:  # as the fixture has done
        return
    main, argv = tool_of(words)
    assert main([*argv, *TINY.get(name_of(words), [])]) == 0, shlex.join(words)


def run_page(text: str) -> None:
    """Run the blocks of a page in order, in the working directory."""
    names = {}
    for language, block in blocks(text):
        if language == 'python' and (title := re.match(r'# (\S+\.py)\n', block)):
            Path(title[1]).write_text(block)
        elif language == 'python':
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                exec(block, names)
            for comment in re.findall(r'^print\(.*\)  # (.+)$', block, flags=re.MULTILINE):
                for part in comment.split('…'):
                    assert part in printed.getvalue()
        elif language == 'bash':
            for words in commands(block):
                run_command(words)


def make_my_data(root: Path) -> None:
    """A dataset as a user has it: 3 classes, JPEG, PNG labels of two splits."""
    for part, (split, count) in enumerate((('train', 4), ('val', 2), ('unlabelled', 4))):
        for kind in ('images', 'labels'):
            (root / kind / split).mkdir(parents=True)
        for index in range(count):
            scene = Scene(np.random.default_rng((part, index)), 72, 96)
            cv2.imwrite(str(root / f'images/{split}/{index}.jpg'), scene.image)
            label = np.where(scene.label == IGNORED, IGNORED, scene.label.clip(max=2))
            if split != 'unlabelled':
                cv2.imwrite(str(root / f'labels/{split}/{index}.png'), label)


@pytest.fixture
def workplace(tmp_path, monkeypatch, make_image):
    """The working directory of a page's reader, with the files that the pages take for granted."""
    for name in ('configs', 'tools'):
        (tmp_path / name).symlink_to(ROOT / name)
    make_my_data(tmp_path / 'my_data')
    make_image(tmp_path / 'IMAGES/image.png', 64, 128)
    official = write_official_file(tmp_path / 'pretrained/espnet_p_2_q_8.pth')
    convert('espnet', official, tmp_path / 'checkpoints/espnet_p2q8_cityscapes.pth')
    monkeypatch.setenv(VARIABLE, str(tmp_path / 'cache'))
    convert('espnet', official, converted_path('espnet-p2q8_cityscapes'))
    first_page = (ROOT / 'docs/train_my_data.md').read_text()
    (config,) = (block for _, block in blocks(first_page) if block.startswith('# my_data.py'))
    (tmp_path / 'my_data.py').write_text(config)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv('MMSEG_EFF_TRACEBACK', '1')
    monkeypatch.delenv('MMSEG_EFF_DATA', raising=False)
    modules = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - modules:
        if getattr(sys.modules[name], '__file__', None) == str(tmp_path / f'{name}.py'):
            del sys.modules[name]


@pytest.mark.parametrize(
    'page', [pytest.param(p, marks=[pytest.mark.slow] if p in SLOW else []) for p in PAGES]
)
def test_page_runs(page, workplace):
    if page == 'train_my_data.md':
        Path('my_data.py').unlink()  # its first command writes it
    run_page((ROOT / 'docs' / page).read_text())


def test_the_pages_training_by_epochs_runs(workplace):
    """Its commands are for iterations, which ``TINY`` shortens."""
    page = (ROOT / 'docs/train_my_data.md').read_text()
    (config,) = (block for _, block in blocks(page) if block.startswith('# my_data_epochs.py'))
    (workplace / 'my_data_epochs.py').write_text(config.replace('= 40', '= 2'))
    options = ['--cfg-options', TINY_TRAINING[1], 'train_dataloader.batch_size=2', *TINY_LOADERS]
    words = ['mmseg-eff', 'train', 'my_data_epochs.py', '--work-dir', 'work']
    main, argv = tool_of(words)
    assert main([*argv, *options]) == 0
    assert Path('work/epoch_2.pth').is_file()


@pytest.mark.parametrize('page', ['../README.md', *PAGES])
def test_commands_exist(page, monkeypatch):
    def find(checkpoint):
        return hub.find(checkpoint).name if checkpoint.startswith('hub:') else checkpoint

    monkeypatch.setattr('mmseg_eff.hub.resolve', find)  # the name exists: no download
    monkeypatch.chdir(ROOT)
    text = (ROOT / 'docs' / page).read_text()
    assert {language for language, _ in blocks(text)} <= LANGUAGES
    for language, block in blocks(text):
        if language in ('bash', 'console'):
            for words in commands(block):
                check_command(words, monkeypatch)


@pytest.mark.parametrize(
    'command',
    [
        'mmseg-eff trian configs/mix/resnet50_epp_fcn.py',
        'mmseg-eff train configs/mix/resnet50_epp_fcn.py --resumes',
        'mmseg-eff train configs/mix/resnet50_epp.py',
        'mmseg-eff export CONFIG CHECKPOINT --out DIR --backend onx',
        'mmseg-ef train CONFIG',
        'python tools/trian.py CONFIG',
        'pyhton tools/train.py CONFIG',
        'torchrun --nproc-per-node 2 tools/train.py CONFIG --luncher pytorch',
    ],
)
def test_a_typo_is_found(command, monkeypatch):
    (words,) = commands(command)
    with pytest.raises((AssertionError, ModuleNotFoundError, SystemExit)):
        check_command(words, monkeypatch)


@pytest.mark.parametrize(
    'block',
    [
        'python\nimport mmseg_eff.moduls\n',
        'python\nprint(6 * 7)  # 43\n',
        'bash\nmmseg-eff complexity missing.py\n',
        'python\n# broken.py\nmodel = dict(\n```\n```bash\nmmseg-eff complexity broken.py\n',
    ],
)
def test_a_wrong_block_is_found(block, workplace):
    with pytest.raises((AssertionError, ImportError, SyntaxError, ValueError)):
        run_page(f'Text.\n\n```{block}```\n')


def anchors(text: str) -> set[str]:
    """GitHub's anchors of a page's headings."""
    headings = re.findall(r'^#+ (.+)$', BLOCK.sub('', text), flags=re.MULTILINE)
    return {re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-') for heading in headings}


@pytest.mark.parametrize(
    'page', ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', *(f'docs/{page}' for page in PAGES)]
)
def test_links_lead_to_files_and_headings(page):
    """From a page of docs/ to others there alone: the site has nothing else."""
    path = ROOT / page
    for target, anchor in LINK.findall(BLOCK.sub('', path.read_text())):
        if target.startswith(('http://', 'https://')):
            continue
        file = path.parent / unquote(target) if target else path
        assert file.exists(), target
        assert not page.startswith('docs/') or (ROOT / 'docs') in file.resolve().parents, target
        if anchor:
            assert anchor.removeprefix('#') in anchors(file.read_text()), target + anchor


def test_pages_of_the_site():
    """The navigation has every page once; what a page includes exists and has no links to files."""
    text = (ROOT / 'mkdocs.yml').read_text()
    settings = yaml.safe_load(text)
    pages, open_ = [], list(settings['nav'])
    while open_:
        item = open_.pop()
        value = item if isinstance(item, str) else next(iter(item.values()))
        pages += [value] if isinstance(value, str) else []
        open_ += value if isinstance(value, list) else []
    assert sorted(pages) == PAGES
    assert settings['theme']['font'] is False and 'http' not in text  # nothing from elsewhere
    for page in PAGES:
        for name in INCLUDED.findall((ROOT / 'docs' / page).read_text()):
            links = LINK.findall((ROOT / name).read_text())
            assert all(target.startswith('https://') for target, _ in links if target), name


def test_readme_links_every_page():
    """All but those of the API, whose own index links them, and the files that are shown there."""
    linked = {target for target, _ in LINK.findall((ROOT / 'README.md').read_text())}
    shown = {page for page in PAGES if INCLUDED.search((ROOT / 'docs' / page).read_text())}
    apart = shown | {page for page in PAGES if page.startswith('api/') and page != 'api/index.md'}
    assert {f'docs/{page}' for page in set(PAGES) - apart} <= linked
    index = {target for target, _ in LINK.findall((ROOT / 'docs/api/index.md').read_text())}
    assert apart - shown <= {f'api/{target}' for target in index}
