"""Label images with an exported folder."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..datasets.image_reader import PLAIN, ImageReader, Loaded
from ..errors import InputError
from ..utils.image_io import Label
from .runtime import Segmenter, load_runtime
from .runtime_scores import sigmoid


class ExportedSegmentor:
    """Label images with an exported network, read as by the config that it was made from.

    Args:
        runtime: What ``load_runtime`` gives.
        reader: Reader of the config; by default one is made of the loading that the report names.

    Raises:
        InputError: If there is no reader and the config loads images by a transform of its own.
    """

    def __init__(self, runtime: Segmenter, reader: ImageReader | None = None) -> None:
        loading = runtime.report.get('loading', {})  # absent in exports before this key
        self.runtime = runtime
        self.palette: Sequence[Sequence[int]] = runtime.palette
        self.label_dtype = np.min_scalar_type(runtime.report.get('num_labels', 256) - 1)
        self.classes: Sequence[str] = runtime.classes
        if reader is None and loading is None:
            raise InputError(
                'the config of this export reads images by a transform of its own, which is not '
                'in the folder: load them yourself and call segment() of its runtime.py'
            )
        self.reader = reader or ImageReader([{**PLAIN[0], **loading}])

    def segment(self, image: Loaded) -> Label:
        """Labels (H, W) of an image that ``reader`` has loaded.

        Raises:
            InputError: If its channels, depth or size are not those exported.
        """
        with errors_of(image):
            return self.runtime.segment(image['img'])

    def segment_batch(self, images: Sequence[Loaded]) -> list[Label]:
        """Labels (H, W) of each of some images, which run together if they have one size.

        Raises:
            InputError: See ``segment``.
        """
        if len({image['img'].shape for image in images}) != 1:
            return [self.segment(image) for image in images]
        with errors_of(images[0]):
            return self.runtime.segment_batch([image['img'] for image in images])

    def scores(self, image: Loaded, kind: str) -> NDArray[np.float32]:
        """Probabilities (K, H, W) or logits of an image; a single logit is given as its sigmoid.

        Raises:
            InputError: See ``segment``; if the network was not exported for them.
        """
        if kind != (result := self.runtime.report['output']):
            raise InputError(f'the network was exported for {result}, not for {kind}')
        with errors_of(image):
            scores = self.runtime.scores(image['img'])
        return sigmoid(scores) if len(scores) == 1 else scores


@contextmanager
def errors_of(image: Loaded) -> Iterator[None]:
    """Let an error of the runtime name the file of an image."""
    try:
        yield
    except ValueError as error:
        raise InputError(f'{image.get("img_path") or "image"}: {error}') from error


def load_export(folder: str | Path, threads: int = 0) -> ExportedSegmentor:
    """Load an exported folder and its engine.

    Args:
        folder: Folder that ``mmseg_eff.export`` has written.
        threads: Threads of the CPU; the engine chooses with 0.

    Raises:
        InputError: If it is no such folder or damaged, or its engine is not installed.
    """
    try:
        runtime = load_runtime(folder, threads)
    except ValueError as error:
        raise InputError(str(error)) from error
    return ExportedSegmentor(runtime)
