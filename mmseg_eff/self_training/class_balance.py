"""Class-balanced pseudo labels: keep the same share of every class, its surest pixels.

One threshold for all classes keeps most pixels of the classes that a teacher knows well and hardly
any of thin and rare ones; a student then forgets these. Source: class-balanced self-training (Zou
et al., 2018), https://arxiv.org/abs/1810.07911.

Pixels are ranked by the logarithm of the doubt, 1 - confidence, because a teacher is almost certain
of half of an easy class. Of the pixels with the last rank that is kept, as many as the share needs
are drawn at random, the same in every run.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.dist import all_gather_object, all_reduce
from numpy.typing import NDArray
from PIL import Image

from ..datasets.label_rules import DROPPED
from ..inference.inputs import Source, own_share
from .label_files import LabelWriter, record_of
from .teacher import PseudoLabel

LABELS = 256
RANKS = 2**16
LEAST_DOUBT = -25  # its binary logarithm; a float32 below 1 leaves 2**-24


def ranks_of(confidence: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Rank 0 to 65535 of each confidence, higher for surer pixels."""
    doubt = np.log2(np.maximum(1 - confidence.astype(np.float64), 2.0**LEAST_DOUBT))
    return (doubt * ((RANKS - 1) / LEAST_DOUBT)).round().astype(np.uint16)


def confidence_of(ranks: NDArray[np.uint16]) -> NDArray[np.float32]:
    """The confidence that each rank stands for, to 0.014 % of the doubt."""
    return (1 - 2.0 ** (ranks * (LEAST_DOUBT / (RANKS - 1)))).astype(np.float32)


