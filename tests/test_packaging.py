"""The wheel and the sdist: what is in them, and that every import is a declared requirement.

``make check-wheel`` installs them (``check_wheel.py``).
"""

import ast
import re
import subprocess
import sys
import tarfile
import zipfile

import pytest
from test_layering import all_files

STACKS = ('openmmlab', 'onedl')
IMPORTS = {  # distribution -> what it is imported as, where that is another name
    'ai-edge-litert': 'ai_edge_litert',
    'ai-edge-quantizer': 'ai_edge_quantizer',
    'litert-torch': 'litert_torch',
    'mmcv-lite': 'mmcv',
    'mmsegmentation': 'mmseg',
    'onedl-mmcv': 'mmcv',
    'onedl-mmengine': 'mmengine',
    'onedl-mmsegmentation': 'mmseg',
    'opencv-python': 'cv2',
    'openslide-python': 'openslide',
    'pillow': 'PIL',
    'pydensecrf2': 'pydensecrf',
    'pyyaml': 'yaml',
}
OPTIONAL = {  # imported where it is there: a part of torch's builds for NVIDIA
    'triton',
}
BESIDE = {
    'engine',
    'engines',
    'runtime',
    'runtime_checks',
    'runtime_images',
    'runtime_scores',
    'runtime_segmenter',
    'triton_python_backend_utils',
}  # of an exported folder, whose runtime.py runs without the package, and of Triton's own Python

OF_EXTRA = {'lit_server.py': {'fastapi', 'litserve', 'starlette'}}  # imported in a function

SHIPPED = ('assets/street.jpg', 'assets/street.LICENCE.txt', 'hub/networks/camvid.safetensors')


