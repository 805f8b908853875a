"""Labels of images from an exported folder, with its engine and neither torch nor mmseg.

The export puts a copy of this file into the folder. It needs Python, numpy and the engine, and to
read files OpenCV or Pillow. As a command, it writes the labels of images as PNG files:

    python runtime.py image.png --out labels

And in a program:

    from runtime import load_runtime, read_image

    segmenter = load_runtime('exported')
    labels = segmenter.segment(read_image('image.png', segmenter.report['loading']))
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from numpy.typing import NDArray

if TYPE_CHECKING or __package__:
    from .backends import Backend, find_backend
    from .engines import engine_errors, import_engine
    from .runtime_checks import REPORT, check_file, read_report
    from .runtime_images import read_image, write_labels
    from .runtime_segmenter import Segmenter
else:  # in an exported folder, with the one backend that made it
    import engine
    from engines import engine_errors, import_engine
    from runtime_checks import REPORT, check_file, read_report
    from runtime_images import read_image, write_labels
    from runtime_segmenter import Segmenter

    def find_backend(_name):
        return engine


__all__ = ['Segmenter', 'load_network', 'load_runtime', 'read_image']


def load_runtime(folder: str | Path, threads: int = 0, verify: bool = True) -> Segmenter:
    """Load an exported folder.

    Args:
        folder: The folder, with ``report.json``.
        threads: Threads of the CPU; the engine chooses with 0.
        verify: Compare the size and the SHA-256 of its files with the report's. This finds
            damage; who changes a file on purpose can change the report, too.

    Raises:
        ValueError: If it is no such folder or damaged, or its engine is not installed.
    """
    folder = Path(folder)
    report = read_report(folder / REPORT)
    try:
        backend_of(report)
    except ValueError as error:
        raise ValueError(f'{folder / REPORT}: no report of an export: {error}') from error
    for name, facts in report['files'].items() if verify else ():
        check_file(folder, name, facts)
    return load_network(folder, report, threads)


def load_network(folder: Path, report: dict, threads: int = 0) -> Segmenter:
    """Load the network in a folder, whose files are checked already.

    Args:
        folder: The folder; it needs no ``report.json``.
        report: What that says of the network.
        threads: Threads of the CPU; the engine chooses with 0.

    Raises:
        ValueError: If the engine refuses the network or is not installed.
    """
    path, backend = folder / report['model'], report['backend']
    module = backend_of(report)
    package = import_engine(module.ENGINE, module.INSTALL, backend)
    with engine_errors(path):
        run = module.load(package, path, threads, report)

    def run_network(inputs: dict[str, NDArray]) -> NDArray:
        with engine_errors(path):
            return run(inputs)

    return Segmenter(report, run_network)


def backend_of(report: dict) -> 'Backend':
    """The backend that a report names, once its network is of that kind.

    Raises:
        ValueError: If there is none, or the network is of another.
    """
    backend, model = find_backend(report['backend']), Path(report['model'])
    suffix = Path(backend.MODEL).suffix
    if model.suffix != suffix:
        raise ValueError(
            f'model must end with {suffix} for backend {report["backend"]}, got {model}'
        )
    for name in backend.FILES:
        file = model.with_suffix(Path(name).suffix).as_posix()
        if file not in report['files']:
            raise ValueError(f'files must list {file}, of which the network is made')
    return backend


def main(argv: Sequence[str] | None = None) -> int:
    """Write the labels of images with the network in the folder of this file.

    Returns:
        Status of the process: 1 if an image failed, with a line for each on stderr.
    """
    parser = argparse.ArgumentParser(
        prog='runtime.py', description='Label images with the network in the folder of this file.'
    )
    parser.add_argument('images', nargs='+', type=Path, metavar='IMAGE')
    parser.add_argument('--out', type=Path, required=True, help='folder of the labels, as grey PNG')
    parser.add_argument('--threads', type=int, default=0, help='CPU threads; the engine chooses')
    args = parser.parse_args(argv)
    targets = [args.out / f'{path.stem}.png' for path in args.images]
    if len(set(targets)) < len(targets):
        parser.error('two images have one name, so that their labels would')
    failed = 0
    try:
        segmenter = load_runtime(Path(__file__).parent, args.threads)
        if segmenter.report['loading'] is None:
            raise ValueError('the images of this network are read by a transform of its own')
        args.out.mkdir(parents=True, exist_ok=True)
    except (ValueError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    for path, target in zip(args.images, targets, strict=True):
        try:
            image = read_image(path, segmenter.report['loading'])
            write_labels(target, segmenter.segment(image))
        except (ValueError, OSError) as error:
            named = str(error) if str(path) in str(error) else f'{path}: {error}'
            print(f'error: {named}', file=sys.stderr)
            failed += 1
    return int(failed > 0)


if __name__ == '__main__':
    sys.exit(main())
