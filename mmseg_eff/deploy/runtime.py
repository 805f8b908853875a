"""Labels of images from an exported folder, with its engine and neither torch nor mmseg.

The export puts a copy of this file into the folder, which so needs only Python, numpy, OpenCV and
onnxruntime or openvino (and Pillow, if the network was trained on images that Pillow resized):

    from runtime import load_runtime

    segmenter = load_runtime('exported')
    labels = segmenter.segment(cv2.imread('image.png'))
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING or __package__:
    from .backends import Backend, find_backend
    from .engines import engine_errors, import_engine
    from .runtime_checks import BGR, REPORT, check_file, read_report
else:  # in an exported folder, with the one backend that made it
    import engine
    from engines import engine_errors, import_engine
    from runtime_checks import BGR, REPORT, check_file, read_report

    def find_backend(_name):
        return engine


Run = Callable[[dict[str, NDArray]], NDArray]  # inputs by name -> the output
MOST_RESIZED = 2**28  # pixels that a resize before the network may give


class Segmenter:
    """An exported network, which several threads may use at once.

    Args:
        report: What ``report.json`` says of the network.
        run: The engine.

    Attributes:
        classes: Name of each label.
        palette: RGB colour of each label.
    """

    def __init__(self, report: dict, run: Run) -> None:
        self.report = report
        self.run = run
        self.classes = tuple(report['classes'])
        self.palette = tuple(map(tuple, report['palette']))

    def segment(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Labels (H, W) of an image (H, W, C), as a rule BGR of 8 bits.

        Args:
            image: With the channels and the depth in ``report['input']``; one channel may be
                (H, W), and float32 takes whole numbers of 8 or 16 bits, too.

        Raises:
            ValueError: If it is no such image, not of the one size exported, or the engine fails.
        """
        pixels = self.check(image)
        size = pixels.shape[:2]
        if self.report['size'] not in (None, list(size)):
            raise ValueError(f'the network was exported for {self.report["size"]}, got {size}')
        output = self.run(self.inputs_of(pixels))
        self.check_output(output, size)
        if 'labels' not in self.report['inside']:
            align_corners, threshold = self.report['align_corners'], self.report['threshold']
            return labels_of(output[0], size, align_corners, threshold)
        return output[0] if output.dtype == np.uint8 else output[0].astype(np.uint16)

    def check(self, image: NDArray) -> NDArray:
        """The image (H, W, C) in the type that the graph takes: uint8 or float32.

        Raises:
            ValueError: If its channels or depth are others than the network was exported for.
        """
        wanted = self.report.get('input', BGR)
        channels, dtype = wanted['channels'], wanted['dtype']
        shape = image.shape
        if image.ndim == 2 and channels == 1:
            image = image[..., None]
        whole = ('uint8', 'uint16') if dtype == 'float32' else ()
        is_right = image.ndim == 3 and image.shape[2] == channels and image.size > 0
        if not is_right or image.dtype not in (dtype, *whole):
            raise ValueError(
                f'image must be {dtype} of shape (H, W, {channels}), got {image.dtype} of {shape}'
            )
        return image if dtype == 'uint8' else image.astype(np.float32)

    def check_output(self, output: object, size: tuple[int, int]) -> None:
        """Refuse what is neither labels (1, H, W) of an image's size nor logits (1, C, h, w)."""
        if not isinstance(output, np.ndarray):
            raise ValueError('the network gives no array')
        shape, dtype = output.shape, output.dtype
        if 'labels' in self.report['inside']:
            is_wide = self.report.get('num_labels', 256) > 256
            is_right = dtype.kind in 'iu' if is_wide else dtype == np.uint8
            is_right &= shape == (1, *size)
        else:
            is_right = dtype.kind == 'f' and len(shape) == 4 and shape[0] == 1 and 0 not in shape
        if not is_right:
            raise ValueError(f'the network gives {dtype} of {shape}, not what its report says')

    def prepare(self, image: NDArray) -> dict[str, NDArray]:
        """The graph's inputs for an image as ``segment`` takes it; errors as there."""
        return self.inputs_of(self.check(image))

    def inputs_of(self, image: NDArray) -> dict[str, NDArray]:
        """The graph's inputs for an image (H, W, C) of ``check``."""
        pixels, resize, normalise = image, self.report['resize'], self.report['normalise']
        if resize and 'resize' not in self.report['inside']:
            pixels = resize_image(image, resize)
        pixels = np.ascontiguousarray(pixels)[None]
        if 'normalise' not in self.report['inside']:
            pixels = pixels[..., ::-1] if normalise['to_rgb'] else pixels
            mean, std = (np.array(normalise[key], np.float32) for key in ('mean', 'std'))
            pixels = np.ascontiguousarray((pixels.astype(np.float32) - mean) / std)
        inputs = {'image': pixels, 'original': np.ascontiguousarray(image)[None]}
        return {name: inputs[name] for name in self.report['inputs']}


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


