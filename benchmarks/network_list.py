"""The networks of the repository, one config each, with published weights where there are some."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mmseg_eff.hub import Weights, published
from mmseg_eff.utils.names import HUB

CONFIGS = Path(__file__).parent.parent / 'configs'
FOLDERS = ('espnet', 'espnetv2', 'eseg', 'deeplab', 'mix', 'baselines')


class Network(NamedTuple):
    """A network.

    Attributes:
        name: Family and variant.
        config: File of the config, or ``mmseg::…``.
        weights: ``hub:NAME``; ``None`` for random ones.
        options: Settings of the config to override, by dotted key.
    """

    name: str
    config: Path | str
    weights: str | None
    options: Mapping[str, object] | None = None


def variant(config: Path) -> str:
    """Family and variant in a config's name, which is whole in ``mix/``."""
    return config.stem if config.parent.name == 'mix' else config.stem.partition('_')[0]


def choose(configs: Sequence[Path], weights: Sequence[Weights]) -> tuple[Path, str | None]:
    """Of the configs of a variant: a published one, else one for Cityscapes, else the first."""
    by_name = {f'{config.parent.name}/{config.stem}': config for config in configs}
    known = [row for row in weights if row.config in by_name]
    for row in sorted(known, key=lambda row: row.dataset != 'Cityscapes'):
        assert row.config
        return by_name[row.config], f'{HUB}{row.name}'
    return min(configs, key=lambda config: ('cityscapes' not in config.stem, config.stem)), None


def networks() -> list[Network]:
    """A network of each variant, those with published weights first."""
    variants: dict[str, list[Path]] = {}
    for folder in FOLDERS:
        for config in sorted((CONFIGS / folder).glob('*.py')):
            variants.setdefault(variant(config), []).append(config)
    weights = list(published().values())
    found = [Network(name, *choose(configs, weights)) for name, configs in variants.items()]
    return sorted(found, key=lambda network: network.weights is None)
