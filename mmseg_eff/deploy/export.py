"""Export a network into a folder: write it, compare it with the original, measure, report."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from mmseg.models import BaseSegmentor

from ..utils.atomic_io import sha256_of
from .backends import find_backend
from .graph import SegmentationGraph
from .package import fill_folder, versions, write_report
from .precision import Reduction, reduce_precision
from .runtime import load_network
from .segmentor import ExportedSegmentor
from .triton import arrange
from .verify import (
    Latency,
    ScoresImages,
    check_agreement,
    check_scores,
    compare,
    compare_scores,
    latencies,
)

CHECKED_BATCH = 3  # images at once in the check of an export for any number


def export_to_folder(
    folder: Path,
    model: BaseSegmentor,
    original: ScoresImages,
    images: Sequence[Path],
    *,
    checkpoint: str | Path,
    backend: str = 'onnx',
    size: tuple[int, int] | None = None,
    any_size: bool = False,
    inside: Sequence[str] = ('normalise', 'labels'),
    batch: int | None = 1,
    output: str = 'labels',
    weights: Mapping | None = None,
    reduction: Reduction | None = None,
    threads: int = 0,
    layout: str = 'folder',
    name: str = '',
) -> dict:
    """Fill an empty folder with an exported network and its report.

    Args:
        folder: An empty folder; see ``new_folder``.
        model: The segmentor, with ``cfg`` and ``dataset_meta``.
        original: ``model`` as a function of images, to compare with.
        images: Images to compare the labels on.
        checkpoint: File of the weights, whose SHA-256 the report has.
        backend: Name of a backend, see ``find_backend``.
        size: Height and width of all images; those of the first one by default.
        any_size: Take images of any size.
        inside: What the graph does itself, of ``PARTS``.
        batch: Number of images that run together; any number with ``None``.
        output: What an image becomes: ``labels``, ``probabilities`` or ``logits``.
        weights: Name, licence and dataset of the weights, where known.
        reduction: A lower precision than float32, and what to make and to judge it with.
        threads: Threads of the CPU; the engine chooses with 0.
        layout: Of ``LAYOUTS``: ``folder``, or a model of Triton's.
        name: What a server calls the model, for the other layouts.

    Returns:
        The content of ``report.json``.

    Raises:
        InputError: If the network cannot be exported, its labels or scores are not the
            original's, or in the lower precision it is not accurate enough or not faster.
        ValueError: If an engine refuses the network.
    """
    first = original.reader.read(images[0])
    pixels = first['img']
    if any_size:
        size = None
    elif size is None:
        size = pixels.shape[:2]
    origin = dict(weights=weights, checkpoint_sha256=sha256_of(checkpoint))
    graph = SegmentationGraph(
        model,
        inside=inside,
        size=size,
        batch=batch,
        result=output,
        image=pixels,
        origin=origin,
    )
    facts = fill_folder(model, graph, backend, folder, loading=original.reader.facts)
    runtime = load_network(folder, facts, threads)
    exported = ExportedSegmentor(runtime, original.reader)
    together = batch or CHECKED_BATCH
    agreement = compare(images, original, exported, together)
    check_agreement(agreement, backend)
    figures: dict = {}
    if output != 'labels':
        figures['score_difference'] = compare_scores(images, original, exported, output)
        check_scores(figures['score_difference'], backend)
    if reduction:
        runtime, of_both = reduce_precision(
            folder, graph, runtime, original, images, reduction, threads
        )
        exported = ExportedSegmentor(runtime, original.reader)
        figures['precision_figures'] = asdict(of_both)
    several = [first] * (batch or 1)
    before, after = latencies(
        lambda: original.segment(first), lambda: exported.segment_batch(several)
    )
    report = dict(
        **runtime.report,
        agreement=asdict(agreement),
        **figures,
        latency_ms=asdict(Latency(before, round(after / len(several), 3))),
        versions=versions(backend),
    )
    add_files = getattr(find_backend(backend), 'add_files', None)
    if add_files:
        add_files(folder, report)
    if layout != 'folder':
        report = arrange(folder, report, layout, name)
    return write_report(folder, report)
