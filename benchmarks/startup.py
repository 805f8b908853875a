"""Seconds from the start of a process to the first label of an image, here and in another checkout.

    python benchmarks/startup.py --against ../before --exported exported --repeats 5

Each turn starts a new process of each kind, one after the other; the table shows medians. The byte
code of all modules is written before the first turn, as an installed package has it. A dash is what
a checkout cannot do.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
PHOTO = ROOT / 'mmseg_eff/assets/street.jpg'
API = """
import mmseg_eff
model = mmseg_eff.load_model('camvid', device='cpu')
next(mmseg_eff.predict(model, {photo!r}))
"""
MMSEG = """
import mmseg_eff
from mmseg.apis import inference_model, init_model
inference_model(init_model({config!r}, {checkpoint!r}, device='cpu'), {photo!r})
"""
Kinds = dict[str, tuple[list[str], Path | None]]  # name -> arguments of Python, working folder


def kinds(args: argparse.Namespace, out: str) -> Kinds:
    """What is started, by its name in the table."""
    photo, command = str(args.photo.absolute()), ['-m', 'mmseg_eff']
    found: Kinds = {
        'import mmseg_eff': (['-c', 'import mmseg_eff'], None),
        'load_model, predict': (['-c', API.format(photo=photo)], None),
        'mmseg-eff predict': (
            [*command, 'predict', '--weights', 'camvid', photo, '--out', out],
            None,
        ),
        'mmseg-eff demo --photo': ([*command, 'demo', '--photo', '--work-dir', out], None),
    }
    if args.config:
        code = MMSEG.format(
            config=args.config, checkpoint=str(args.checkpoint.absolute()), photo=photo
        )
        found["mmseg's init_model, inference_model"] = (['-c', code], None)
    for folder in map(Path.absolute, args.exported):
        found[f'mmseg-eff predict {folder.name}'] = (
            [*command, 'predict', str(folder), photo, '--out', out],
            None,
        )
        found[f'{folder.name}/runtime.py'] = (['runtime.py', photo, '--out', out], folder)
    return found


def seconds(arguments: list[str], folder: Path, checkout: Path, cache: str) -> float | None:
    """Duration of a process of Python; ``None`` if it fails."""
    environment = {**os.environ, 'PYTHONPATH': str(checkout), 'PYTHONPYCACHEPREFIX': cache}
    environment.pop('PYTHONDONTWRITEBYTECODE', None)
    begin = time.perf_counter()
    result = subprocess.run(
        [sys.executable, '-W', 'ignore', *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
    )
    duration = time.perf_counter() - begin
    return None if result.returncode else duration


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--against', type=Path, help='another checkout of the project')
    parser.add_argument('--exported', type=Path, nargs='*', default=[], help='exported folders')
    parser.add_argument('--config', help='below both checkouts, for functions of mmseg alone')
    parser.add_argument('--checkpoint', type=Path, help='for --config')
    parser.add_argument('--photo', type=Path, default=PHOTO)
    parser.add_argument('--repeats', type=int, default=5)
    args = parser.parse_args()
    checkouts = {'before': args.against.absolute()} if args.against else {}
    checkouts['now'] = ROOT.absolute()
    times: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as cache, tempfile.TemporaryDirectory() as out:
        found = kinds(args, out)
        for turn in range(args.repeats + 1):
            for kind, (arguments, folder) in found.items():
                for name, checkout in checkouts.items():
                    if turn > 1 and (name, kind) not in times:
                        continue
                    duration = seconds(arguments, folder or checkout, checkout, cache)
                    if turn and duration is not None:
                        times.setdefault((name, kind), []).append(duration)
    print(f'| seconds | {" | ".join(checkouts)} | ratio |\n|---|{"--:|" * (len(checkouts) + 1)}')
    for kind in found:
        medians = [
            statistics.median(times[name, kind]) if (name, kind) in times else None
            for name in checkouts
        ]
        cells = ['–' if value is None else f'{value:.2f}' for value in medians]
        first, last = medians[0], medians[-1]
        ratio = f'{last / first:.2f}' if first and last and len(medians) > 1 else '–'
        print(f'| {kind} | {" | ".join(cells)} | {ratio} |')


if __name__ == '__main__':
    main()