def candidate(source: Source, folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """Label (H, W), sure or not, and ranks (H, W) of an image, as ``label_images`` wrote them."""
    paths = (folder / kind / f'{source.name}.png' for kind in ('labels', 'confidence'))
    label, ranks = (np.array(Image.open(path)) for path in paths)
    return label, ranks.astype(np.uint16)


def count_ranks(sources: Sequence[Source], folder: Path, num_classes: int) -> NDArray[np.int64]:
    """Pixels of each class and rank (C, 65536) in the images of all processes.

    Args:
        sources: The images of all processes; each process counts its own.
        folder: Folder that holds their ``labels`` and ``confidence``.
        num_classes: C, labels ``0 … C - 1``.
    """
    counts = np.zeros((num_classes, RANKS), np.int64)
    for _, source in own_share(sources):
        label, ranks = candidate(source, folder)
        is_class = label < num_classes
        index = label[is_class].astype(np.int64) * RANKS + ranks[is_class]
        np.add.at(counts.reshape(-1), index, 1)  # np.bincount would make all counts for each image
    total = torch.from_numpy(counts)
    all_reduce(total)
    return total.numpy()


def limits_of_share(
    sources: Sequence[Source], folder: Path, num_classes: int, share: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The ranks at which the surest ``share`` of each class ends.

    Args:
        sources: See ``count_ranks``.
        folder: See ``count_ranks``.
        num_classes: See ``count_ranks``.
        share: Share of the pixels of each class in all images together, above 0 and at most 1; the
            number of pixels is rounded up.

    Returns:
        The last rank kept (C,), and how many pixels of that rank to keep (C,).
    """
    counts = count_ranks(sources, folder, num_classes)
    reached = counts[:, ::-1].cumsum(axis=1)  # by ranks from the surest on
    wanted = np.ceil((share * reached[:, -1]).round(6)).astype(np.int64)
    position = (reached >= wanted[:, None]).argmax(axis=1)
    rows = np.arange(num_classes)
    limits = RANKS - 1 - position
    above = reached[rows, position] - counts[rows, limits]
    return limits, wanted - above


def tied_quotas(
    sources: Sequence[Source],
    folder: Path,
    limits: NDArray[np.int64],
    wanted: NDArray[np.int64],
) -> dict[int, NDArray[np.int64]]:
    """How many pixels of the last rank each image keeps of each class (C,), by index of the image.

    The sums are exactly ``wanted``; images that have more of these pixels keep more.

    Args:
        sources: See ``count_ranks``.
        folder: See ``count_ranks``.
        limits: Last rank kept of each class (C,).
        wanted: Pixels of that rank to keep (C,).
    """
    counted = {}
    for index, source in own_share(sources):
        label, ranks = candidate(source, folder)
        tied = label[is_tied(label, ranks, limits)]
        counted[index] = np.bincount(tied, minlength=len(limits))
    counted = {index: row for part in all_gather_object(counted) for index, row in part.items()}
    order = sorted(counted)
    rows = np.array([counted[index] for index in order], np.int64).reshape(-1, len(limits))
    reached = rows.cumsum(axis=0)
    kept = np.rint(reached * (wanted / np.maximum(reached[-1:], 1))).astype(np.int64)
    return dict(zip(order, np.diff(kept, axis=0, prepend=0), strict=True))


def is_tied(
    label: NDArray[np.uint8], ranks: NDArray[np.uint16], limits: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Which pixels (H, W) have the last rank kept of their class."""
    return padded(limits, -1)[label] == ranks


def padded(limits: NDArray[np.int64], value: int) -> NDArray[np.int64]:
    """``limits`` (C,) continued with ``value`` for the labels that are no class (256,)."""
    return np.pad(limits, (0, LABELS - len(limits)), constant_values=value)


def keep_surest(
    label: NDArray[np.uint8],
    ranks: NDArray[np.uint16],
    limits: NDArray[np.int64],
    quota: NDArray[np.int64],
    name: str,
) -> NDArray[np.uint8]:
    """The label (H, W) with its surest pixels; the others are ignored.

    Args:
        label: Class of each pixel (H, W); see ``candidate``.
        ranks: Rank of each pixel (H, W).
        limits: Last rank kept of each class (C,).
        quota: Pixels of that rank to keep (C,), drawn at random.
        name: Name of the image, the seed: the same pixels are drawn in every run.
    """
    kept = label.copy()
    kept[ranks < padded(limits, RANKS)[label]] = DROPPED
    tied = np.flatnonzero(is_tied(label, ranks, limits))
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
    tied = np.random.default_rng(seed).permutation(tied)
    classes = label.ravel()[tied]
    for index in np.unique(classes):
        kept.ravel()[tied[classes == index][quota[index] :]] = DROPPED
    return kept


def keep_share(
    sources: Sequence[Source],
    candidates: Path,
    writer: LabelWriter,
    *,
    num_classes: int,
    share: float,
    ignore_index: int = DROPPED,
) -> list[float | None]:
    """Write this process's part of the final labels.

    Args:
        sources: The images of all processes.
        candidates: Folder of their labels and ranks before pixels are chosen.
        writer: Writes the final files.
        num_classes: C, labels ``0 … C - 1``.
        share: See ``limits_of_share``.
        ignore_index: Label of the pixels that are not kept.

    Returns:
        The lowest confidence kept of each class (C,); ``None`` for a class without pixels.
    """
    limits, wanted = limits_of_share(sources, candidates, num_classes, share)
    quotas = tied_quotas(sources, candidates, limits, wanted)
    for index, source in own_share(sources):
        label, ranks = candidate(source, candidates)
        label = keep_surest(label, ranks, limits, quotas[index], source.name)
        label[label == DROPPED] = ignore_index
        record = record_of(candidates / 'labels' / f'{source.name}.png')
        kept = np.bincount(label.ravel(), minlength=LABELS)[:num_classes].tolist()
        made = PseudoLabel(label, confidence_of(ranks), record.predicted, kept)
        writer.write(index, source, made, record.image)
    lowest = confidence_of(limits.astype(np.uint16)).tolist()
    return [value if count else None for value, count in zip(lowest, wanted, strict=True)]


def levels_of(confidence: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Confidences in 8 bits, 0 to 255."""
    return (255 * confidence).round().astype(np.uint8)
