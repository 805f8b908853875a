"""Self-training in one command: pre-train, fine-tune a teacher, let it label, train a student.

CONFIG trains the teacher, STUDENT the student. The same command resumes a run that was stopped.

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
from typing import TYPE_CHECKING

from ._arguments import ToolParser, whole_number
from ._cli import add_config_arguments, command

if TYPE_CHECKING:
    from ..self_training.rounds import SelfTraining


def add_arguments(parser: ToolParser) -> None:
    """Add the arguments of ``mmseg-eff self_train``."""
    add_config_arguments(parser)
    parser.add_argument('student', help='config with labelled and pseudo-labelled datasets')
    parser.add_argument('--work-dir', required=True, help='folder of all stages; resumable')
    parser.add_argument('--pretrain', metavar='CONFIG', help='train this first, and start from it')
    parser.add_argument(
        '--rounds', type=whole_number(1), default=1, help='of pseudo labels and student (1)'
    )
    parser.add_argument(
        '--from-teacher', action='store_true', help="start students from their teacher's weights"
    )
    parser.add_argument('--processes', type=whole_number(1), default=1, help='of each stage (1)')
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
    """Run the stages that are not finished, and print what each of them took and gave."""
    from ..apis.labelling import self_train

    chain = self_train(
        args.config,
        args.student,
        args.work_dir,
        pretrain=args.pretrain,
        rounds=args.rounds,
        from_teacher=args.from_teacher,
        processes=args.processes,
        best=args.best,
        pseudo_options=args.pseudo_options,
        options=args.cfg_options,
        safe_config=args.safe_config,
        allow_download=args.allow_download,
        on_stage=lambda line: print(line, flush=True),
    )
    print_rows(chain)


def print_rows(chain: 'SelfTraining') -> None:
    """Print the figures of each stage and the files that hold them."""
    from rich.table import Table

    from ..self_training.summary import COLUMNS, cells_of
    from ..utils.printing import console

    table = Table(*(name for name in COLUMNS if name != 'config'))  # fits into 80 columns
    for stage, _, *figures in cells_of(chain.rows):
        table.add_row(stage, *figures)
    console().print(table)
    print(f'{chain.folder}/summary.md, {chain.folder}/summary.json')
