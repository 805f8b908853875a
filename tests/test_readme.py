"""What the README shows exists and runs."""

import re

import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope, init_default_scope

from mmseg_eff.benchmarking.complexity import complexity as count
from mmseg_eff.commands import (
    benchmark,
    check_dataset,
    class_weights,
    complexity,
    convert_labels,
    convert_weights,
    demo,
    export,
    plot_curves,
    predict,
    pseudo_label,
    self_train,
    test,
    train,
    weights,
)

TOOLS = dict(
    benchmark=benchmark,
    check_dataset=check_dataset,
    class_weights=class_weights,
    complexity=complexity,
    convert_labels=convert_labels,
    convert_weights=convert_weights,
    demo=demo,
    export=export,
    plot_curves=plot_curves,
    predict=predict,
    pseudo_label=pseudo_label,
    self_train=self_train,
    test=test,
    train=train,
    weights=weights,
)


@pytest.fixture(scope='module')
def readme(root):
    return (root / 'README.md').read_text()


def blocks(readme, language):
    found = re.findall(rf'```{language}\n(.*?)```', readme, flags=re.DOTALL)
    assert found
    return found


def test_python_blocks_run(readme, make_image, tmp_path, monkeypatch):
    make_image(tmp_path / 'image.png', 64, 96)
    monkeypatch.chdir(tmp_path)
    for block in blocks(readme, 'python'):
        DefaultScope._instance_dict.clear()
        init_default_scope('mmseg')
        names = {}
        exec(block, names)
        if 'labels' in names:
            assert names['labels'].shape == (64, 96)
        if 'model' in names:
            from mmseg.registry import MODELS

            assert MODELS.build(names['model']).decode_head.num_classes == 19


def test_make_targets_exist(readme, root):
    makefile = (root / 'Makefile').read_text()
    targets = set(re.findall(r'\bmake ([a-z][a-z-]*)', readme)) - {'and'}
    assert {'demo', 'test', 'install', 'wheel', 'lint', 'test-slow', 'test-onedl'} <= targets
    for target in targets:
        assert re.search(rf'^{target}:', makefile, flags=re.MULTILINE), target


def test_files_exist(readme, root):
    for name in re.findall(r'\b((?:configs|docs|benchmarks|tools)/[\w./-]+\.\w+)', readme):
        assert (root / name).is_file(), name
    rows = re.findall(r'\| `([^`]+\.pth)` \| `(espnet[^`]+)` \|', readme)
    assert len(rows) == 7
    for _, name in rows:
        choices = re.search(r'\{(.*?)\}', name)
        for choice in choices[1].split(',') if choices else ['']:
            config = name.replace(choices[0], choice) if choices else name
            assert list((root / 'configs').glob(f'*/{config}')), config


def test_figures_of_eseg_are_the_tools(readme, root):
    rows = re.findall(r'\| `(eseg-\S+)` \| ([\d.]+)[^|]*\| ([\d.]+) \| ([\d.]+)', readme)
    assert len(rows) == 11
    for name, *figures in rows:
        (path,) = (root / 'configs/eseg').glob(f'{name}_cityscapes-*.py')
        *_, total = count(Config.fromfile(path), (1024, 2048))
        assert complexity.format_figures(total) == tuple(figures), name


def test_figures_of_deeplab_are_the_tools(readme, root):
    rows = re.findall(r'\| `(deeplab\S+)` \| (\d+)x(\d+) \| ([\d.]+) \| ([\d.]+)', readme)
    assert len(rows) == 7
    for name, height, width, *figures in rows:
        config = Config.fromfile(root / f'configs/deeplab/{name}.py')
        *_, total = count(config, (int(height), int(width)))
        assert list(complexity.format_figures(total)[:2]) == figures, name


def test_every_tool_is_listed_and_has_its_help(readme, root, capsys):
    listed = set(re.findall(r'`python tools/(\w+)\.py', readme))
    assert listed == {path.stem for path in (root / 'tools').glob('[!_]*.py')} == TOOLS.keys()
    for module in TOOLS.values():
        with pytest.raises(SystemExit, match='0'):
            module.main(['--help'])
        assert capsys.readouterr().out.startswith('usage:')


def test_no_figure_is_missing(readme):
    assert not re.findall(
        r'\b[A-Z]+_[A-Z]+\b',
        readme.replace('MMSEG_EFF', 'x').replace('WORK_DIR', 'x').replace('PIP_ARGS', 'x'),
    )
