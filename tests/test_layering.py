"""Who may import whom: imports run downwards only, and no folder is a catch-all."""

import ast
from collections import Counter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / 'mmseg_eff'
OUTSIDE = {'torch', 'numpy', 'mmcv.cnn', 'mmengine.model', 'mmseg.registry'}
LAYERS = (  # a module imports its own folder and what stands above it in this list
    ('errors', 'version', '_moved', '_lazy_packages'),
    ('_lazy_registries',),
    ('utils',),
    ('models/layers',),
    ('models/backbones', 'models/necks', 'models/losses'),
    ('models/decode_heads', 'models/segmentors'),
    ('models',),
    ('datasets',),
    ('compat', 'registry'),
    ('checkpoint', 'evaluation'),
    ('engine',),
    ('visualization',),
    ('dataset_check', 'label_formats', 'converters'),
    ('hub',),
    ('deploy',),
    ('safe_config',),
    ('config',),
    ('inference',),
    ('training', 'self_training', 'benchmarking', 'own_data', 'serving'),
    ('registration',),
    ('apis',),
    ('commands',),
    ('__init__', '__main__'),
)
NETWORKS = ('models/layers', 'models/backbones', 'models/necks')
MODELS = {  # folders of networks may import these alone
    'models/layers': (),
    'models/backbones': ('models/layers',),
    'models/necks': ('models/layers',),
    'models/decode_heads': ('models/layers', 'models/backbones'),
    'models/losses': (),
    'models/segmentors': ('models/layers',),
}
STANDARD = {
    'collections',
    'importlib.util',
    'itertools',
    'functools',
    'math',
    'typing',
    'collections.abc',
    '__future__',
}


def files(folder):
    return [file for file in sorted((PACKAGE / folder).rglob('*.py')) if file.name != '__init__.py']


def all_files():
    return [file for file in sorted(PACKAGE.rglob('*.py')) if '.mim' not in file.parts]


def imports(path):
    """Absolute names of the modules that a file imports, anywhere in it."""
    package = path.relative_to(PACKAGE.parent).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = '.'.join(package[: len(package) - node.level + 1]) if node.level else ''
            if node.module:
                yield '.'.join(filter(None, (base, node.module)))
            else:
                yield from (f'{base}.{alias.name}' for alias in node.names)


def place(name):
    """Layer and folder of a module of ours, such as ``models/layers/aspp``."""
    found = [
        (level, folder)
        for level, folders in enumerate(LAYERS)
        for folder in folders
        if name == folder or name.startswith(f'{folder}/')
    ]
    assert found, f'{name} is in no layer'
    return max(found, key=lambda item: len(item[1]))


def test_imports_run_downwards_only():
    seen = set()
    for path in all_files():
        name = str(path.relative_to(PACKAGE).with_suffix(''))
        level, folder = place(name.removesuffix('/__init__'))
        seen.add(folder)
        for module in imports(path):
            if module.startswith('mmseg_eff.'):
                below, of = place(module.removeprefix('mmseg_eff.').replace('.', '/'))
                assert below < level or of == folder, f'{path} imports {module}'
    assert seen >= {folder for folders in LAYERS[:-3] for folder in folders} - {'models'}


def test_no_folder_is_a_catch_all():
    """A fifth of the package at most, but for the networks."""
    lines = Counter()
    for path in all_files():
        lines[path.relative_to(PACKAGE).parts[0]] += path.read_text().count('\n')
    del lines['models']
    folder, most = lines.most_common(1)[0]
    assert most < 0.2 * lines.total(), folder


def within(module, allowed):
    return any(module == name or module.startswith(f'{name}.') for name in allowed)


@pytest.mark.parametrize('folder', MODELS)
def test_networks_import_little_of_ours(folder):
    allowed = {f'mmseg_eff.{name.replace("/", ".")}' for name in (folder, *MODELS[folder])}
    for path in files(folder):
        for module in imports(path):
            if module.startswith('mmseg_eff'):
                assert within(module, allowed), f'{path} imports {module}'


@pytest.mark.parametrize('folder', NETWORKS)
def test_networks_need_no_compiled_ops(folder):
    outside = OUTSIDE | STANDARD
    if folder == 'models/backbones':  # three of them extend mmseg's
        outside |= {'mmseg.models.backbones', 'mmseg.models.utils'}
    for path in files(folder):
        for module in imports(path):
            ok = module.startswith('mmseg_eff') or within(module, outside)
            assert ok, f'{path} imports {module}'


def test_backbones_do_not_import_each_other():
    backbones = files('models/backbones')
    assert backbones
    for path in backbones:
        others = {
            f'mmseg_eff.models.backbones.{other.stem}' for other in backbones if other != path
        }
        assert not others & set(imports(path))


def test_tools_are_doors():
    tools = sorted((PACKAGE.parent / 'tools').glob('*.py'))
    assert tools
    alike = set()
    for path in tools:
        assert set(imports(path)) == {'sys', f'mmseg_eff.commands.{path.stem}'}
        alike.add(path.read_text().partition('\n')[2].replace(f'.{path.stem} ', '.NAME '))
    assert len(alike) == 1 and len(alike.pop().splitlines()) <= 10
