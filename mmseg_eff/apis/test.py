"""Evaluate a checkpoint on the test data of its config."""

import os
from pathlib import Path

from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from ..converters import load_weights
from .cli import config_parser, load_config, tool
from .datasets import check_datasets


@tool
def main(argv: list[str] | None = None) -> None:
    """Parse the arguments of ``tools/test.py``, evaluate and print the metrics."""
    parser = config_parser('Evaluate a segmentor')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--work-dir', help='folder of the log')
    parser.add_argument('--out', help='folder for label-id PNGs of the predictions')
    parser.add_argument('--tta', action='store_true', help='test-time augmentation of the config')
    parser.add_argument(
        '--launcher',
        choices=('none', 'pytorch', 'slurm', 'mpi'),
        default='none',
        help='job launcher',
    )
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    args = parser.parse_args(argv)
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))

    config = load_config(args)
    config.launcher = args.launcher
    config.work_dir = args.work_dir or str(Path('work_dirs', Path(args.config).stem))
    config.load_from = None
    if args.out:
        config.test_evaluator.update(output_dir=args.out, keep_results=True)
    if args.tta:
        config.test_dataloader.dataset.pipeline = config.tta_pipeline
        config.tta_model.module = config.model
        config.model = config.tta_model

    init_default_scope(config.get('default_scope', 'mmseg'))
    check_datasets(config, 'test_dataloader')
    runner = Runner.from_cfg(config)
    load_weights(runner.model.module if args.tta else runner.model, args.checkpoint)
    runner.test()
