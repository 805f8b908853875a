"""Export a network to ONNX, OpenVINO or TensorRT, checked against the original on real images."""

import argparse
from pathlib import Path

from ..utils.names import backend_names
from ._arguments import ToolParser, finite_number, whole_number
from ._cli import add_config_arguments, add_output_stride, command, read_config_of
from ._network import add_checkpoint_arguments, find_network

BACKENDS = (*backend_names(), 'openvino-int8')
PARTS = ('resize', 'normalise', 'labels')  # of deploy.PARTS


def add_arguments(parser: ToolParser) -> None:
    """Add the arguments of ``mmseg-eff export``."""
    add_config_arguments(parser, nargs='?')
    add_checkpoint_arguments(parser)
    parser.add_argument('--out', type=Path, required=True, help='folder to make')
    parser.add_argument('--backend', choices=BACKENDS, default='onnx')
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
    parser.add_argument('--images', nargs='+', metavar='INPUT', help='to compare the labels on')
    parser.add_argument(
        '--num-images', type=whole_number(1), default=8, help='or so many of the test data (8)'
    )
    parser.add_argument(
        '--threads', type=whole_number(0), default=0, help='CPU threads; the engine chooses'
    )
    int8 = parser.add_argument_group('openvino-int8')
    int8.add_argument(
        '--calibration', type=whole_number(1), default=100, help='training images (100)'
    )
    int8.add_argument(
        '--validation', type=whole_number(1), default=100, help='test images with labels (100)'
    )
    int8.add_argument('--max-drop', type=finite_number, default=0.5, help='mIoU it may lose (0.5)')
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
        size=args.size,
        any_size=args.any_size,
        inside=args.inside,
        images=args.images,
        num_images=args.num_images,
        threads=args.threads,
        calibration=args.calibration,
        validation=args.validation,
        max_drop=args.max_drop,
    )
    agreement, latency = result.agreement, result.latency_ms
    print(f'{agreement.labels:.4%} of the labels on {agreement.images} images are equal')
    if result.int8:
        print(f'float32 -> int8 on {result.int8.images} images: {result.int8}')
    times = f'{latency.original:.1f} -> {latency.export:.1f} ms'
    print(f'image to labels: {times}; {args.out}/report.json')
