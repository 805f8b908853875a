"""Evaluate a checkpoint on the test data of its config."""

from mmengine.runner import Runner

from ..converters import load_weights
from .cli import load_runner_config, runner_parser, tool
from .datasets import check_datasets


@tool
def main(argv: list[str] | None = None) -> None:
    """Parse the arguments of ``tools/test.py``, evaluate and print the metrics."""
    parser = runner_parser('Evaluate a segmentor')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--out', help='folder for label-id PNGs of the predictions')
    parser.add_argument('--tta', action='store_true', help='test-time augmentation of the config')
    args = parser.parse_args(argv)

    config = load_runner_config(args)
    config.load_from = None
    if args.out:
        config.test_evaluator.update(output_dir=args.out, keep_results=True)
    if args.tta:
        config.test_dataloader.dataset.pipeline = config.tta_pipeline
        config.tta_model.module = config.model
        config.model = config.tta_model
    check_datasets(config, 'test_dataloader')
    runner = Runner.from_cfg(config)
    load_weights(runner.model.module if args.tta else runner.model, args.checkpoint)
    runner.test()
