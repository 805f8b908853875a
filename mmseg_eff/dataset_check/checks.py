"""Checks of a dataset's files before a training: each fault names its file."""

import hashlib
import io
import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import numpy as np
from mmengine.dataset import BaseDataset
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from ..datasets.bit_depth import dark_image
from ..datasets.image_reader import DatasetNeeded, ImageReader
from ..datasets.label_rules import LabelRules, format_fault, palette_fault, range_fault, size_fault
from ..errors import InputError, MissingFileError
from ..utils.file_limit import check_file
from ..utils.image_io import IMAGE_SUFFIXES
from ..utils.pixel_limit import open_limited
from .findings import Finding, Pair, PairCheck

QUARTER_TURNS = (5, 6, 7, 8)  # EXIF orientations that exchange height and width
WHOLE_FORMATS = ('BMP', 'JPEG', 'MPO', 'PNG', 'WEBP')  # those that Pillow decodes in full


def dataset_pairs(dataset: BaseDataset) -> list[Pair]:
    """The image and label files of a dataset, each pair once."""
    infos = map(dataset.get_data_info, range(len(dataset)))
    return list(dict.fromkeys(Pair(info['img_path'], info.get('seg_map_path')) for info in infos))


def open_image(file: str | bytes) -> Image.Image:
    """Open an image file (a path or its content) by Pillow, without its warnings.

    Raises:
        DecompressionBombError: If it holds more than ``max_pixels``.
    """
    return open_limited(io.BytesIO(file) if isinstance(file, bytes) else file)


def decode(path: str, findings: list[Finding]) -> Image.Image | None:
    """Decode a label file as a whole, or add to ``findings`` why that fails."""
    try:
        if os.path.isfile(path) and not os.path.getsize(path):
            findings.append(Finding(path, 'empty file', 'is empty (0 bytes)'))
            return None
        check_file(path)
        data = Path(path).read_bytes()
    except MissingFileError:
        findings.append(Finding(path, 'missing file', 'no such label file'))
        return None
    except InputError as error:
        message = str(error).removeprefix(f'{path}: ')
        findings.append(Finding(path, 'damaged file', message))
        return None
    except OSError as error:
        findings.append(Finding(path, 'missing file', f'cannot be read ({error.strerror})'))
        return None
    try:
        image = open_image(data)
        image.load()
    except Exception as error:  # Pillow's decoders raise errors of any type
        findings.append(Finding(path, 'damaged file', f'cannot be decoded ({error})'))
        return None
    return image


def load_image(path: str, reader: ImageReader, findings: list[Finding]) -> NDArray | None:
    """Load an image as training does, or add to ``findings`` why that fails.

    Decoders of training fill up truncated JPEG and PNG files without a word: Pillow finds these.
    """
    if not os.path.lexists(path):
        findings.append(Finding(path, 'missing file', 'no such image file'))
        return None
    if os.path.isfile(path) and not os.path.getsize(path):
        findings.append(Finding(path, 'empty file', 'is empty (0 bytes)'))
        return None
    image = None
    try:
        image = reader.read(path)['img']
    except DatasetNeeded:
        pass  # it is the training that loads it
    except InputError as error:
        reason = str(error).removeprefix(f'{path}: ')
        findings.append(Finding(path, 'damaged file', reason))
        return None
    if (fault := fault_of_file(path)) is not None:
        findings.append(Finding(path, 'damaged file', f'cannot be decoded ({fault})'))
        return None
    if image is not None and (message := dark_image(path, image)):
        findings.append(Finding(path, 'dark image', message))
    return image


def fault_of_file(path: str) -> str | None:
    """Why an image file of a format that Pillow knows in full is damaged, if so."""
    try:
        with open_image(path) as image:
            if image.format in WHOLE_FORMATS:
                image.load()
    except (UnidentifiedImageError, Image.DecompressionBombError):  # the loader has read it
        return None
    except Exception as error:  # Pillow's decoders raise errors of any type
        return str(error)
    return None


def orientation_of(path: str, reader: ImageReader) -> int:
    """The EXIF orientation that loading obeys; 1 where there is none or it does not."""
    if reader.loader is None or reader.loader.color_type not in ('color', 'grayscale'):
        return 1
    try:
        with open_image(path) as image:
            return image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # of a file that Pillow does not know
        return 1


def check_pair(pair: Pair, rules: LabelRules, reader: ImageReader) -> PairCheck:
    """Load an image and its label, and check all that they show by themselves."""
    findings = [Finding(path, 'odd name', message) for path, message in odd_names(pair)]
    image = load_image(pair.image, reader, findings)
    label = None
    if pair.label and os.path.isfile(pair.label):
        label = decode(pair.label, findings)
    elif pair.label:
        findings.append(missing_label(pair.label, pair.image))
    digest = values = None
    if image is not None:
        digest = hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()
        turn = orientation_of(pair.image, reader)
        is_turned = label is not None and is_drawn_turned(turn, image.shape[:2], label.size[::-1])
        if turn != 1 and not is_turned:
            message = f'EXIF orientation {turn} turns the image when it is loaded, not its label'
            findings.append(Finding(pair.image, 'EXIF rotation', message))
        elif pair.label and label is not None:
            fault = size_fault(label.size[::-1], image.shape[:2])
            if fault:
                findings.append(Finding(pair.label, 'other size', fault))
    if pair.label and label is not None:
        values, found = check_label(label, rules)
        findings += [Finding(pair.label, kind, message) for kind, message in found]
    return PairCheck(pair, findings, digest, values)


