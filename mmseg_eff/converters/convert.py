"""Convert a file of a paper's authors into a checkpoint for our configs."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ..checkpoint.foreign import averaged_keys, beginnings, inner_networks
from ..checkpoint.io import checked_weights, save_checkpoint, zero_denormals
from ..checkpoint.safe_reading import read_checkpoint
from ..errors import InputError
from ..utils.atomic_io import remove_leftovers, sha256_of
from . import CONVERTERS

BACKBONES = ('efficientnet', 'mobilenetv2', 'resnet', 'vgg16', 'xception')  # perhaps of a network
PADDED = 'efficientnet'  # the one network whose files may leave open how it pads


def convert(
    name: str,
    source: str | Path,
    target: str | Path,
    *,
    padding: str | None = None,
    key: str | None = None,
) -> dict[str, Any]:
    """Convert ``source`` and write it to ``target``.

    Args:
        name: Key of ``CONVERTERS``.
        source: File of the authors.
        target: Checkpoint to write; its suffix chooses ``.pth`` or ``.safetensors``.
        padding: How the network pads, where its files do not say: for timm's EfficientNets only.
        key: Where the weights are in the file, such as ``'state_dict_ema'``; the usual ones are
            found, averaged ones on request only.

    Returns:
        The ``meta`` written: ``model``, ``source`` and, as far as known, ``preprocessing`` and
        ``dataset_meta``.

    Raises:
        InputError: If ``source`` is damaged or another network's, ``name`` is no key, or
            ``padding`` is given for a network without that choice; nothing is written then.
    """
    if name not in CONVERTERS:
        raise InputError(f'network must be one of {", ".join(sorted(CONVERTERS))}, got {name!r}')
    if padding and name != PADDED:
        raise InputError(f'padding is for {PADDED} only, got {padding!r} for {name}')
    options = dict(padding=padding) if padding else {}
    checkpoint = read_checkpoint(source)
    state_dict = checked_weights(checkpoint, source, key)['state_dict']
    converted, meta = convert_part(name, state_dict, source, options)
    averaged = averaged_keys(checkpoint)
    if averaged and key is None:
        print(f'{source}: --key {averaged[0]} takes the averaged weights instead', file=sys.stderr)
    meta['source'] = dict(file=Path(source).name, sha256=sha256_of(source), converter=name)
    meta['zeroed_denormals'] = zero_denormals(converted)
    remove_leftovers(Path(target).parent)
    save_checkpoint(dict(meta=meta, state_dict=converted), target)
    return meta


def convert_part(
    name: str, state_dict: Mapping[str, Tensor], source: str | Path, options: Mapping[str, str]
) -> tuple[dict[str, Tensor], dict]:
    """Convert a state dict or, for a backbone, the module in it that is such a network.

    Raises:
        InputError: If none is; says how the names begin.
    """
    try:
        return CONVERTERS[name](state_dict, **options)
    except InputError as error:
        for part in inner_networks(state_dict) if name in BACKBONES else ():
            try:
                return CONVERTERS[name](part, **options)
            except InputError:
                continue
        reasons = filter(None, (str(error), beginnings(state_dict)))
        raise InputError(f'{source}: {"; ".join(reasons)}') from error
