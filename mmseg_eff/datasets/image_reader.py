"""Read images through the loading transforms of a config's test pipeline.

Training, test, prediction, pseudo labels, the export's check, the benchmark and the dataset check
see the same pixels only if one function reads them: ``ImageReader``.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import cv2
import mmcv
import numpy as np
from mmcv.transforms import LoadAnnotations, LoadImageFromFile
from mmengine.config import Config
from mmengine.dataset import Compose
from mmseg.registry import TRANSFORMS
from numpy.typing import NDArray

from ..errors import InputError
from ..utils.file_limit import check_local_file
from ..utils.image_io import ImageArray, Label
from .bit_depth import warn_of_dark_image
from .transforms import DECODE_ERRORS, LoadCheckedImage, undecodable
from .wrappers import pipelines_of

Loaded = dict[str, Any]  # results of the loading transforms, with 'img' (H, W) or (H, W, C)

PLAIN = (dict(type='LoadCheckedImage'),)  # 8-bit BGR
BGR_BACKENDS = ('cv2', 'pillow', 'turbojpeg', None)  # tifffile keeps the order of the file
STANDARD = (LoadImageFromFile.transform, LoadCheckedImage.transform)
OF_LOADER = ('color_type', 'imdecode_backend', 'to_float32')  # what the pixels depend on


def split_pipeline(pipeline: Sequence[dict]) -> tuple[list[dict], list[dict]]:
    """Split a test pipeline into the transforms that load an image and those that follow.

    Loading ends with the first transform named ``Load…`` and those named so directly after it; in
    a pipeline without one it is the first transform. Annotations are left out.
    """
    steps = [dict(step) for step in pipeline if not loads_annotations(step)]
    is_loader = [class_name(step).startswith('Load') for step in steps]
    end = is_loader.index(True) if True in is_loader else 0
    while end + 1 < len(steps) and is_loader[end + 1]:
        end += 1
    return steps[: end + 1], steps[end + 1 :]


def compose(steps: Sequence[dict]) -> Compose:
    """Build transforms from mmseg's registry and its parents, whatever the default scope is."""
    return Compose([TRANSFORMS.build(dict(step)) for step in steps])


def class_name(step: dict) -> str:
    """Name of a transform's class; ``type`` may be the class itself."""
    return str(getattr(step['type'], '__name__', step['type'])).rpartition('.')[2]


def loads_annotations(step: dict) -> bool:
    """Whether a transform loads labels instead of the image."""
    if 'Annotation' in class_name(step):
        return True
    kind = TRANSFORMS.get(step['type']) if isinstance(step['type'], str) else step['type']
    return isinstance(kind, type) and issubclass(kind, LoadAnnotations)


def inference_pipeline(config: Config) -> list[dict]:
    """The test pipeline of a config, which loads images as ``tools/test.py`` does.

    That is ``test_pipeline``, as in mmseg. Where it is absent or loads images in another way than
    the dataset of ``test_dataloader`` (or else ``val_dataloader``), it is that dataset's pipeline.

    Raises:
        InputError: If the config has neither.
    """
    pipeline = config.get('test_pipeline')
    for name in ('test_dataloader', 'val_dataloader'):
        dataset = (config.get(name) or {}).get('dataset')
        measured = next(iter(pipelines_of(dataset)), None) if dataset else None
        if measured:
            is_same = pipeline and loading_facts(pipeline) == loading_facts(measured)
            return list(pipeline) if is_same else measured
    if not pipeline:
        raise InputError('the config has no test_pipeline and no test_dataloader to take it from')
    return list(pipeline)


def loading_facts(pipeline: Sequence[dict]) -> list[dict]:
    """Settings that the loaded pixels depend on, comparable with ``==``."""
    loading, _ = split_pipeline(pipeline)
    facts = ImageReader(loading).facts
    return loading if facts is None else [facts]


class DatasetNeeded(InputError):
    """A loader needs more of the dataset than the path of an image."""