def missing_label(path: str, image: str) -> Finding:
    """Why an image has no label: there is none, or one of another format of image files."""
    others = [os.path.splitext(path)[0] + suffix for suffix in IMAGE_SUFFIXES]
    for other in others:
        if os.path.isfile(other) and os.path.abspath(other) != os.path.abspath(image):
            suffix = os.path.splitext(path)[1]
            message = f'label of image {image} is of another format; expected {suffix}'
            return Finding(other, 'label format', message)
    return Finding(path, 'missing file', f'no such label file for image {image}')


def is_drawn_turned(turn: int, image: tuple[int, int], label: tuple[int, int]) -> bool:
    """Whether the sizes prove that a label was drawn on the image as EXIF turns it.

    Args:
        turn: EXIF orientation.
        image, label: Height and width of the image as it is loaded, and of the label.
    """
    return turn in QUARTER_TURNS and image[0] != image[1] and label == image


def values_of(checks: Iterable[PairCheck]) -> NDArray[np.int64]:
    """Pixels of each value in the label files of some pairs (256,)."""
    values = (check.values for check in checks if check.values is not None)
    return sum(values, start=np.zeros(256, np.int64))


def odd_names(pair: Pair) -> Iterator[tuple[str, str]]:
    """Paths whose file names other programs may not handle, with the reason."""
    for path in filter(None, pair):
        odd = sorted({letter for letter in os.path.basename(path) if not '!' <= letter <= '~'})
        if odd:
            yield path, f'file name holds {", ".join(map(ascii, odd))}'


def check_label(
    label: Image.Image, rules: LabelRules
) -> tuple[NDArray[np.int64] | None, list[tuple[str, str]]]:
    """Pixels of each value (256,), ``None`` if they are no indices, and kinds and messages."""
    message = format_fault(label.mode)
    if label.format == 'JPEG':
        message = 'label file in JPEG, which changes values; expected a lossless format'
    if message:
        return None, [('label format', message)]
    found = []
    values = np.bincount(np.asarray(label, np.uint8).ravel(), minlength=256)
    message = range_fault(rules.count_labels(values), rules.num_classes, rules.ignore_index)
    if message:
        found.append(('label value', message))
    elif not rules.count_classes(values).any():
        found.append(('all ignored', f'every pixel is ignored ({rules.ignore_index})'))
    message = palette_fault(label, values, rules) if label.mode == 'P' else None
    if message:
        found.append(('palette', message))
    return values, found


def list_files(folder: str, above: tuple[str, ...] = ()) -> Iterator[str]:
    """Files and broken links below a folder, as mmengine lists them: hidden ones are left out.

    Args:
        folder: Where to begin; links to folders are followed.
        above: Real paths of the folders that led here.

    Raises:
        InputError: If a link leads to itself, where mmengine's listing ends in an error, or back
            to a folder above it, which mmengine would follow until the path is too long.
    """
    real = os.path.realpath(folder)
    if any(Path(parent).is_relative_to(real) for parent in above):
        raise InputError(f'{folder}: link that loops, back to {real}; remove it and check again')
    with os.scandir(folder) as entries:
        ordered = sorted(entries, key=lambda entry: entry.path)
    for entry in ordered:
        path, is_link = entry.path, entry.is_symlink()
        if os.path.isdir(path) if is_link else entry.is_dir():
            yield from list_files(path, (*above, real))
        elif is_link and os.path.islink(os.path.realpath(path)):  # cannot be resolved
            raise InputError(f'{path}: link that loops; remove it and check again')
        elif not entry.name.startswith('.'):
            yield path


def folders(dataset: BaseDataset) -> Iterator[tuple[str, str]]:
    """The folders that a dataset lists, with the suffix sought; none where a file lists it."""
    if not os.path.isfile(dataset.ann_file):
        for key, suffix in (
            ('img_path', dataset.img_suffix),
            ('seg_map_path', dataset.seg_map_suffix),
        ):
            if dataset.data_prefix.get(key):
                yield dataset.data_prefix[key], suffix


def check_folders(dataset: BaseDataset, paired: Collection[str]) -> Iterator[Finding]:
    """Files of a dataset that no pair holds: labels without image, other case, broken links.

    Args:
        dataset: The dataset.
        paired: Absolute paths of all images and labels of all datasets that share its folders.
    """
    for folder, suffix in folders(dataset):
        for path in list_files(folder):
            if os.path.abspath(path) in paired:
                continue
            if not os.path.exists(path):
                yield Finding(path, 'broken link', f'link that leads nowhere: {os.readlink(path)}')
            elif path.endswith(suffix):
                yield Finding(path, 'label without image', 'no image has this label')
            elif path.lower().endswith(suffix.lower()):
                yield Finding(path, 'odd name', f'not read: the suffix sought is {suffix!r}')


def check_duplicates(images: Iterable[tuple[str, str, bytes | None]]) -> Iterator[Finding]:
    """Images of equal pixels, within a split or across two.

    Args:
        images: Name of the split, path, and ``PairCheck.digest`` of each image.
    """
    first: dict[bytes, tuple[str, str]] = {}
    for split, path, digest in images:
        if digest is None:
            continue
        other = first.setdefault(digest, (split, path))
        if other != (split, path):
            across = '' if other[0] == split else ' across splits'
            message = f'same image as {other[1]} ({other[0]})'
            yield Finding(path, f'duplicate{across}', message)
