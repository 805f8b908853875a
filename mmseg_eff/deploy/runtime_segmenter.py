"""Label images, or score their pixels, with an exported network that is loaded.

The export puts a copy of this file beside ``runtime.py``.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING or __package__:
    from .runtime_checks import BGR
    from .runtime_images import resize_image
    from .runtime_scores import labels_of, labels_of_scores, probabilities_of, upsampled
else:  # in an exported folder
    from runtime_checks import BGR
    from runtime_images import resize_image
    from runtime_scores import labels_of, labels_of_scores, probabilities_of, upsampled

Run = Callable[[dict[str, NDArray]], NDArray]  # inputs by name -> the output


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

        A network that was exported for several images at once runs on as many copies of it.

        Args:
            image: With the channels and the depth in ``report['input']``; one channel may be
                (H, W), and float32 takes whole numbers of 8 or 16 bits, too.

        Raises:
            ValueError: If it is no such image, not of the one size exported, or the engine fails.
        """
        return self.segment_batch([image])[0]

    def segment_batch(self, images: Sequence[NDArray] | NDArray) -> list[NDArray]:
        """Labels (H, W) of each of some images of one size, which run together.

        A network that was exported for a number of images runs as often as they need, the last
        time filled up with copies; one for any number runs once.

        Args:
            images: As ``segment`` takes them, or an array (N, H, W, C).

        Raises:
            ValueError: See ``segment``; if their sizes differ.
        """
        result, threshold = self.report.get('output', 'labels'), self.report.get('threshold')
        labels: list[NDArray] = []
        for output, size in self.outputs(images):
            if 'labels' not in self.report['inside']:
                align_corners = self.report['align_corners']
                labels.append(labels_of(output, size, align_corners, threshold))
            elif result == 'labels':
                labels.append(output if output.dtype == np.uint8 else output.astype(np.uint16))
            else:
                labels.append(labels_of_scores(output, threshold))
        return labels

    def scores(self, image: NDArray) -> NDArray[np.float32]:
        """Probabilities or logits (K, H, W) of an image, as ``report['output']`` says.

        There is one for each class; the single logit of a network of two classes stays one, and
        has two probabilities.

        Raises:
            ValueError: See ``segment``; if the network was exported for labels.
        """
        result = self.report.get('output', 'labels')
        if result == 'labels':
            raise ValueError(
                'the network was exported for labels; export with --output probabilities or logits'
            )
        ((output, size),) = self.outputs([image])
        if 'labels' in self.report['inside']:
            return output
        logits = upsampled(output, size, self.report['align_corners'])
        if result == 'logits':
            return logits
        return probabilities_of(logits, self.report['is_sigmoid'])

    def outputs(
        self, images: Sequence[NDArray] | NDArray
    ) -> Iterator[tuple[NDArray, tuple[int, int]]]:
        """What the network gives for each of some images, and the images' size (H, W)."""
        checked = [self.check(image) for image in images]
        if len(sizes := sorted({image.shape[:2] for image in checked})) > 1:
            raise ValueError(f'images of a batch must have one size, got {sizes}')
        for size in sizes:
            self.check_size(size)
        batch = self.report.get('batch', 1) or len(checked)
        for start in range(0, len(checked), max(batch, 1)):
            part = checked[start : start + batch]
            output = self.run(self.inputs_of(part + part[-1:] * (batch - len(part))))
            self.check_output(output, batch, sizes[0])
            for given in output[: len(part)]:
                yield given, sizes[0]

    def check_size(self, size: tuple[int, int]) -> None:
        """Refuse a size (H, W) that the network was not exported for."""
        if self.report['size'] not in (None, list(size)):
            wanted, given = ('x'.join(map(str, sides)) for sides in (self.report['size'], size))
            raise ValueError(
                f'the network was exported for {wanted}, got {given}: export with --any-size, or '
                f'with --size {size[0]} {size[1]}'
            )

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

    def check_output(self, output: object, batch: int, size: tuple[int, int]) -> None:
        """Refuse what is not the labels, scores or logits that the report describes."""
        if not isinstance(output, np.ndarray):
            raise ValueError('the network gives no array')
        shape, dtype, result = output.shape, output.dtype, self.report.get('output', 'labels')
        num_labels = self.report.get('num_labels', 256)
        if 'labels' not in self.report['inside']:
            is_right = dtype.kind == 'f' and len(shape) == 4 and 0 not in shape
            is_right &= shape[:1] == (batch,)
        elif result == 'labels':
            is_right = dtype.kind in 'iu' if num_labels > 256 else dtype == np.uint8
            is_right &= shape == (batch, *size)
        else:
            is_single = result == 'logits' and self.report['threshold'] is not None
            wanted = (batch, 1 if is_single else num_labels, *size)
            is_right = dtype.kind == 'f' and shape == wanted
        if not is_right:
            raise ValueError(f'the network gives {dtype} of {shape}, not what its report says')

    def prepare(self, image: NDArray) -> dict[str, NDArray]:
        """The graph's inputs for an image as ``segment`` takes it; errors as there."""
        return self.inputs_of([self.check(image)] * (self.report.get('batch', 1) or 1))

    def inputs_of(self, images: Sequence[NDArray]) -> dict[str, NDArray]:
        """The graph's inputs for images (H, W, C) of ``check``."""
        resize, normalise = self.report['resize'], self.report['normalise']
        pixels = images
        if resize and 'resize' not in self.report['inside']:
            pixels = [resize_image(image, resize) for image in images]
        inputs = dict(image=batch_of(pixels))
        if 'normalise' not in self.report['inside']:
            channels = inputs['image'][..., ::-1] if normalise['to_rgb'] else inputs['image']
            mean, std = (np.array(normalise[key], np.float32) for key in ('mean', 'std'))
            inputs['image'] = np.ascontiguousarray((channels.astype(np.float32) - mean) / std)
        if 'original' in self.report['inputs']:
            inputs['original'] = batch_of(images)
        return inputs


def batch_of(images: Sequence[NDArray]) -> NDArray:
    """Images (N, H, W, C), contiguous; a single one is not copied if it is."""
    return np.ascontiguousarray(images[0])[None] if len(images) == 1 else np.stack(images)
