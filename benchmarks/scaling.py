"""Time and memory as the work grows, one picture for each axis:

    python benchmarks/scaling.py OUT [--axis size|batch|classes|folder] [--docs docs]

Each point runs in a process of its own, 2 threads. OUT gets ``scaling.json`` after every point, so
that a stopped run goes on, and the pictures. ``--docs`` writes both into docs/ with the table.
"""

import argparse
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from own_process import in_process
from scaling_fit import exponents, table
from scaling_picture import draw

from mmseg_eff.utils.atomic_io import replacing

LIMIT = 300  # seconds of a point
LONG = 10  # seconds of a call that is not repeated
BUDGET = 1.5  # seconds of the repeated calls
MOST_REPEATS = 7
BEGIN, END = '<!-- scaling.py begins -->\n', '<!-- scaling.py ends -->\n'


class Axis(NamedTuple):
    """What grows.

    Attributes:
        label: Its name in the picture.
        title: What one call of a series does, in the picture.
        series: Points of each series; the names are keys of ``works``.
    """

    label: str
    title: str
    series: Mapping[str, Sequence[float]]


SIZES = (0.25, 0.5, 1, 2, 4, 8, 16, 32)
BATCHES = (1, 2, 4, 8, 16, 32)
CLASSES = (2, 10, 19, 50, 100, 200, 500, 1000)
FEW_CLASSES = (2, 19, 100, 300, 1000)
COUNTS = (10, 100, 1000, 10000)
AXES = {
    'size': Axis(
        'megapixels of an image (1 to 2)',
        'ESPNetv2 s 0.5, one image',
        {
            'torch': SIZES,
            'OpenVINO': SIZES,
            'ONNX Runtime': SIZES,
            'export': SIZES,
            'tiles of 512': SIZES[2:],
            'overlay': SIZES,
        },
    ),
    'batch': Axis(
        'images of 128x256 in a batch',
        'ESPNetv2 s 0.5, one batch',
        {'torch': BATCHES, 'OpenVINO': BATCHES, 'training step': BATCHES},
    ),
    'classes': Axis(
        'number of classes',
        'one image of 512x1024; a training step of 2 of 128x256',
        {
            'torch': CLASSES,
            'OpenVINO': FEW_CLASSES,
            'export': FEW_CLASSES,
            'training step': CLASSES,
            'mean IoU': CLASSES,
            'trimap': CLASSES,
            'confusion matrix': CLASSES,
            'its files': CLASSES,
            'overlay, legend': CLASSES,
        },
    ),
    'folder': Axis(
        'files of 32x64 in a folder',
        'a small ESPNet, one folder',
        dict.fromkeys(
            (
                'predict, torch',
                'predict, OpenVINO',
                'pseudo_label',
                'class_share',
                'check_dataset',
                'class_weights',
                'test',
            ),
            COUNTS,
        ),
    ),
}
ONCE = ('export', 'its files', *AXES['folder'].series)  # too long, or writes what it would find


def works(axis: str, point: float, folder: Path, shared: Path) -> dict[str, Callable]:
    """What prepares the work of each series of an axis at a point."""
    import scaling_cases as cases
    import scaling_folders as folders

    count = int(point)
    if axis == 'size':
        size = cases.size_of(point)
        return {
            'torch': partial(cases.predict, folder, size),
            'OpenVINO': partial(cases.run_export, shared, size),
            'ONNX Runtime': partial(cases.run_export, shared, size, engine='onnx'),
            'export': lambda: cases.exported(folder, size)[1],
            'tiles of 512': partial(cases.tiles, folder, size),
            'overlay': partial(cases.overlay, folder, size),
        }
    if axis == 'batch':
        return {
            'torch': partial(cases.predict_batch, folder, count),
            'OpenVINO': partial(cases.run_export, shared, cases.CROP, batch=count),
            'training step': partial(cases.train, count),
        }
    if axis == 'classes':
        return {
            'torch': partial(cases.predict, folder, cases.FRAME, count),
            'OpenVINO': partial(cases.run_export, shared, cases.FRAME, num_classes=count),
            'export': lambda: cases.exported(folder, cases.FRAME, count)[1],
            'training step': partial(cases.train, 2, count),
            'mean IoU': partial(cases.mean_iou, count),
            'trimap': partial(cases.trimap, count),
            'confusion matrix': partial(cases.confusion, count),
            'its files': partial(cases.write_confusion, folder, count),
            'overlay, legend': partial(cases.overlay, folder, cases.FRAME, count),
        }
    return {
        'predict, torch': partial(folders.predict, folder, shared, count),
        'predict, OpenVINO': partial(folders.predict_export, folder, shared, count),
        'pseudo_label': partial(folders.pseudo_label, folder, shared, count),
        'class_share': partial(folders.pseudo_label, folder, shared, count, class_share=0.5),
        'check_dataset': partial(folders.check, shared, count),
        'class_weights': partial(folders.weights, shared, count),
        'test': partial(folders.evaluate, folder, shared, count),
    }


