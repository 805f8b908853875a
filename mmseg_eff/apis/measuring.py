"""Measure networks: time and memory side by side, parameters and multiply-adds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from ..benchmarking.complexity import Complexity, check_size, complexity
from ..benchmarking.picture import plot
from ..benchmarking.report import Figures, check_writable, write_json
from ..benchmarking.run import PEERS, known_miou, make_images, measure
from ..benchmarking.stages import Candidate
from ..errors import InputError
from ..hub import find, resolve
from ..inference.published import config_of
from ..utils.names import HUB
from ..utils.numbers import check_at_least

__all__ = ['Candidate', 'Complexity', 'Figures', 'benchmark', 'complexity']

Network = str | Path | tuple[str | Path, str | Path | None] | Candidate


def benchmark(
    networks: Network | Sequence[Network],
    images: str | Path | Sequence[str | Path] = (),
    *,
    size: Sequence[int] | None = None,
    peers: bool = False,
    miou: Mapping[str, float] | None = None,
    repeats: int = 21,
    minutes: float = 0.0,
    threads: int = 2,
    json_file: str | Path | None = None,
    plot_file: str | Path | None = None,
    options: Mapping[str, object] | None = None,
) -> list[Figures]:
    """Time several networks from image file to label file, stage by stage, on the CPU.

    Each has a warm process of its own, and they run in turn on the same image, the first turn as
    warm-up. In a script, call this below ``if __name__ == '__main__':``.

        rows = benchmark([('config.py', 'weights.pth'), 'exports/onnx'], ['street.png'])
        print({row.name: row.milliseconds()['all'] for row in rows})  # median, 95th percentile

    Args:
        networks: Configs (a file, ``mmseg_eff::…`` or a bare name) with random weights, pairs of a
            config and a checkpoint (a file or ``hub:NAME``), names of published weights, folders
            of ``export``, or ``Candidate``s, which have a name of their own; else it is that of the
            file, folder or weights. One network needs no list; several need one, as a tuple is a
            config with its checkpoint.
        images: Image file or files, used in turn; a drawn street by default.
        size: Height and width in pixels: resize the images to this first, and leave the pipelines
            to do so out.
        peers: Add mmseg's own networks of this kind, ``PEERS``, with random weights.
        miou: mIoU in percent by name; the others' are looked up in the ``metafile.yaml`` beside
            their configs, measured at the recipe's own image size.
        repeats: Timed runs of each network, at least.
        minutes: Time for all of them together: the faster ones run more often in their part of it.
        threads: Threads of torch, OpenCV and the engines.
        json_file: File to write every measured second to.
        plot_file: PNG to draw mIoU over time in. An exported folder NETWORK_BACKEND is joined with
            the config NETWORK_….
        options: Settings of the configs to override, by dotted key; a ``Candidate`` has its own.

    Returns:
        Figures of each network, in the order given.

    Raises:
        InputError: If a config, checkpoint, export or image cannot be read, two networks have one
            name, ``miou`` names none of them, a file cannot be written, or the plot has no mIoU.
    """
    check_at_least(1, repeats=repeats, threads=threads)
    checked = check_size(size) if size is not None else None
    if isinstance(networks, str | Path | tuple):  # one network; a ``Candidate`` is a tuple
        networks = [networks]
    if isinstance(images, str | Path):
        images = [images]
    candidates = [as_candidate(network, options) for network in networks]
    if peers:
        candidates += [Candidate(name, f'mmseg::{path}') for name, path in PEERS.items()]
    miou = miou or {}
    check_names([candidate.name for candidate in candidates], miou)
    json_path, plot_path = (Path(file) if file else None for file in (json_file, plot_file))
    check_writable(path for path in (json_path, plot_path) if path)
    if plot_path and not miou and not any(map(find_miou, candidates)):
        raise InputError('--plot needs the --miou of one network at least')
    with TemporaryDirectory() as folder:
        paths = make_images(images, checked, Path(folder))
        figures = measure(
            candidates,
            paths,
            miou,
            repeats=repeats,
            threads=threads,
            keep_size=checked is not None,
            minutes=minutes,
        )
    if json_path:
        write_json(json_path, figures)
    if plot_path:
        plot(plot_path, figures)
    return figures


def as_candidate(network: Network, options: Mapping[str, object] | None) -> Candidate:
    """What to time, from any of the forms that ``benchmark`` takes."""
    if isinstance(network, Candidate):
        return network
    path, checkpoint = network if isinstance(network, tuple) else (network, None)
    config = config_of(path)
    if config != path:  # the name of published weights
        published = find(str(path)).name
        return Candidate(published, str(config), resolve(f'{HUB}{published}'), options)
    weights = None if checkpoint is None else resolve(str(checkpoint))
    name = Path(path).name.removesuffix('.py')  # a bare name may hold a dot
    return Candidate(name, str(path), weights, options)


def check_names(names: Sequence[str], miou: Mapping[str, float]) -> None:
    """Refuse equal names, no network, and the mIoU of one that is not there.

    Raises:
        InputError: For the first fault.
    """
    if not names:
        raise InputError('there is no network to measure')
    if len(set(names)) < len(names):
        raise InputError(f'two of the networks have the same name: {", ".join(sorted(names))}')
    for name in miou:
        if name not in names:
            raise InputError(f'--miou: no network {name!r}; there are {", ".join(names)}')


def find_miou(candidate: Candidate) -> float | None:
    """The published mIoU of a config; ``None`` for an exported folder."""
    return None if candidate.is_export else known_miou(candidate.config())