class ImageReader:
    """The loading transforms of a test pipeline, and the transforms that follow them.

    Args:
        pipeline: Test pipeline of a config; see ``split_pipeline``.

    Attributes:
        loading: Configs of the loading transforms.
        steps: Configs of those that follow, to ``PackSegInputs``.
    """

    def __init__(self, pipeline: Sequence[dict] = PLAIN) -> None:
        self.loading, self.steps = split_pipeline(pipeline)
        self.load = compose(self.loading)
        transforms = self.load.transforms
        is_standard = len(transforms) == 1 and type(transforms[0]).transform in STANDARD
        self.loader = transforms[0] if is_standard else None

    @property
    def facts(self) -> dict | None:
        """Arguments of mmcv's loader that the pixels depend on; ``None`` for another loader."""
        return self.loader and {name: getattr(self.loader, name) for name in OF_LOADER}

    @property
    def is_plain(self) -> bool:
        """Whether it reads 8-bit BGR images of three channels."""
        return (
            self.loader is not None
            and self.loader.color_type.startswith('color')
            and self.loader.imdecode_backend in BGR_BACKENDS
            and not self.loader.to_float32
        )

    def read(self, path: str | Path) -> Loaded:
        """Load an image file.

        Raises:
            DatasetNeeded: If the loader needs more than a path.
            InputError: If the file is missing or cannot be decoded.
        """
        check_local_file(str(path))
        results: Loaded = dict(
            img_path=str(path), seg_fields=[], label_map=None, reduce_zero_label=False
        )
        try:
            results = self.load(results)
        except InputError:
            raise
        except KeyError as error:
            raise DatasetNeeded(
                f'{path}: {self.names} needs {error} of the dataset, which a single file does not '
                'give'
            ) from error
        except FileNotFoundError as error:
            raise InputError(f'{path}: no such image file') from error
        except Exception as error:  # of a decoder, or of a loader of the user's own
            if self.loader is not None and isinstance(error, (AssertionError, *DECODE_ERRORS)):
                raise undecodable(str(path)) from error
            reason = str(error).splitlines()[-1] if str(error) else type(error).__name__
            raise InputError(f'{path}: cannot be loaded by {self.names} ({reason})') from error
        image = (results or {}).get('img')
        if not isinstance(image, np.ndarray) or image.ndim not in (2, 3) or not image.size:
            found = 'none' if image is None else f'shape {np.shape(image)}'
            raise InputError(
                f'{path}: {self.names} must give an image (H, W) or (H, W, C), got {found}'
            )
        if self.loader is not None and not isinstance(self.loader, LoadCheckedImage):
            warn_of_dark_image(str(path), image)  # which that loader does itself
        for name in ('img_shape', 'ori_shape'):  # a loader of the user's own may not set them
            results.setdefault(name, image.shape[:2])
        return results

    def read_content(self, content: bytes, name: str) -> Loaded:
        """Load an image file from memory, as ``read`` does from its path.

        Args:
            content: What the file holds.
            name: What errors call it.

        Raises:
            InputError: If it cannot be decoded, or the config's loader reads paths only.
        """
        if self.loader is None:
            raise InputError(f"{name}: the config's {self.names} reads images from files only")
        try:
            image = mmcv.imfrombytes(
                content, flag=self.loader.color_type, backend=self.loader.imdecode_backend
            )
        except DECODE_ERRORS:
            image = None  # as of a decoder that raises nothing
        if image is None:
            raise InputError(f'{name}: cannot be decoded as an image ({len(content)} bytes)')
        if self.loader.to_float32:
            image = image.astype(np.float32)
        warn_of_dark_image(name, image, content)
        return self.from_loaded(image, name)

    @property
    def names(self) -> str:
        """Names of the loading transforms, for messages."""
        return ', '.join(map(class_name, self.loading))

    def from_bgr(self, image: ImageArray, name: str | None = None) -> Loaded:
        """Convert an 8-bit BGR image (H, W, 3), such as a video frame, to what the loader gives.

        Raises:
            InputError: If the loader reads anything but 8-bit grey or colour images.
        """
        where = name or 'image'
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise InputError(f'{where}: must be uint8 BGR (H, W, 3), is {describe(image)}')
        if self.loader is None or self.loader.imdecode_backend not in BGR_BACKENDS:
            raise InputError(
                f"{where}: is {describe(image)}; the config's {self.names} reads images from "
                'files only'
            )
        if self.loader.color_type.startswith('grayscale'):
            image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        return self.from_loaded(image.astype(np.float32) if self.loader.to_float32 else image, name)

    def from_loaded(self, image: ImageArray, name: str | None = None) -> Loaded:
        """Results of an image (H, W) or (H, W, C) whose pixels are as the loader gives them."""
        size = image.shape[:2]
        return dict(img=image, img_path=name, img_shape=size, ori_shape=size, seg_fields=[])


def part_of(loaded: Loaded, region: tuple[slice, slice]) -> Loaded:
    """A region (rows, columns) of a loaded image, for the transforms that follow."""
    image = loaded['img'][region]
    return {**loaded, 'img': image, 'img_shape': image.shape[:2], 'ori_shape': image.shape[:2]}


def describe(image: ImageArray) -> str:
    """Channels and depth of an image, for messages."""
    channels = 1 if image.ndim == 2 else image.shape[-1]
    return f'{image.dtype} of {channels} channel{"s" if channels > 1 else ""}'


def display_range(image: ImageArray) -> tuple[float, float]:
    """The values of an image (H, W) or (H, W, C) to show as black and as white.

    0 and 255 where all values are within; else the 1st and the 99th percentile.
    """
    if image.dtype == np.uint8:
        return 0.0, 255.0
    step = max(1, int((image.size / 2**20) ** 0.5))  # of about a million values
    values = image[::step, ::step]
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 255.0
    if image.dtype.kind == 'f' and values.min() >= 0 and 1 < values.max() <= 255:
        return 0.0, 255.0
    low, high = np.percentile(values, (1, 99))
    return float(low), float(max(high, low + 1e-6))


def to_display(image: ImageArray, limits: tuple[float, float] | None = None) -> NDArray[np.uint8]:
    """An 8-bit BGR image (H, W, 3) of any image (H, W) or (H, W, C), for people and for a CRF.

    One or two channels become grey; of more, the first three are blue, green and red.

    Args:
        image: As loaded.
        limits: Of ``display_range``, here or of a larger image that this is a part of.
    """
    if image.ndim == 2:
        image = image[..., None]
    image = image[..., :3] if image.shape[2] > 2 else image[..., :1].repeat(3, axis=2)
    low, high = limits or display_range(image)
    if image.dtype != np.uint8 or (low, high) != (0.0, 255.0):
        scaled = (np.nan_to_num(image.astype(np.float32)) - low) * (255 / (high - low))
        image = scaled.clip(0, 255).round().astype(np.uint8)
    return np.ascontiguousarray(image)


class LabelsImages(Protocol):
    """Interface of a network for prediction, tiling, the export's check and the benchmark.

    Attributes:
        reader: Reads images as the network wants them.
        palette: RGB colour of each class.
        label_dtype: Of the labels, ``uint8``, or ``uint16`` above 256 of them.
    """

    reader: ImageReader
    palette: Sequence[Sequence[int]]
    label_dtype: np.dtype

    def segment(self, image: Loaded) -> Label:
        """Labels (H, W) of an image that ``reader`` has loaded."""