def measure(axis: str, series: str, point: float, shared: str, answer: str) -> None:
    """Measure a point in this process, which must be a new one, and write JSON. Linux only.

    Memory is the most that is resident beyond what the prepared work holds.
    """
    import cv2
    import torch
    from scaling_cases import THREADS

    from mmseg_eff.benchmarking.memory import resident
    from mmseg_eff.utils.printing import quiet_warnings
    from mmseg_eff.utils.timing import seconds_of

    quiet_warnings()
    torch.set_num_threads(THREADS)
    cv2.setNumThreads(THREADS)
    with TemporaryDirectory(dir=shared) as folder:
        work = works(axis, point, Path(folder), Path(shared))[series]()
        Path('/proc/self/clear_refs').write_text('5')  # the peak begins anew
        before = resident('VmRSS')
        seconds = [seconds_of(work)]
        if series not in ONCE and seconds[0] < LONG:
            seconds = [seconds_of(work)]  # the first one warmed up
            while sum(seconds) < BUDGET and len(seconds) < MOST_REPEATS:
                seconds.append(seconds_of(work))
        figures = dict(
            seconds=median(seconds), calls=len(seconds), megabytes=resident('VmHWM') - before
        )
        files = [path for path in Path(folder).rglob('model.*') if path.is_file()]
        if series == 'export':
            figures['file megabytes'] = sum(path.stat().st_size for path in files) / 1e6
    Path(answer).write_text(json.dumps(figures))


def run(axis: str, out: Path, results: dict[str, dict]) -> None:
    """Measure the points of an axis that are still missing, small ones first."""
    path, of_axis = out / 'scaling.json', results.setdefault(axis, {})
    jobs = [(point, name) for name, points in AXES[axis].series.items() for point in points]
    for point, name in sorted(jobs):
        rows = of_axis.setdefault(name, [])
        if any(row['point'] == point or 'reason' in row for row in rows):
            continue
        answer, load = out / 'point.json', os.getloadavg()[0]
        arguments = (axis, name, point, str(out / 'work'), str(answer))
        reason = in_process(measure, *arguments, log=out / 'point.log', limit=LIMIT)
        row = dict(reason=reason) if reason else json.loads(answer.read_text())
        rows.append(dict(point=point, load=round(load, 2), **row))
        print(axis, name, rows[-1], flush=True)
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(results, indent=1) + '\n')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('out', type=Path)
    parser.add_argument('--axis', choices=AXES, action='append', help='may be given several times')
    parser.add_argument('--docs', type=Path, help='write pictures, JSON and table there, too')
    args = parser.parse_args()
    path = args.out / 'scaling.json'
    results = json.loads(path.read_text()) if path.is_file() else {}
    (args.out / 'work').mkdir(parents=True, exist_ok=True)
    for axis in args.axis or AXES:
        run(axis, args.out, results)
    shutil.rmtree(args.out / 'work')
    measured = {
        axis: {
            name: [row for row in results[axis][name] if 'reason' not in row]
            for name in AXES[axis].series
        }
        for axis in AXES
        if axis in results
    }
    for axis, of_axis in measured.items():
        series = {
            name: (rows, exponents([row['point'] for row in rows], rows))
            for name, rows in of_axis.items()
            if rows
        }
        draw(args.out / f'scaling_{axis}.png', AXES[axis].label, AXES[axis].title, series)
        if args.docs:
            shutil.copy(args.out / f'scaling_{axis}.png', args.docs / 'images')
    if args.docs:
        shutil.copy(path, args.docs / 'results')
        page = args.docs / 'results/scaling.md'
        before, _, rest = page.read_text().partition(BEGIN)
        after = rest.partition(END)[2]
        pictures = ''.join(f'![{axis}](../images/scaling_{axis}.png)\n\n' for axis in measured)
        page.write_text(f'{before}{BEGIN}\n{pictures}{table(measured)}\n{END}{after}')
    print(table(measured))


if __name__ == '__main__':
    main()
