"""Set the output stride of the network in a config."""

from mmengine.config import Config

from ..errors import InputError
from ..models.layers.output_stride import OUTPUT_STRIDES
from ..utils.config_parts import argument


def set_output_stride(config: Config, output_stride: int) -> None:
    """Change the output stride of the network in a config, in place; weights fit both.

    The atrous rates of the head are scaled with the map, so that its field of view in the image
    stays the same: through its own ``output_stride``, or else the rates themselves. The same holds
    for ``image_pool_size``, a size of the map: as in the authors' code it is 33 at output stride 16
    and 65 at 8 for crops of 513. Auxiliary heads, used in training only, stay as they are.

    Args:
        config: Config of a segmentor whose backbone takes ``output_stride`` and whose decode head
            takes ``output_stride``, ``atrous_rates`` or ``atrous_rate``.
        output_stride: 8, 16 or 32.

    Raises:
        InputError: If it is none of the three, or a part cannot be changed so.
    """
    if output_stride not in OUTPUT_STRIDES:
        raise InputError(f'output_stride must be one of {OUTPUT_STRIDES}, got {output_stride}')
    backbone, head, neck = (config.model.get(name) for name in ('backbone', 'decode_head', 'neck'))
    old = argument(backbone, 'output_stride')
    if old is None:
        raise InputError(f'backbone {backbone.type} has no output_stride to set')
    if neck:
        raise InputError(f'output_stride cannot be set for a network with a neck ({neck.type})')
    where = f'{head.type} cannot change from output stride {old} to {output_stride}'

    def scaled(rate: int) -> int:
        if rate * old % output_stride:
            raise InputError(f'{where}: its rate {rate} would not be an integer')
        return rate * old // output_stride

    if (of_head := argument(head, 'output_stride')) is not None:
        # it may differ from the backbone's: the rates may be written for another one
        if of_head * output_stride // old not in OUTPUT_STRIDES:
            raise InputError(f'{where}: its own is {of_head}, and {OUTPUT_STRIDES} are allowed')
        head.output_stride = of_head * output_stride // old
    elif (rates := argument(head, 'atrous_rates')) is not None:
        head.atrous_rates = [scaled(rate) for rate in rates]
    elif (rate := argument(head, 'atrous_rate')) is not None:
        head.atrous_rate = scaled(rate)
    else:
        raise InputError(f'{where}: it has no output_stride, atrous_rates or atrous_rate')
    if pool_size := argument(head, 'image_pool_size'):
        excess = 1 if argument(head, 'align_corners') else 0  # sides of maps are k + 1 then
        pool_size = [(side - excess) * old // output_stride + excess for side in pool_size]
        head.image_pool_size = pool_size
    backbone.output_stride = output_stride
