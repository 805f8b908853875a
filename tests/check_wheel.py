"""Install a wheel or sdist into a fresh environment and use it from another folder.

    python tests/check_wheel.py dist/NAME.whl dist/NAME.tar.gz [--stack onedl]

Each file gets an environment of its own, and there: the command and its version, the network of the
package on a photo, the import, a training of two iterations, a prediction by command and by
function, and an export that predicts without its checkpoint. ``make check-wheel`` runs it on what
it builds.
"""

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

CONFIG = 'espnet-p2q3_1xb8-0.6k_toystreet-128x256'
DATA = """
from mmseg_eff.datasets import make_toy_street
make_toy_street('data/toystreet', num_train=4, num_val=2, size=(64, 128))
"""
IN_PLACE = '{split}_dataloader.num_workers=0 {split}_dataloader.persistent_workers=False'
TINY = [
    *('--cfg-options', 'train_cfg.max_iters=2', 'train_cfg.val_interval=2'),
    *('train_dataloader.batch_size=2', 'default_hooks.checkpoint.interval=2'),
    *(word for split in ('train', 'val') for word in IN_PLACE.format(split=split).split()),
]
IN_TEST = ['--cfg-options', *IN_PLACE.format(split='test').split()]
API = f"""
import mmseg_eff
model = mmseg_eff.load_model('{CONFIG}', 'work/iter_2.pth')
predictions = list(mmseg_eff.predict(model, 'data/toystreet/images/val'))
assert [prediction.labels.shape for prediction in predictions] == [(64, 128)] * 2
"""
INFERENCER = f"""
import mmseg_eff
from mmseg.apis import MMSegInferencer
inferencer = MMSegInferencer('{CONFIG}', 'work/iter_2.pth', device='cpu')
labels = inferencer('data/toystreet/images/val/0000.png')['predictions']
assert labels.shape == (64, 128)
"""


def run(words: list[str], folder: Path, environment: dict[str, str]) -> str:
    """Run a command in a folder and return what it prints; its failure ends the check."""
    print('$', shlex.join(word.strip() for word in words), flush=True)
    done = subprocess.run(
        words, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, timeout=1800
    )
    if done.returncode:
        sys.exit(f'{done.stdout[-3000:]}\nexit status {done.returncode}')
    return done.stdout


def install(archive: Path, stack: str, torch: str, pip_args: list[str], folder: Path) -> Path:
    """An environment in a folder, with the archive and a stack; the folder of its programs."""
    environment = folder / 'environment'
    run([sys.executable, '-m', 'venv', str(environment)], folder, clean_environment())
    programs = environment / ('Scripts' if os.name == 'nt' else 'bin')
    pip = [str(programs / 'python'), '-m', 'pip', 'install', '--quiet', *pip_args]
    run([*pip, torch], folder, clean_environment())
    run([*pip, torch, f'{archive}[{stack},deploy]'], folder, clean_environment())
    return programs


def clean_environment() -> dict[str, str]:
    """This process's environment without what would find a checkout."""
    return {key: value for key, value in os.environ.items() if not key.startswith('PYTHON')}


def steps(programs: Path) -> Iterator[list[str]]:
    """The commands of the check, in order."""
    python, command = str(programs / 'python'), str(programs / 'mmseg-eff')
    images = 'data/toystreet/images/val'
    yield [command, '--help']
    yield [command, '--version']
    yield [python, '-m', 'mmseg_eff', '--version']
    yield [command, 'demo', '--photo', '--work-dir', 'photo']
    yield [python, '-c', DATA]
    yield [command, 'train', CONFIG, '--work-dir', 'work', *TINY]
    yield [command, 'test', CONFIG, 'work/iter_2.pth', '--work-dir', 'tested', *IN_TEST]
    yield [command, 'predict', CONFIG, 'work/iter_2.pth', images, '--out', 'predicted']
    yield [python, '-c', API]
    yield [python, '-c', INFERENCER]
    yield [command, 'export', CONFIG, 'work/iter_2.pth', '--out', 'exported', '--images', images]
    yield [command, 'predict', 'exported', images, '--out', 'predicted_by_export']


def check(archive: Path, stack: str, torch: str, pip_args: list[str]) -> None:
    """Install an archive and run all steps in a temporary folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        programs = install(archive, stack, torch, pip_args, folder)
        for words in steps(programs):
            printed = run(words, folder, clean_environment())
            if words[-1] == '--version':
                assert archive.name.split('-')[1].removesuffix('.tar.gz') in printed, printed
        assert (folder / 'photo/overlays/street.png').is_file()
        names = {path.name for path in (folder / 'data/toystreet/images/val').iterdir()}
        for out in ('predicted', 'predicted_by_export'):
            labels = {path.name for path in (folder / out / 'labels').iterdir()}
            assert labels == names, f'{out}/labels has {sorted(labels)}'
    print(f'{archive.name}: works')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('archives', nargs='+', type=Path, metavar='FILE', help='wheel or sdist')
    parser.add_argument('--stack', default='openmmlab', choices=['openmmlab', 'onedl'])
    parser.add_argument('--torch', default='torch==2.13.0', help='requirement of torch')
    parser.add_argument('--pip-args', default='', help='for pip, such as an index')
    args = parser.parse_args()
    for archive in args.archives:
        check(archive.resolve(), args.stack, args.torch, shlex.split(args.pip_args))


if __name__ == '__main__':
    main()
