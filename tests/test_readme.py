"""What the README shows exists and runs; ``test_docs.py`` parses its commands."""

import re

import pytest
from config_files import CONFIGS, expand, named, read
from mmengine.registry import DefaultScope, init_default_scope
from mmseg.registry import MODELS
from official_file import write_official_file

import mmseg_eff.apis
from mmseg_eff.benchmarking.complexity import complexity
from mmseg_eff.commands import COMMANDS
from mmseg_eff.commands.complexity import format_figures
from mmseg_eff.converters.convert import convert


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


def test_python_blocks_run(readme, make_image, tmp_path, monkeypatch):
    make_image(tmp_path / 'image.png', 64, 96)
    monkeypatch.chdir(tmp_path)
    official = write_official_file(tmp_path / 'espnet_p_2_q_8.pth')
    convert('espnet', official, tmp_path / 'converted.pth')
    monkeypatch.setattr(
        'mmseg_eff.apis.prediction.resolve',
        {  # no download
            'hub:espnet-p2q8_cityscapes': tmp_path / 'converted.pth'
        }.__getitem__,
    )
    for block in blocks(readme, 'python'):
        DefaultScope._instance_dict.clear()
        init_default_scope('mmseg')
        names = {}
        exec(block, names)
        assert 'labels' in names or 'model' in names
        if 'labels' in names:
            assert names['labels'].shape == (64, 96)
        if isinstance(names.get('model'), dict):
            assert MODELS.build(names['model']).decode_head.num_classes == 19


def test_make_targets_exist(readme, root):
    makefile = (root / 'Makefile').read_text()
    targets = set(re.findall(r'\bmake ([a-z][a-z-]*)', readme)) - {'and'}
    assert {'demo', 'test', 'install'} <= targets
    for target in targets:
        assert re.search(rf'^{target}:', makefile, flags=re.MULTILINE), target


def test_targets_are_those_that_the_makefile_lists(root):
    makefile = (root / 'Makefile').read_text()
    phony = re.search(r'^\.PHONY: (.+)$', makefile, re.M)[1].split()
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
    for name in re.findall(r'\b((?:configs|docs|benchmarks|tools)/[\w./-]+\.\w+)', readme):
        if name == 'tools/NAME.py':
            continue
        assert (root / name).is_file(), name
    rows = re.findall(r'\| `([^`]+\.pth)` \| `(espnet[^`]+)` \|', readme)
    assert rows
    for _, name in rows:
        for config in expand(name):
            assert list(CONFIGS.glob(f'*/{config}')), config


def test_folders_of_the_package_are_shown(readme, root):
    tree = readme.partition('## The repository')[2].partition('configs/ ')[0]
    shown = set(re.findall(r'\b(\w+)/', tree)) - {'mmseg_eff'}
    assert shown == {
        path.name for path in (root / 'mmseg_eff').iterdir() if (path / '__init__.py').exists()
    }


def test_figures_of_eseg_are_the_tools(readme, figures):
    rows = re.findall(r'\| `(eseg-\S+)` \| ([\d.]+)[^|]*\| ([\d.]+) \| ([\d.]+)', readme)
    assert rows
    for name, *expected in rows:
        (path,) = CONFIGS.glob(f'eseg/{name}_cityscapes-*.py')
        assert figures(read(path), (1024, 2048)) == tuple(expected), name


def test_figures_of_deeplab_are_the_tools(readme, figures):
    rows = re.findall(r'\| `(deeplab\S+)` \| (\d+)x(\d+) \| ([\d.]+) \| ([\d.]+)', readme)
    assert rows
    for name, height, width, *expected in rows:
        found = figures(named(name), (int(height), int(width)))
        assert list(found[:2]) == expected, name


def test_every_command_and_function_is_listed(readme):
    assert set(re.findall(r'^\| `mmseg-eff (\w+)', readme, re.M)) == set(COMMANDS)
    functions = {name for name in mmseg_eff.apis.EXPORTS if name.islower()}
    assert functions <= set(re.findall(r'`(\w+)`', readme))
