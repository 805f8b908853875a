"""Make pseudo labels of images by a teacher: settings, labels, class shares and report."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmengine.dist import all_gather_object, barrier, broadcast_object_list, get_dist_info

from ..datasets.image_reader import ImageReader, Loaded
from ..datasets.label_rules import DROPPED
from ..inference.inputs import Source
from ..utils.atomic_io import replacing, sha256_of
from ..utils.output_folder import output_folder
from ..utils.user_errors import on_interrupt
from ..visualization.overlay import color_table
from .class_balance import RANKS, keep_share, levels_of, ranks_of
from .label_files import LabelSummary, LabelWriter, record_of, summarise_labels
from .label_images import check_settings, label_images
from .teacher import PseudoLabel, Teacher
from .thresholds import Thresholds

ALL = 'all'  # folder of the candidates from which a share of every class is kept


@dataclass(frozen=True)
class PseudoLabels:
    """The pseudo labels in a folder.

    Attributes:
        folder: Folder of ``labels/``, ``overlays/``, ``report.json`` and, if saved,
            ``confidence/``.
        summary: Counts and shares of all images and of each class.
        thresholds: The confidence that a kept pixel of each class exceeds; with ``class_share``,
            the lowest confidence kept, ``None`` for a class without pixels.
        failed: The path of each image that failed, with the reason in one line.
    """

    folder: Path
    summary: LabelSummary
    thresholds: dict[str, float | None]
    failed: dict[str, str]


@dataclass(frozen=True)
class LabelOptions:
    """What the labels depend on besides the network and the images.

    Attributes:
        scales: See ``build_views``.
        flip: See ``build_views``.
        thresholds: Which pixels keep their label.
        ignore_index: Label of the other pixels.
        save_confidence: Write the confidences in 8 bits.
        num_overlays: How many of the first images to draw.
    """

    scales: Sequence[float]
    flip: bool
    thresholds: Thresholds
    ignore_index: int = DROPPED
    save_confidence: bool = False
    num_overlays: int = 8

    def settings(self) -> dict[str, Any]:
        """These options as ``settings.json`` and ``report.json`` hold them."""
        settings = dict(
            scales=list(self.scales),
            flip=self.flip,
            confidence=self.thresholds.confidence,
            class_confidence=dict(self.thresholds.class_confidence),
            class_share=self.thresholds.class_share,
            ignore_index=self.ignore_index,
            save_confidence=self.save_confidence,
            overlays=self.num_overlays,
        )
        if self.thresholds.class_share is not None:
            settings['ranks'] = RANKS  # of OUT/all/confidence; earlier versions wrote 8 bits there
        return settings


def make_labels(
    sources: Sequence[Source],
    teacher: Teacher,
    out: Path,
    options: LabelOptions,
    *,
    config: str,
    checkpoint: str,
) -> PseudoLabels:
    """Label the images of all processes, and write the report.

    Args:
        sources: The images.
        teacher: Gives the labels.
        out: Output folder; labels of an earlier run with the same settings are kept.
        options: What the labels depend on.
        config: Name of the teacher's config, for the report.
        checkpoint: The teacher's checkpoint file.

    Raises:
        InputError: If ``out`` holds labels made with other settings, or is in use.
    """
    settings = dict(
        config_sha256=digest_of(teacher),
        checkpoint_sha256=sha256_of(checkpoint),
        **options.settings(),
    )
    limits = options.thresholds.of_classes(teacher.classes)
    kept = f'the labels written so far are kept in {out}; the same command goes on'
    with output_folder(out), on_interrupt(kept):
        check_settings(out, settings)
        barrier()  # no process writes a label before all have checked the settings
        failed, thresholds = write_labels(sources, teacher, out, options, limits)
        done = [source for source in sources if str(source.path) not in failed]
        summaries: list[LabelSummary | None] = [None]
        if get_dist_info()[0] == 0:
            records = (record_of(out / 'labels' / f'{source.name}.png') for source in done)
            summary = summarise_labels(records, teacher.classes)
            report = dict(config=config, checkpoint=checkpoint, **settings, **asdict(summary))
            with replacing(out / 'report.json') as temporary:
                temporary.write_text(json.dumps({**report, 'failed': failed}, indent=1) + '\n')
            summaries = [summary]
        broadcast_object_list(summaries)
    (first,) = summaries
    assert first is not None  # the first process has sent it
    by_class = dict(zip(teacher.classes, thresholds, strict=True))
    return PseudoLabels(out, first, by_class, failed)


def digest_of(teacher: Teacher) -> str:
    """SHA-256 of the network, the test pipeline and the classes."""
    config = teacher.model.cfg
    network = json.dumps([config.model, config.test_pipeline, teacher.classes], default=str)
    return hashlib.sha256(network.encode()).hexdigest()


def write_labels(
    sources: Sequence[Source],
    teacher: Teacher,
    out: Path,
    options: LabelOptions,
    limits: Sequence[float],
) -> tuple[dict[str, str], Sequence[float | None]]:
    """Label the images, by thresholds or by share; the processes share the work.

    Args:
        sources: See ``make_labels``.
        teacher: See ``make_labels``.
        out: See ``make_labels``.
        options: See ``make_labels``.
        limits: Threshold of each class (C,).

    Returns:
        The images of all processes that failed, with the reasons; the threshold of each class.
    """
    reader = ImageReader(teacher.model.cfg.test_pipeline)
    colors = color_table(teacher.model.dataset_meta['palette'])
    levels = levels_of if options.save_confidence else None
    final = LabelWriter(out, reader, colors, options.num_overlays, levels)
    share = options.thresholds.class_share
    writer = final if share is None else LabelWriter(out / ALL, reader, colors, digits=ranks_of)
    # candidates all ignore 255, whatever the dataset ignores
    ignored = options.ignore_index if share is None else DROPPED

    def teach(image: Loaded) -> PseudoLabel:
        return teacher.label(image, limits, ignored)

    own = label_images(sources, writer, teach)
    failed = {path: why for part in all_gather_object(own) for path, why in part.items()}
    if share is None:
        return failed, limits
    thresholds = keep_share(
        [source for source in sources if str(source.path) not in failed],
        out / ALL,
        final,
        num_classes=len(limits),
        share=share,
        ignore_index=options.ignore_index,
    )
    barrier()  # all labels are there before they are counted
    return failed, thresholds
