"""Self-training in rounds: pre-train, fine-tune a teacher, let it label, train a student.

The stages are ``0_pretrain`` if asked for, ``1_finetune`` (the teacher) and, in each round, labels
and a student: ``2_pseudo_label``, ``3_self_train``, ``4_pseudo_label``, … Each student is the
teacher of the next round. Source: ESeg (Meng et al., 2022), https://arxiv.org/abs/2203.12683.
"""

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config

from ..errors import InputError
from ..utils.output_folder import output_folder
from ..utils.user_errors import on_interrupt
from .pipeline import Chain, ChainOptions, OnStage
from .summary import TEACHER, StageRow, summarise_stages, write_summary

PRETRAIN = '0_pretrain'


@dataclass(frozen=True)
class SelfTraining:
    """A finished self-training.

    Attributes:
        folder: Folder of all stages, ``summary.json`` and ``summary.md``.
        rows: Time, mIoU, gain and share of labels kept of each stage, in order.
        checkpoint: Checkpoint of the last student.
    """

    folder: Path
    rows: list[StageRow]
    checkpoint: Path


def run_rounds(
    folder: Path,
    teacher: Config,
    student: Config,
    pretrain: Config | None,
    *,
    rounds: int,
    options: ChainOptions,
    on_stage: OnStage,
) -> SelfTraining:
    """Run the stages that are not finished yet.

    Args:
        folder: Folder of all stages.
        teacher: Config of the teacher's training.
        student: Config of the student's training; see ``move_labels``.
        pretrain: Config of the training that the others start from, if any.
        rounds: Number of rounds of labelling and training a student.
        options: How all stages run.
        on_stage: See ``Chain``.

    Raises:
        InputError: If a stage fails, or ``folder`` holds a chain with other settings.
    """
    folder = folder.resolve()
    names = [(f'{n}_pseudo_label', f'{n + 1}_self_train') for n in range(2, 2 * rounds + 1, 2)]
    trainings = {TEACHER: teacher}
    for labels, stage in names:
        trainings[stage] = move_labels(student, folder / labels / 'labels')
    kept = f'what is finished is kept in {folder}; the same command goes on'
    with output_folder(folder), on_interrupt(kept):
        chain = Chain(folder, options, on_stage)
        if pretrain is not None:
            chain.write_config(PRETRAIN, pretrain)
            checkpoint = chain.train(PRETRAIN)
            for config in trainings.values():
                config.load_from = checkpoint
        for stage, config in trainings.items():
            if stage == TEACHER or not options.from_teacher:
                chain.write_config(stage, config)
        trained, checkpoint = TEACHER, chain.train(TEACHER)
        for labels, stage in names:
            if options.from_teacher:
                trainings[stage].load_from = checkpoint
                chain.write_config(stage, trainings[stage])
            arguments = [str(folder / f'{trained}.py'), checkpoint, '--out', str(folder / labels)]
            arguments += ['--images-of', str(folder / f'{stage}.py'), *options.pseudo_options]
            chain.run(labels, 'pseudo_label.py', arguments)
            trained, checkpoint = stage, chain.train(stage)
        if pretrain is not None:
            trainings[PRETRAIN] = pretrain
        configs: dict[str, str | None] = {labels: None for labels, _ in names}
        configs |= {stage: name_of(config) for stage, config in trainings.items()}
        rows = summarise_stages(folder, chain.state['stages'], configs, best=options.best)
        write_summary(rows, folder)
    return SelfTraining(folder, rows, Path(checkpoint))


def name_of(config: Config) -> str:
    """Name of a config: that of its file, without suffix."""
    return Path(config.filename or 'config').stem


def move_labels(config: Config, folder: Path) -> Config:
    """A copy of a student's config whose pseudo labels are in another folder.

    Args:
        config: Its variable ``pseudo_labels`` is the folder of the labels;
            ``data_prefix.seg_map_path`` of the datasets that have pseudo labels begins with it.
        folder: The folder to use instead.

    Raises:
        InputError: If there is no such variable or dataset.
    """
    config = deepcopy(config)
    old = config.get('pseudo_labels')
    datasets = config.train_dataloader.dataset.get('datasets', [])
    prefixes = [dataset.get('data_prefix', {}) for dataset in datasets]
    prefixes = [
        prefix
        for prefix in prefixes
        if old and Path(prefix.get('seg_map_path', '')).is_relative_to(old)
    ]
    if not prefixes:
        raise InputError(
            f'{config.filename}: expected a variable pseudo_labels, a folder, and below it '
            'data_prefix.seg_map_path of one of train_dataloader.dataset.datasets; '
            f'got pseudo_labels={old!r}'
        )
    for prefix in prefixes:
        prefix.seg_map_path = str(folder / Path(prefix.seg_map_path).relative_to(old))
    config.pseudo_labels = str(folder)
    return config
