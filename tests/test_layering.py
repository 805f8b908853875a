"""Who may import whom: layers < backbones, necks < heads, losses < engine, data < apis < tools."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / 'mmseg_eff'
OUTSIDE = {'torch', 'numpy', 'mmcv.cnn', 'mmengine.model', 'mmseg.registry'}
ALLOWED = {  # folder of mmseg_eff -> own modules it may import, beside its own folder
    'models/layers': set(),
    'models/backbones': {'models.layers'},
    'models/necks': {'models.layers'},
    'models/decode_heads': {'models.layers', 'models.backbones'},
    'models/losses': set(),
    'models/segmentors': {'models.layers'},
    'reading': {'compat'},
    'engine': {'compat', 'errors', 'files', 'reading'},
    'deploy': {'errors', 'files', 'models', 'datasets'},
    'datasets': {'errors', 'files'},
    'evaluation': {'errors'},
    'converters': {'compat', 'errors', 'files', 'models', 'datasets', 'reading'},
    'hub': {'errors', 'files', 'converters'},
    'apis': {'errors', 'files', 'models', 'datasets', 'engine', 'converters', 'deploy', 'compat'}
    | {'hub'},
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


def imports(path):
    """Absolute names of the modules that a file imports."""
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


def within(module, allowed):
    return any(module == name or module.startswith(f'{name}.') for name in allowed)


@pytest.mark.parametrize('folder', ALLOWED)
def test_own_imports_follow_the_layers(folder):
    allowed = ALLOWED[folder] | {folder.replace('/', '.')}
    for path in files(folder):
        for module in imports(path):
            if module.startswith('mmseg_eff'):
                own = module.removeprefix('mmseg_eff').removeprefix('.')
                assert within(own, allowed), f'{path} imports {module}'


@pytest.mark.parametrize('folder', ['models/layers', 'models/backbones', 'models/necks'])
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


def test_every_folder_is_covered():
    folders = {str(path.parent.relative_to(PACKAGE)) for path in PACKAGE.rglob('*.py')}
    folders -= {'.', 'models', '.mim/configs', '.mim/tools'}
    uncovered = [f for f in folders if not f.startswith('.mim') and not within_folder(f)]
    assert uncovered == []


def within_folder(folder):
    return any(folder == name or folder.startswith(f'{name}/') for name in ALLOWED)


def test_tools_are_doors():
    tools = sorted((PACKAGE.parent / 'tools').glob('[!_]*.py'))
    assert tools
    alike = set()
    for path in tools:
        assert set(imports(path)) == {'sys', '_interrupts', f'mmseg_eff.apis.{path.stem}'}
        alike.add(path.read_text().partition('\n')[2].replace(f'.{path.stem} ', '.NAME '))
    assert len(alike) == 1 and len(alike.pop().splitlines()) <= 14
