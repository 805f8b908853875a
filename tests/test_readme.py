"""What the README, its first links and CONTRIBUTING.md show exists and runs.

``test_docs.py`` parses the commands and runs the pages.
"""

import re
from importlib import import_module

import pytest
from config_files import CONFIGS, expand, named, read
from mmseg.registry import DATA_SAMPLERS, DATASETS, HOOKS, LOOPS, METRICS, MODELS, TRANSFORMS

import mmseg_eff.apis
from mmseg_eff.benchmarking.complexity import complexity
from mmseg_eff.commands import COMMANDS
from mmseg_eff.commands.complexity import format_figures

WEIGHTS = r'\| `([^`]+\.pth)` \| `(espnet[^`]+)` \|'  # a row of the authors' files


@pytest.fixture(scope='module')
def readme(root):
    return (root / 'README.md').read_text()


@pytest.fixture(scope='module')
def figures():
    """Parameters and multiply-adds of a config as ``mmseg-eff complexity`` prints them."""
    return lambda config, size: format_figures(complexity(config, size)[-1])


def blocks(readme, language):
    found = re.findall(rf'```{language}\n(.*?)```', readme, flags=re.DOTALL)
    assert found
    return found


@pytest.fixture(scope='module')
def page(root):
    """Text of a page of docs/."""
    return lambda name: (root / 'docs' / name).read_text()


def test_python_runs_without_a_network(readme, make_image, tmp_path, monkeypatch):
    """The weights are in the package."""
    make_image(tmp_path / 'photo.jpg', 64, 96)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('MMSEG_EFF_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setenv('MMSEG_EFF_WEIGHTS_URL', str(tmp_path / 'nothing here'))
    (block,) = blocks(readme, 'python')
    assert len(block.split('\n\n')[1].strip().splitlines()) <= 3
    names = {}
    exec(block, names)
    assert names['prediction'].labels.shape == (64, 96)
    for path in re.search(r'# (.+)$', block, re.M)[1].split(', '):
        assert (tmp_path / path).is_file()


def test_it_is_one_page(readme):
    assert readme.count('\n') < 140
    table = readme.partition('## Which network?')[2].partition('\n## ')[0]
    assert 2 < len(re.findall(r'^\|', table, re.M)) <= 2 + 8


def test_make_targets_exist(readme, page, root):
    makefile = (root / 'Makefile').read_text()
    for text in (readme, page('install.md')):
        targets = set(re.findall(r'\bmake ([a-z][a-z-]*)', text)) - {'and'}
        assert {'demo', 'test', 'install', 'docs'} <= targets
        for target in targets:
            assert re.search(rf'^{target}:', makefile, flags=re.MULTILINE), target


def test_targets_are_those_that_the_makefile_lists(root):
    makefile = (root / 'Makefile').read_text()
    phony = ' '.join(re.findall(r'^\.PHONY: (.+)$', makefile, re.M)).split()
    rules = re.findall(r'^([a-z][a-z-]*):', makefile, re.M)
    assert sorted(phony) == sorted(rules)
    listed = ' '.join(
        re.findall(r'^# (?:make|  )(.+)$', makefile.partition('Overridable')[0], re.M)
    )
    assert set(phony) - {'clean'} == set(re.findall(r'[a-z][a-z-]*', listed))


def test_workflow_calls_targets_of_the_makefile(root):
    makefile = (root / 'Makefile').read_text()
    steps = re.findall(r'- run: (.+)$', (root / '.github/workflows/test.yml').read_text(), re.M)
    targets = [step.split()[:2] for step in steps]
    assert {target for _, target in targets} == {'lint', 'test', 'check-wheel', 'docs'}
    for program, target in targets:
        assert program == 'make' and re.search(rf'^{target}:', makefile, re.M), target


def test_files_exist(readme, root):
    pages = [readme, *(path.read_text() for path in (root / 'docs').rglob('*.md'))]
    for name in re.findall(r'\b((?:configs|docs|benchmarks|tools)/[\w./-]+\.\w+)', ''.join(pages)):
        assert name == 'tools/NAME.py' or (root / name).is_file(), name
    rows = [row for text in pages for row in re.findall(WEIGHTS, text)]
    assert len(rows) == 7
    for _, name in rows:
        for config in expand(name):
            assert list(CONFIGS.glob(f'*/{config}')), config


def test_folders_of_the_package_are_shown(root):
    text = (root / 'CONTRIBUTING.md').read_text()
    tree = text.partition('## The repository')[2].partition('configs/ ')[0]
    shown = set(re.findall(r'\b(\w+)/', tree)) - {'mmseg_eff'}
    assert shown == {
        path.name for path in (root / 'mmseg_eff').iterdir() if (path / '__init__.py').exists()
    }


def test_figures_of_eseg_are_the_tools(page, figures):
    rows = re.findall(
        r'\| `(eseg-\S+)` \| ([\d.]+)[^|]*\| ([\d.]+) \| ([\d.]+)', page('networks/eseg.md')
    )
    assert len(rows) == 11
    for name, *expected in rows:
        (path,) = CONFIGS.glob(f'eseg/{name}_cityscapes-*.py')
        assert figures(read(path), (1024, 2048)) == tuple(expected), name


def test_figures_of_deeplab_are_the_tools(page, figures):
    rows = re.findall(
        r'\| `(deeplab\S+)` \| (\d+)x(\d+) \| ([\d.]+) \| ([\d.]+)', page('networks/deeplab.md')
    )
    assert len(rows) == 7
    for name, height, width, *expected in rows:
        found = figures(named(name), (int(height), int(width)))
        assert list(found[:2]) == expected, name


def test_every_command_is_listed(page):
    assert set(re.findall(r'^\| `mmseg-eff (\w+)', page('commands.md'), re.M)) == set(COMMANDS)


def test_every_function_is_documented(page, root):
    """In the table of the API, and by its docstring."""
    functions = {name for name in mmseg_eff.apis.EXPORTS if name.islower()}
    assert functions <= set(re.findall(r'`(\w+)`', page('api/index.md')))
    shown = [
        name
        for path in (root / 'docs/api').glob('*.md')
        for name in re.findall(r'^::: (\S+)$', path.read_text(), re.M)
    ]
    assert len(shown) == len(set(shown))
    objects = {getattr(import_module(m), n) for m, _, n in (name.rpartition('.') for name in shown)}
    assert {getattr(mmseg_eff, name) for name in mmseg_eff.apis.EXPORTS} <= objects
    for value in objects:
        assert value.__doc__, value


def test_every_registered_part_is_named(page):
    """In the table of parts and in the API."""
    text = page('mix.md') + page('datasets.md') + page('api/models.md') + page('api/engine.md')
    names = set(re.findall(r'\w+', text))
    ours = {
        name
        for registry in (MODELS, HOOKS, DATASETS, TRANSFORMS, METRICS, LOOPS, DATA_SAMPLERS)
        for name, part in registry.module_dict.items()
        if part.__module__.startswith('mmseg_eff.')
    }
    assert len(ours) > 40
    assert ours <= names, ours - names
