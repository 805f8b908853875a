"""Pseudo labels and self-training from Python."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from mmengine.config import Config

from ..config.load import as_config, load_config
from ..dataset_check.build import dataset_of
from ..dataset_check.settle_labels import check_num_outputs, ignored_label, rules_of
from ..errors import InputError
from ..hub import resolve
from ..inference.inputs import collect_sources, suffixes_of
from ..inference.segmentor import load_segmentor
from ..models import optimize_for_inference
from ..self_training.label_images import join_processes
from ..self_training.make_labels import LabelOptions, PseudoLabels, make_labels
from ..self_training.pipeline import ChainOptions
from ..self_training.pseudo_options import command_options
from ..self_training.rounds import SelfTraining, run_rounds
from ..self_training.teacher import Teacher
from ..self_training.thresholds import thresholds_of
from ..self_training.unlabelled_images import training_images
from ..utils.image_io import IMAGE_SUFFIXES
from ..utils.numbers import check_at_least


def pseudo_label(
    config: str | Path | Config,
    checkpoint: str | Path,
    images: str | Path | Sequence[str | Path] | None,
    out: str | Path,
    *,
    images_of: str | Path | Config | None = None,
    scales: Sequence[float] = (0.5, 1.0, 2.0),
    flip: bool = True,
    confidence: float | None = None,
    class_confidence: Mapping[str, float] | None = None,
    class_share: float | None = None,
    save_confidence: bool = False,
    overlays: int = 8,
    device: str | None = None,
    launcher: str = 'none',
    options: Mapping[str, object] | None = None,
    safe_config: bool = False,
    allow_download: bool = False,
) -> PseudoLabels:
    """Label images by a teacher where it is sure, to train another network on them.

    A run that was stopped resumes when it is called again with the same arguments. An image that
    cannot be labelled does not stop the others; ``PseudoLabels.failed`` names it.

    Example::

        made = mmseg_eff.pseudo_label('teacher.py', 'teacher.pth', 'images', 'pseudo')
        print(made.summary.kept, made.failed)

    Args:
        config: Config of the teacher: a file, the name of a config, or a ``Config``.
        checkpoint: Checkpoint file of the teacher, or ``'hub:NAME'``.
        images: Image files, folders and globs; ``None`` with ``images_of``.
        out: Folder for ``labels/`` (8-bit PNGs of class indices), ``overlays/`` and
            ``report.json``.
        images_of: Config of a training instead of ``images``: those images whose labels it seeks
            below ``out/labels``.
        scales: Factors of the size that the test pipeline resizes to, or of the image's own size.
        flip: Also predict each scale flipped left to right.
        confidence: Mean probability that a kept pixel exceeds, 0 to 1; 0.5 by default.
        class_confidence: The same for single classes, by name.
        class_share: Instead of both: keep this share of every class, its surest pixels; above 0
            and at most 1.
        save_confidence: Also write ``confidence/`` (8-bit PNGs, 255 for a probability of 1).
        overlays: How many of the first images to draw.
        device: Device of torch; the first GPU if there is one.
        launcher: ``'pytorch'`` to share the images with the other processes of torchrun.
        options: Settings of ``config`` to override, by dotted key.
        safe_config: Read configs given by path or name as data and run no Python in them.
        allow_download: With ``safe_config``, fetch weights from URLs in the config.

    Returns:
        Folder, summary of each class, thresholds and failed images; the same in every process.

    Raises:
        InputError: If an argument is wrong, the checkpoint does not fit, there are no images, or
            ``out`` holds labels made with other settings.
    """
    scales = [float(scale) for scale in scales]
    if not scales or not all(scale > 0 for scale in scales):
        raise InputError(f'scales must be numbers above 0, got {scales}')
    given = [images] if isinstance(images, str | Path) else list(images or ())
    if bool(given) == (images_of is not None):
        raise InputError('give either images or images_of')
    thresholds = thresholds_of(confidence, class_confidence, class_share)
    load = partial(read, safe_config=safe_config, allow_download=allow_download)
    network = load(config, options)
    check_num_outputs(network)  # pseudo labels are label files of 8 bits
    gpu = join_processes(launcher)
    checkpoint = resolve(str(checkpoint))
    model = optimize_for_inference(load_segmentor(network, checkpoint, device or gpu))
    teacher, folder = Teacher(model, scales, flip), Path(out)
    if images_of is None:
        ignored = ignored_label(network)
        suffixes = (*IMAGE_SUFFIXES, *suffixes_of(network))
        sources = collect_sources([str(path) for path in given], suffixes)
    else:
        training, name = load(images_of), name_of(images_of)
        ignored = rules_of(dataset_of(training, 'train_dataloader'), name).ignore_index
        sources = training_images(training, name, folder / 'labels', teacher.classes)
    label_options = LabelOptions(scales, flip, thresholds, ignored, save_confidence, overlays)
    return make_labels(
        sources, teacher, folder, label_options, config=name_of(config), checkpoint=checkpoint
    )


def self_train(
    teacher: str | Path | Config,
    student: str | Path | Config,
    work_dir: str | Path,
    *,
    pretrain: str | Path | Config | None = None,
    rounds: int = 1,
    from_teacher: bool = False,
    processes: int = 1,
    best: bool = False,
    pseudo_options: Mapping[str, object] | Sequence[str] = (),
    options: Mapping[str, object] | None = None,
    safe_config: bool = False,
    allow_download: bool = False,
    on_stage: Callable[[str], None] | None = None,
) -> SelfTraining:
    """Train a teacher, let it label images, and train a student on these, in one call.

    Each stage runs in processes of its own, which write their log to this process's standard
    output and error. Called again, it runs what is not finished, and resumes a stopped training.

    Example::

        chain = mmseg_eff.self_train('teacher.py', 'student.py', 'work_dirs/chain')
        print(chain.rows[-1].gain, chain.checkpoint)

    Args:
        teacher: Config of the teacher's training: a file, the name of a config, or a ``Config``.
        student: Config of the student's training, on labelled and pseudo-labelled datasets; its
            variable ``pseudo_labels`` is the folder of the labels.
        work_dir: Folder of all stages.
        pretrain: Config of a training that runs first; the other trainings start from it.
        rounds: Rounds of labelling and training a student; each student teaches the next one.
        from_teacher: Start students from the weights of their teacher.
        processes: Processes of each stage; batch sizes are those of each process.
        best: Take the checkpoints that are best in validation instead of the last.
        pseudo_options: Arguments of ``pseudo_label`` by name (``scales`` to ``device``), or options
            of ``tools/pseudo_label.py`` as on the command line.
        options: Settings to override in all configs, by dotted key.
        safe_config: Read configs given by path or name as data and run no Python in them.
        allow_download: With ``safe_config``, fetch weights from URLs in the configs.
        on_stage: Called with a line as a stage begins, or is found finished, such as ``print``.

    Returns:
        Folder, figures of each stage, and the checkpoint of the last student.

    Raises:
        InputError: If an argument is wrong, a stage fails, or ``work_dir`` holds a self-training
            with other settings.
    """
    check_at_least(1, rounds=rounds, processes=processes)
    chain_options = ChainOptions(
        pretrain=pretrain is not None,
        from_teacher=from_teacher,
        processes=processes,
        best=best,
        pseudo_options=command_options(pseudo_options),
        safe_config=safe_config,
        allow_download=allow_download,
    )
    load = partial(
        read,
        options=options,
        safe_config=safe_config,
        allow_download=allow_download,
        work_dir=work_dir,
    )
    return run_rounds(
        Path(work_dir),
        load(teacher),
        load(student),
        None if pretrain is None else load(pretrain),
        rounds=rounds,
        options=chain_options,
        on_stage=on_stage or (lambda line: None),
    )


def read(
    source: str | Path | Config,
    options: Mapping[str, object] | None = None,
    *,
    safe_config: bool = False,
    allow_download: bool = False,
    work_dir: str | Path | None = None,
) -> Config:
    """``load_config`` of a path or name; a copy of a ``Config``, with the options."""
    if isinstance(source, Config):
        return as_config(source, options)
    return load_config(
        source,
        options,
        safe_config=safe_config,
        allow_download=allow_download,
        work_dir=work_dir,
    )


def name_of(source: str | Path | Config) -> str:
    """What to call a config in a report and in errors."""
    return str(source.filename if isinstance(source, Config) else source)