@pytest.fixture(scope='module')
def source(tmp_path_factory, root):
    """A copy of the repository's files, without what git ignores."""
    source = tmp_path_factory.mktemp('source') / 'mmseg_eff'
    names = subprocess.run(
        ['git', 'ls-files', '--cached', '--others', '--exclude-standard'],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    for name in filter(lambda name: (root / name).is_file(), names):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((root / name).read_bytes())
    return source


@pytest.fixture(scope='module')
def wheel(tmp_path_factory, source):
    out = tmp_path_factory.mktemp('wheel')
    command = [sys.executable, '-m', 'pip', 'wheel', '--quiet', '--no-deps', '--no-build-isolation']
    subprocess.run([*command, '--wheel-dir', str(out), str(source)], check=True)
    return zipfile.ZipFile(next(out.glob('*.whl')))


@pytest.fixture(scope='module')
def metadata(wheel, version):
    return wheel.read(f'mmseg_eff-{version}.dist-info/METADATA').decode()


@pytest.fixture(scope='module')
def requirements(metadata):
    """Import names of the requirements by extra; ``''`` has those of every installation."""
    found = {}
    for line in re.findall(r'^Requires-Dist: (.+)$', metadata, re.M):
        name = re.match(r'[\w.-]+', line)[0].lower()
        extra = re.search(r'extra == "(\w+)"', line)
        found.setdefault(extra[1] if extra else '', set()).add(IMPORTS.get(name, name))
    return found


def names_imported(tree):
    """Absolute names that code imports, also by ``import_module``, anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = getattr(node.func, 'attr', getattr(node.func, 'id', ''))
            if called in ('import_module', 'deploy_package') and node.args[0].value[0] != '.':
                yield node.args[0].value


def others_of(tree):
    """Packages of others that code imports."""
    tops = {name.partition('.')[0] for name in names_imported(tree)}
    return tops - {'mmseg_eff', *sys.stdlib_module_names}


def when_imported(path):
    """What a file runs as soon as it is imported: all but its functions and their types' names."""
    tree = ast.parse(path.read_text())
    for node in list(ast.walk(tree)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.body, node.decorator_list = [], []
        elif isinstance(node, ast.If) and 'TYPE_CHECKING' in ast.unparse(node.test):
            node.body = []
    return tree


def test_wheel_carries_configs_and_tools(wheel, root):
    names = set(wheel.namelist())
    configs = [path.relative_to(root) for path in (root / 'configs').rglob('*.*') if path.is_file()]
    configs = [path for path in configs if '__pycache__' not in path.parts]
    assert configs
    for path in [*configs, 'model-index.yml', 'tools/train.py']:
        assert f'mmseg_eff/.mim/{path}' in names
    assert {'mmseg_eff/py.typed', 'mmseg_eff/hub/index.json'} <= names
    for path in (
        'assets/street.jpg',
        'assets/street.LICENCE.txt',
        'hub/networks/camvid.safetensors',
    ):
        assert wheel.read(f'mmseg_eff/{path}') == (root / 'mmseg_eff' / path).read_bytes()
    tops = {name.split('/')[0] for name in names}
    assert tops == {'mmseg_eff', next(top for top in tops if top.endswith('.dist-info'))}


def test_wheel_has_every_module(wheel, root):
    assert {str(path.relative_to(root)) for path in all_files()} <= set(wheel.namelist())


def test_wheel_has_the_command(wheel, version):
    scripts = wheel.read(f'mmseg_eff-{version}.dist-info/entry_points.txt').decode()
    assert scripts.splitlines() == ['[console_scripts]', 'mmseg-eff = mmseg_eff.commands:main']


def test_wheel_names_its_pythons(metadata):
    """The classifiers, ``python_requires`` and the README agree."""
    minors = re.findall(r'^Classifier: Programming Language :: Python :: 3\.(\d+)$', metadata, re.M)
    low, high = re.search(r'^Requires-Python: .*', metadata, re.M)[0].partition(' ')[2].split(',')
    bounds = sorted(int(bound.rpartition('.')[2]) for bound in (low, high))
    assert [int(minor) for minor in minors] == [*range(*bounds)]
    assert f'Python 3.{minors[0]} to 3.{minors[-1]}' in metadata.partition('\n\n')[2]


def test_sdist_builds_the_same_wheel(source, wheel, tmp_path):
    """It has all that setup.py reads; the lists of files are compared without building again."""
    command = 'import sys; from setuptools.build_meta import build_sdist; build_sdist(sys.argv[1])'
    subprocess.run([sys.executable, '-c', command, str(tmp_path)], cwd=source, check=True)
    with tarfile.open(next(tmp_path.glob('*.tar.gz'))) as sdist:
        names = {name.partition('/')[2] for name in sdist.getnames()}
    shipped = {name.replace('mmseg_eff/.mim/', '') for name in wheel.namelist()}
    assert {name for name in shipped if '.dist-info/' not in name} <= names
    assert {'LICENSE', 'README.md', 'pyproject.toml', 'setup.py'} <= names
    assert {path.name for path in source.glob('requirements/*')} == {
        name.rpartition('/')[2] for name in names if re.fullmatch(r'requirements/.+', name)
    }


def test_every_import_is_declared(requirements):
    declared = set().union(*requirements.values()) | OPTIONAL | BESIDE
    found = {path: others_of(ast.parse(path.read_text())) for path in all_files()}
    assert len(set().union(*found.values())) > 10
    assert {path.name: names - declared for path, names in found.items() if names - declared} == {}


def test_extras_but_the_stack_are_imported_in_functions(requirements):
    """So every module can be imported without them."""
    for stack in STACKS:
        assert {'mmcv', 'mmengine', 'mmseg'} <= requirements[stack]
    always = requirements[''] | (requirements['openmmlab'] & requirements['onedl']) | BESIDE
    found = {path: others_of(when_imported(path)) for path in all_files()}
    assert len(set().union(*found.values())) > 5
    for path in found:  # its classes are those of the extra
        found[path] -= OF_EXTRA.get(path.name, set())
    assert {path.name: names - always for path, names in found.items() if names - always} == {}


def test_stacks_are_pinned(metadata):
    """The tested versions; a stack of other versions is the user's choice, without the extra."""
    for stack in STACKS:
        lines = re.findall(rf'^Requires-Dist: (.+); extra == "{stack}"$', metadata, re.M)
        assert len([line for line in lines if re.match(r'\S*mm\S+==[\d.]+$', line.strip())]) == 3


def test_one_version_everywhere(root, version):
    """The newest release of CHANGELOG.md, and CITATION.cff."""
    releases = re.findall(
        r'^## \[(\d[^\]]*)\] - \d{4}-\d\d-\d\d$', (root / 'CHANGELOG.md').read_text(), re.M
    )
    assert releases[0] == version
    assert f'\nversion: {version}\n' in (root / 'CITATION.cff').read_text()
