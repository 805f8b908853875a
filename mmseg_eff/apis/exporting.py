"""Export a network to ONNX, OpenVINO or TensorRT, checked against the original on images."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from mmengine.config import Config

from .. import deploy
from ..benchmarking.complexity import check_size
from ..config.load import as_config
from ..deploy import Agreement, Int8Data, Int8Figures, Latency
from ..errors import InputError
from ..hub import resolve
from ..inference.inputs import SUFFIXES, collect_sources, suffixes_of
from ..inference.segmentor import ImageSegmentor, load_segmentor
from ..utils.numbers import check_at_least


@dataclass(frozen=True)
class Export:
    """An exported folder and what was measured of it.

    Attributes:
        folder: The folder, for ``mmseg_eff.deploy.load_runtime`` and ``tools/predict.py``.
        report: Content of its ``report.json``: the fields below, the network's inputs and classes,
            ``versions`` of the packages, ``checkpoint_sha256``, and size and SHA-256 of the
            ``files``.
    """

    folder: Path
    report: dict

    @property
    def agreement(self) -> Agreement:
        """Labels of the float32 export compared with those of the original."""
        return Agreement(**self.report['agreement'])

    @property
    def latency_ms(self) -> Latency:
        """Milliseconds from a loaded image to its labels, of the original and of the export."""
        return Latency(**self.report['latency_ms'])

    @property
    def int8(self) -> Int8Figures | None:
        """Accuracy and time of ``openvino-int8`` beside float32; ``None`` for other backends."""
        figures = self.report.get('int8')
        return figures and Int8Figures(
            images=figures['images'],
            miou=tuple(figures['miou']),
            network_ms=tuple(figures['network_ms']),
            agreement=Agreement(**figures['agreement']),
        )


def export(
    config: str | Path | Config,
    checkpoint: str | Path,
    out: str | Path,
    *,
    backend: str = 'onnx',
    size: Sequence[int] | None = None,
    any_size: bool = False,
    inside: Sequence[str] | None = None,
    images: str | Path | Sequence[str | Path] | None = None,
    num_images: int = 8,
    threads: int = 0,
    calibration: int = 100,
    validation: int = 100,
    max_drop: float = 0.5,
    options: Mapping[str, object] | None = None,
) -> Export:
    """Export a network into a folder that needs neither torch nor mmseg.

    The labels of the original and of the export are compared on images; the folder is written only
    if 99.99 % of them are equal. An earlier export in its place is replaced.

        result = mmseg_eff.export('espnet.py', 'espnet.pth', 'exported', images='images/')
        print(result.agreement.labels, result.latency_ms.export)

    Args:
        config: Config, its file, or its name.
        checkpoint: Checkpoint of exactly this network, or ``hub:NAME``.
        out: Folder to make: a new or empty one, or an earlier export.
        backend: ``onnx``, ``openvino``, ``openvino-int8``, ``tensorrt`` or another one of
            ``mmseg_eff/deploy/backends``.
        size: Height and width of all images in pixels; those of the first one by default.
        any_size: Take images of any size, which not every network allows.
        inside: What the graph does itself, not the runtime: of ``resize`` (to the network's
            input), ``normalise`` and ``labels`` (from the logits); the backend's choice by
            default, which is the last two for most.
        images: Files, folders and globs to compare the labels on; images of the test data by
            default.
        num_images: Number of images of the test data.
        threads: CPU threads; the engine chooses with 0.
        calibration: Number of training images that ``openvino-int8`` takes ranges of values from.
        validation: Number of test images that ``openvino-int8`` is validated on.
        max_drop: Points of mean IoU that ``openvino-int8`` may lose.
        options: Settings of the config to override, by dotted key.

    Returns:
        The folder, and its report with agreement and times.

    Raises:
        InputError: If an argument is wrong, a package is missing, ``out`` holds anything but an
            earlier export, the network cannot be exported, its labels are not the original's, or
            ``openvino-int8`` loses more than ``max_drop`` or is not faster.
        ValueError: If the engine refuses the network.
    """
    check_at_least(1, num_images=num_images, calibration=calibration, validation=validation)
    check_at_least(0, threads=threads)
    if not math.isfinite(max_drop):
        raise InputError(f'max_drop must be a finite number, got {max_drop}')
    if any_size and size:
        raise InputError('size and any_size exclude each other: give one of them')
    module = deploy.find_backend(backend)
    inside = check_limits(backend, module, inside, any_size)
    if backend == 'openvino-int8' and 'labels' not in inside:
        raise InputError(f'openvino-int8 needs labels inside, got {list(inside)}')
    size = check_size(size) if size else None
    deploy.check_backend(backend)
    out = Path(out)
    with deploy.new_folder(out) as folder, torch_threads(threads):
        config, checkpoint = as_config(config, options), resolve(str(checkpoint))
        paths = choose_images(config, images, num_images)
        int8 = None
        if backend == 'openvino-int8':
            int8 = Int8Data(
                calibration=deploy.select_images(config, 'train_dataloader', calibration),
                validation=deploy.select_images(config, 'test_dataloader', validation),
                max_drop=max_drop,
            )
        model = load_segmentor(config, checkpoint, 'cpu')
        report = deploy.export_to_folder(
            folder,
            model,
            ImageSegmentor(model),
            paths,
            checkpoint=checkpoint,
            backend=backend,
            size=size,
            any_size=any_size,
            inside=inside,
            int8=int8,
            threads=threads,
        )
    return Export(out, report)


def check_limits(
    name: str, backend: deploy.Backend, inside: Sequence[str] | None, any_size: bool
) -> tuple[str, ...]:
    """What the graph does itself: what is asked for, or the backend's choice.

    Raises:
        InputError: If the backend cannot do that, or takes one size alone.
    """
    if refused := sorted(set(inside or ()) & set(deploy.PARTS) - set(backend.ALLOWED)):
        allowed = ', '.join(backend.ALLOWED) or 'nothing'
        raise InputError(f'backend {name} cannot do {refused[0]} inside; it can do {allowed}')
    if any_size and 'size' in backend.FIXED:
        raise InputError(f'backend {name} exports for one size: any_size is not possible')
    return backend.INSIDE if inside is None else tuple(inside)


def choose_images(
    config: Config, images: str | Path | Sequence[str | Path] | None, num_images: int
) -> list[Path]:
    """The images to compare on: those given, or some of the config's test data.

    Raises:
        InputError: If there is none.
    """
    if images is None:
        selected = deploy.select_images(config, 'test_dataloader', num_images)
        return [image.path for image in selected]
    inputs = [str(name) for name in ([images] if isinstance(images, str | Path) else images)]
    found = collect_sources(inputs, (*SUFFIXES, *suffixes_of(config)))
    paths = [source.path for source in found if not source.is_video]
    if not paths:
        raise InputError(f'images {" ".join(inputs)}: hold no image')
    return paths


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Let torch use so many CPU threads in a block; its own choice with 0."""
    before = torch.get_num_threads()
    if threads:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
