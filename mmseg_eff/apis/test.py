"""Evaluate a checkpoint on the test data of its config."""

from mmseg.registry import RUNNERS

from ..converters import load_weights
from ..errors import InputError
from ..models import predict_labels_only
from .cli import add_output_stride, load_runner_config, network_of, runner_parser, tool
from .datasets import check_datasets
from .dense_crf import add_crf_options, build_crf, refine_predictions
from .label_rules import settle_labels


@tool
def main(argv: list[str] | None = None) -> None:
    """Parse the arguments of ``tools/test.py``, evaluate and print the metrics."""
    parser = runner_parser('Evaluate a segmentor')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--out', help='folder for label-id PNGs of the predictions')
    parser.add_argument('--tta', action='store_true', help='test-time augmentation of the config')
    add_output_stride(parser)
    add_crf_options(parser)
    args = parser.parse_args(argv)
    crf = build_crf(args)
    if crf and args.tta:
        raise InputError('--crf and --tta exclude each other: mmseg keeps no merged probabilities')

    config = load_runner_config(args)
    config.load_from = None
    if args.out:
        config.test_evaluator.update(output_dir=args.out, keep_results=True)
    if args.tta:
        config.test_dataloader.dataset.pipeline = config.tta_pipeline
        config.tta_model.module = config.model
        config.model = config.tta_model
    settle_labels(config, 'test_dataloader')
    check_datasets(config, 'test_dataloader')
    runner = RUNNERS.build(config)
    model = network_of(runner).module if args.tta else network_of(runner)
    load_weights(model, args.checkpoint)
    if crf:
        refine_predictions(model, crf)
    elif not args.tta:
        predict_labels_only(model)
    runner.test()
    if crf:
        print(crf.timing())
