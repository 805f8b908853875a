import subprocess
import sys
import zipfile

import pytest


@pytest.fixture(scope='module')
def wheel(tmp_path_factory, root):
    out = tmp_path_factory.mktemp('wheel')
    command = [sys.executable, '-m', 'pip', 'wheel', '--quiet', '--no-deps', '--no-build-isolation']
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
    subprocess.run([*command, '--wheel-dir', str(out), str(source)], check=True)
    return zipfile.ZipFile(next(out.glob('*.whl')))


def test_wheel_carries_configs_and_tools(wheel, root):
    names = set(wheel.namelist())
    configs = [path.relative_to(root) for path in (root / 'configs').rglob('*.*') if path.is_file()]
    configs = [path for path in configs if '__pycache__' not in path.parts]
    assert len(configs) > 10
    for path in [*configs, 'model-index.yml', 'tools/train.py']:
        assert f'mmseg_eff/.mim/{path}' in names
    assert 'mmseg_eff/py.typed' in names
    tops = {name.split('/')[0] for name in names}
    assert tops == {'mmseg_eff', next(top for top in tops if top.endswith('.dist-info'))}


def test_wheel_names_its_extras(wheel, version):
    metadata = wheel.read(f'mmseg_eff-{version}.dist-info/METADATA').decode()
    extras = dict(openmmlab='mmsegmentation==1.2.2', onedl='onedl-mmcv', crf='pydensecrf2==1.1')
    for extra, requirement in extras.items():
        lines = [line for line in metadata.splitlines() if requirement in line]
        assert lines and all(f'extra == "{extra}"' in line for line in lines)
