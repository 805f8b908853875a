"""Export a network to ONNX, OpenVINO or TensorRT, checked against the original on real images."""

import argparse
from pathlib import Path

from ..utils.names import PRECISIONS, backend_names
from ._arguments import ToolParser, finite_number, whole_number
from ._cli import add_config_arguments, add_output_stride, command, read_config_of
from ._network import add_checkpoint_arguments, find_network

BACKENDS = (*backend_names(), 'openvino-int8')
LAYOUTS = ('folder', 'triton', 'triton-python')  # of deploy.LAYOUTS
PARTS = ('resize', 'normalise', 'labels')  # of deploy.PARTS
OUTPUTS = ('labels', 'probabilities', 'logits')  # of deploy.OUTPUTS


def batch(text: str) -> int | None:
    """The type of ``--batch``: a number of images, or ``any``, which is ``None``."""
    return None if text == 'any' else whole_number(1)(text)


def add_arguments(parser: ToolParser) -> None:
    """Add the arguments of ``mmseg-eff export``."""
    add_config_arguments(parser, nargs='?')
    add_checkpoint_arguments(parser)
    parser.add_argument('--out', type=Path, required=True, help='folder to make')
    parser.add_argument('--backend', choices=BACKENDS, default='onnx')
    parser.add_argument(
        '--precision',
        choices=PRECISIONS,
        default='f32',
        help='a lower one than f32 must keep the mIoU and be faster; not every backend has all',
    )
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument(
        '--size', nargs=2, metavar=('H', 'W'), help="of all images; the first image's without"
    )
    sizes.add_argument('--any-size', action='store_true', help='images of any size; not all can')
    parser.add_argument(
        '--inside',
        nargs='*',
        choices=PARTS,
        help="what the graph does itself, not the runtime; the backend's choice without",
    )
    parser.add_argument(
        '--batch', type=batch, default=1, metavar='N|any', help='images that run together (1)'
    )
    parser.add_argument(
        '--output', choices=OUTPUTS, default='labels', help='what an image becomes (labels)'
    )
    parser.add_argument('--images', nargs='+', metavar='INPUT', help='to compare the labels on')
    parser.add_argument(
        '--num-images', type=whole_number(1), default=8, help='or so many of the test data (8)'
    )
    parser.add_argument(
        '--threads', type=whole_number(0), default=0, help='CPU threads; the engine chooses'
    )
    parser.add_argument(
        '--layout',
        choices=LAYOUTS,
        default='folder',
        help='or a model for a server: out is REPOSITORY/NAME',
    )
    lower = parser.add_argument_group('precision below f32')
    lower.add_argument(
        '--calibration', type=whole_number(1), default=100, help='training images for int8 (100)'
    )
    lower.add_argument(
        '--validation', type=whole_number(1), default=100, help='test images with labels (100)'
    )
    lower.add_argument(
        '--max-drop', type=finite_number, help='mIoU that it may lose (0.1; 0.5 of int8)'
    )
    add_output_stride(parser)


@command(add_arguments, intermixed=True)
def main(args: argparse.Namespace) -> None:
    """Export, and print how the labels compare and how long they take."""
    from ..apis.exporting import export

    find_network(args)
    result = export(
        read_config_of(args),
        args.checkpoint,
        args.out,
        backend=args.backend,
        precision=args.precision,
        size=args.size,
        any_size=args.any_size,
        inside=args.inside,
        batch=args.batch,
        output=args.output,
        images=args.images,
        num_images=args.num_images,
        threads=args.threads,
        layout=args.layout,
        calibration=args.calibration,
        validation=args.validation,
        max_drop=args.max_drop,
    )
    agreement, latency = result.agreement, result.latency_ms
    print(f'{agreement.labels:.4%} of the labels on {agreement.images} images are equal')
    if result.score_difference is not None:
        print(f'{args.output} differ by {result.score_difference:.2g} of their range at most')
    if result.reduced:
        precision, images = result.report['precision'], result.reduced.images
        print(f'f32 -> {precision} on {images} images: {result.reduced}')
    times = f'{latency.original:.1f} -> {latency.export:.1f} ms'
    print(f'image to labels: {times}; {args.out}/report.json')
