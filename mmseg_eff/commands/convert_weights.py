"""Convert the weights of a paper's authors into a checkpoint for our configs."""

from ..converters import CONVERTERS
from ..converters.convert import convert
from ..models.backbones.efficientnet import PADDINGS
from ._arguments import ToolParser
from ._cli import tool


@tool
def main(argv: list[str] | None = None) -> None:
    """Parse the arguments of ``tools/convert_weights.py`` and convert."""
    parser = ToolParser(description=__doc__)
    parser.add_argument('network', choices=sorted(CONVERTERS), help='whose weights they are')
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
    args = parser.parse_args(argv)
    meta = convert(args.network, args.source, args.target, padding=args.padding, key=args.key)
    model, preprocessing = (
        ', '.join(f'{key}={value}' for key, value in meta.get(part, {}).items())
        for part in ('model', 'preprocessing')
    )
    print(f'{args.target}: {model}; {meta["zeroed_denormals"]} denormal values set to zero')
    print(f'data_preprocessor: {preprocessing or "not known from the file"}')
