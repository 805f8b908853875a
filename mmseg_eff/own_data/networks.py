"""The networks that a new config can have, and the published weights that they start from."""

from typing import NamedTuple

from ..errors import InputError
from ..hub import get
from ..utils.names import HUB

STREETS, IMAGENET = 'camvid', 'efficientnet-lite0_imagenet'


class Network(NamedTuple):
    """A network.

    Attributes:
        base: Its file in ``configs/_base_/own``.
        weights: Published weights to start from, the best ones first.
        what: The network in words.
    """

    base: str
    weights: tuple[str, ...]
    what: str


NETWORKS = {
    'espnet': Network('espnet', ('espnet-p2q8_cityscapes',), 'ESPNet, p = 2, q = 8'),
    'espnetv2': Network('espnetv2', ('espnetv2-s2.0_cityscapes',), 'ESPNetv2, s = 2.0'),
    'eseg': Network('eseg', (STREETS, IMAGENET), 'ESeg on EfficientNet-Lite0'),
    'deeplab': Network('deeplab', (STREETS, IMAGENET), 'DeepLabv3+ on EfficientNet-Lite0'),
}
# By the milliseconds and mIoU of docs/results/camvid.md
CHOICES = {'fast': 'espnet', 'balanced': 'eseg', 'accurate': 'espnetv2'}
DEFAULT = 'balanced'


def find_network(name: str) -> Network:
    """The network of a family or of a choice such as ``fast``.

    Raises:
        InputError: If there is none.
    """
    key = CHOICES.get(name, name)
    if key not in NETWORKS:
        allowed = ', '.join([*CHOICES, *NETWORKS])
        raise InputError(f'network must be one of {allowed}, got {name!r}')
    return NETWORKS[key]


def find_weights(network: Network) -> tuple[str | None, list[str]]:
    """The first weights of a network that are in the package or the cache, or can be fetched.

    Returns:
        ``hub:NAME``, or ``None`` if there are none; and why the better ones are not taken.
    """
    reasons = []
    for name in network.weights:
        try:
            get(name)
        except InputError as error:
            reasons.append(str(error))
        else:
            return f'{HUB}{name}', reasons
    return None, reasons
