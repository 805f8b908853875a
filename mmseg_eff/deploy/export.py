"""Export a network into a folder: write it, compare it with the original, measure, report."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from mmseg.models import BaseSegmentor

from ..datasets.image_reader import LabelsImages
from ..utils.atomic_io import sha256_of
from .backends import find_backend
from .graph import SegmentationGraph
from .package import fill_folder, versions, write_report
from .quantize import Int8Data, quantize
from .runtime import load_network
from .segmentor import ExportedSegmentor
from .verify import Latency, check_agreement, compare, latencies


def export_to_folder(
    folder: Path,
    model: BaseSegmentor,
    original: LabelsImages,
    images: Sequence[Path],
    *,
    checkpoint: str | Path,
    backend: str = 'onnx',
    size: tuple[int, int] | None = None,
    any_size: bool = False,
    inside: Sequence[str] = ('normalise', 'labels'),
    int8: Int8Data | None = None,
    threads: int = 0,
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
        int8: For ``openvino-int8``, which needs it: what to quantize with.
        threads: Threads of the CPU; the engine chooses with 0.

    Returns:
        The content of ``report.json``.

    Raises:
        InputError: If the network cannot be exported, or its labels are not the original's, or
            int8 is not accurate enough or not faster.
        ValueError: If an engine refuses the network.
    """
    if (backend == 'openvino-int8') != (int8 is not None):
        raise ValueError(f'int8 is for the backend openvino-int8, which needs it; got {backend}')
    first = original.reader.read(images[0])
    pixels = first['img']
    if any_size:
        size = None
    elif size is None:
        size = pixels.shape[:2]
    graph = SegmentationGraph(model, inside=inside, size=size, image=pixels)
    facts = fill_folder(model, graph, backend, folder, loading=original.reader.facts)
    runtime = load_network(folder, facts, threads)
    exported = ExportedSegmentor(runtime, original.reader)
    agreement = compare(images, original, exported)
    check_agreement(agreement, backend)
    figures = {}
    if int8:
        runtime, of_int8 = quantize(folder, runtime, original, images, int8, threads)
        exported = ExportedSegmentor(runtime, original.reader)
        figures['int8'] = asdict(of_int8)
    times = latencies(lambda: original.segment(first), lambda: exported.segment(first))
    report = dict(
        **runtime.report,
        agreement=asdict(agreement),
        **figures,
        latency_ms=asdict(Latency(*times)),
        versions=versions(),
        checkpoint_sha256=sha256_of(checkpoint),
    )
    add_files = getattr(find_backend(backend), 'add_files', None)
    if add_files:
        add_files(folder, report)
    return write_report(folder, report)
