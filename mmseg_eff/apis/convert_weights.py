"""Convert the weights of a paper's authors into a checkpoint for our configs."""

from pathlib import Path

from ..converters import CONVERTERS, load_checkpoint, save_checkpoint, zero_denormals
from ..errors import InputError
from ..files import sha256_of
from ..models.backbones.efficientnet import PADDINGS
from .arguments import ToolParser
from .cli import tool

PADDED = 'efficientnet'  # the one network whose files may leave open how it pads


def convert(
    name: str, source: str | Path, target: str | Path, *, padding: str | None = None
) -> dict:
    """Convert ``source`` and write it to ``target``.

    Args:
        name: Key of ``CONVERTERS``.
        source: File of the authors.
        target: Checkpoint to write; its suffix chooses ``.pth`` or ``.safetensors``.
        padding: How the network pads, where its files do not say: for timm's EfficientNets only.

    Returns:
        The ``meta`` written: ``model``, ``source`` and, as far as known, ``preprocessing`` and
        ``dataset_meta``.

    Raises:
        InputError: If ``source`` is damaged or another network's, or ``padding`` is given for one
            without that choice; nothing is written then.
    """
    if padding and name != PADDED:
        raise InputError(f'padding is for {PADDED} only, got {padding!r} for {name}')
    options = dict(padding=padding) if padding else {}
    state_dict = load_checkpoint(source)['state_dict']
    try:
        converted, meta = CONVERTERS[name](state_dict, **options)
    except InputError as error:
        raise InputError(f'{source}: {error}') from error
    meta['source'] = dict(file=Path(source).name, sha256=sha256_of(source), converter=name)
    meta['zeroed_denormals'] = zero_denormals(converted)
    save_checkpoint(dict(meta=meta, state_dict=converted), target)
    return meta


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
    args = parser.parse_args(argv)
    meta = convert(args.network, args.source, args.target, padding=args.padding)
    model, preprocessing = (
        ', '.join(f'{key}={value}' for key, value in meta.get(part, {}).items())
        for part in ('model', 'preprocessing')
    )
    print(f'{args.target}: {model}; {meta["zeroed_denormals"]} denormal values set to zero')
    print(f'data_preprocessor: {preprocessing or "not known from the file"}')