def resized_size(height: int, width: int, resize: dict) -> tuple[int, int]:
    """Height and width that mmcv's ``Resize`` gives an image."""
    scale = resize['scale']
    if isinstance(scale, float):
        scale = int(width * scale + 0.5), int(height * scale + 0.5)
    if not resize['keep_ratio']:
        return scale[1], scale[0]
    factor = min(max(scale) / max(height, width), min(scale) / min(height, width))
    return int(height * factor + 0.5), int(width * factor + 0.5)


def resize_image(image: NDArray, resize: dict) -> NDArray:
    """Resize (H, W, C) as mmcv's ``Resize`` does, bilinear by its backend."""
    given = image.shape[:2]
    height, width = resized_size(given[0], given[1], resize)
    if not 0 < height * width <= MOST_RESIZED:
        raise ValueError(f'cannot resize an image of {given} to {height, width}')
    if resize['backend'] == 'cv2':
        resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
        return resized.reshape(height, width, -1)  # OpenCV drops the axis of one channel
    from PIL import Image

    pixels = image[..., 0] if image.shape[2] == 1 else image
    by_pillow = Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR)
    return np.array(by_pillow).reshape(height, width, -1)


def labels_of(
    logits: NDArray[np.float32],
    size: tuple[int, int],
    align_corners: bool,
    threshold: float | None,
) -> NDArray[np.uint8]:
    """Labels (H, W) of logits (C, h, w): upsampled class by class, so that memory stays small.

    Args:
        logits: Logits of the network.
        size: H and W.
        align_corners: Convention of the bilinear interpolation, as in torch.
        threshold: Of a single logit; ``None`` takes the class of the highest.
    """
    rows, columns = (
        taps(length, target, align_corners)
        for length, target in zip(logits.shape[1:], size, strict=True)
    )

    def upsample(plane: NDArray[np.float32]) -> NDArray[np.float32]:
        low, high, weight = rows
        plane = plane[low] * (1 - weight[:, None]) + plane[high] * weight[:, None]
        low, high, weight = columns
        return plane[:, low] * (1 - weight) + plane[:, high] * weight

    best = upsample(logits[0])
    if threshold is not None:
        return (best > threshold).astype(np.uint8)
    labels = np.zeros(size, np.min_scalar_type(len(logits) - 1))
    for label in range(1, len(logits)):
        plane = upsample(logits[label])
        labels[plane > best] = label
        np.maximum(best, plane, out=best)
    return labels


def taps(
    length: int, target: int, align_corners: bool
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Both neighbours in ``length`` of each of ``target`` positions, and the second's weight."""
    index = np.arange(target)
    if align_corners:
        position = index * ((length - 1) / max(target - 1, 1))
    else:
        position = np.maximum((index + 0.5) * length / target - 0.5, 0)
    low = position.astype(np.intp)
    return low, np.minimum(low + 1, length - 1), (position - low).astype(np.float32)
