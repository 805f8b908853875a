"""Self-training in one command: pre-train, fine-tune a teacher, let it label, train a student.

==================  ============================================================================
stage               what runs
==================  ============================================================================
``0_pretrain``      ``tools/train.py``, with ``--pretrain``: the other trainings start from it
``1_finetune``      ``tools/train.py`` of the teacher, on labelled data
``2_pseudo_label``  ``tools/pseudo_label.py``: the teacher labels the student's unlabelled images
``3_self_train``    ``tools/train.py`` of the student, on both
==================  ============================================================================

With ``--rounds 2`` that student is the teacher of ``4_pseudo_label`` for ``5_self_train``.
Source: ESeg (Meng et al., 2022), https://arxiv.org/abs/2203.12683.
"""

import argparse
from pathlib import Path

from mmengine.config import Config

from ..errors import InputError
from ..self_training.pipeline import Chain, move_labels
from ..self_training.summary import TEACHER, show, summarise
from ..utils.output_folder import output_folder
from ..utils.user_errors import on_interrupt
from ._arguments import ToolParser
from ._cli import add_config_arguments, command, read_config_of

PRETRAIN = '0_pretrain'


def add_arguments(parser: ToolParser) -> None:
    """Add the arguments of ``mmseg-eff self_train``."""
    add_config_arguments(parser)
    parser.add_argument('student', help='config with labelled and pseudo-labelled data sets')
    parser.add_argument('--work-dir', required=True, help='folder of all stages; resumable')
    parser.add_argument('--pretrain', metavar='CONFIG', help='train this first, and start from it')
    parser.add_argument('--rounds', type=int, default=1, help='of pseudo labels and student (1)')
    parser.add_argument(
        '--from-teacher', action='store_true', help="start students from their teacher's weights"
    )
    parser.add_argument('--processes', type=int, default=1, help='of each stage (1)')
    parser.add_argument(
        '--best', action='store_true', help='take the checkpoint best in validation, not the last'
    )
    parser.add_argument(
        '--pseudo-options',
        nargs=argparse.REMAINDER,
        default=[],
        help='options of tools/pseudo_label.py: all that follows',
    )


@command(add_arguments)
def main(args: argparse.Namespace) -> None:
    """Parse the arguments of ``tools/self_train.py`` and run what is not finished."""
    for name in ('rounds', 'processes'):
        if getattr(args, name) < 1:
            raise InputError(f'--{name} must be at least 1, got {getattr(args, name)}')

    def load(path: str) -> Config:
        return read_config_of(args, path)

    folder = Path(args.work_dir).resolve()
    trainings = {TEACHER: load(args.config)}
    student = load(args.student)
    rounds = [
        (f'{number}_pseudo_label', f'{number + 1}_self_train')
        for number in range(2, 2 * args.rounds + 1, 2)
    ]
    for labels, stage in rounds:
        trainings[stage] = move_labels(student, folder / labels / 'labels')
    names = {stage: Path(config.filename).stem for stage, config in trainings.items()}
    names.update((labels, None) for labels, _ in rounds)
    pretrain = load(args.pretrain) if args.pretrain else None

    kept = f'what is finished is kept in {folder}; the same command goes on'
    with output_folder(folder), on_interrupt(kept):
        chain = Chain(folder, args)
        if pretrain:
            names[PRETRAIN] = Path(args.pretrain).stem
            chain.write_config(PRETRAIN, pretrain)
            checkpoint = chain.train(PRETRAIN)
            for config in trainings.values():
                config.load_from = checkpoint
        for stage, config in trainings.items():
            if stage == TEACHER or not args.from_teacher:
                chain.write_config(stage, config)
        teacher, checkpoint = TEACHER, chain.train(TEACHER)
        for labels, stage in rounds:
            if args.from_teacher:
                trainings[stage].load_from = checkpoint
                chain.write_config(stage, trainings[stage])
            arguments = [str(folder / f'{teacher}.py'), checkpoint, '--out', str(folder / labels)]
            arguments += ['--images-of', str(folder / f'{stage}.py'), *args.pseudo_options]
            chain.run(labels, 'pseudo_label.py', arguments)
            teacher, checkpoint = stage, chain.train(stage)
        show(summarise(folder, chain.state['stages'], names, args.best), folder)
