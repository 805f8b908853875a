"""Convert the weights of a paper's authors into a checkpoint for our configs."""

import argparse

from ._arguments import ToolParser
from ._cli import command

NETWORKS = (  # of CONVERTERS
    *('efficientnet', 'espnet', 'espnetv2', 'mobilenetv2', 'resnet', 'vgg16', 'xception'),
)
PADDINGS = ('same', 'symmetric')


def add_arguments(parser: ToolParser) -> None:
    """Add the arguments of ``mmseg-eff convert_weights``."""
    parser.add_argument('network', choices=NETWORKS, help='whose weights they are')
    parser.add_argument('source', help="the authors' file")
    parser.add_argument('target', help='checkpoint to write: .pth or .safetensors')
    parser.add_argument(
        '--padding',
        choices=PADDINGS,
        help="how an EfficientNet of timm's pads: tf_efficientnet_* same, the others symmetric",
    )
    parser.add_argument(
        '--key',
        help='where the weights are in the file, such as state_dict_ema; usual keys are found',
    )


@command(add_arguments)
def main(args: argparse.Namespace) -> None:
    """Convert, and print what is known of the network."""
    from ..apis.weights import convert_weights

    converted = convert_weights(
        args.network, args.source, args.target, padding=args.padding, key=args.key
    )
    model, preprocessing = (
        ', '.join(f'{key}={value}' for key, value in part.items())
        for part in (converted.model, converted.preprocessing)
    )
    print(f'{args.target}: {model}; {converted.zeroed_denormals} denormal values set to zero')
    print(f'data_preprocessor: {preprocessing or "not known from the file"}')
