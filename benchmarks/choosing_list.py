"""The networks that ``choosing.py`` compares: ours and mmseg's fast ones, with their accuracy."""

from pathlib import Path
from typing import NamedTuple

from network_list import Network

from mmseg_eff.benchmarking.run import PEERS, known_miou
from mmseg_eff.benchmarking.titles import title_of
from mmseg_eff.config.load import load_config
from mmseg_eff.hub import published

LARGE, SMALL = (1024, 2048), (512, 1024)
WEIGHTS = (  # published, whose index names config and mIoU
    'espnet-p2q8_cityscapes',
    'espnetv2-s0.5_cityscapes',
    'espnetv2-s1.0_cityscapes',
    'espnetv2-s1.5_cityscapes',
    'espnetv2-s2.0_cityscapes',
)
ESEG, DEEPLAB = 'ESeg paper', "DeepLab's model zoo"
WITHOUT_WEIGHTS = {  # config -> mIoU on Cityscapes val, and who measured it
    'eseg/eseg-s_1xb16-90k_cityscapes-512x1024': (80.1, ESEG),
    'eseg/eseg-lite-s_1xb16-90k_cityscapes-1024x1024': (76.0, ESEG),
    'eseg/eseg-lite-m_1xb16-90k_cityscapes-1024x1024': (78.6, ESEG),
    'eseg/eseg-lite-l_1xb16-90k_cityscapes-1024x1024': (80.1, ESEG),
    'deeplab/deeplabv3plus-mobilenetv2_1xb16-90k_cityscapes-769x769': (70.71, DEEPLAB),
}
NOT_COMPARED = ('DeepLabV3+ MobileNetV2',)  # of PEERS: ours stands for it
OPTIONS = {  # to label whole images with Cityscapes' 19 classes
    'SegFormer-B0': {'model.test_cfg.mode': 'whole'},
    'SegNeXt-T': {'model.decode_head.num_classes': 19},
}
OTHER_DATASET = {  # mmseg has these for ADE20K only: config, and mIoU as of WITHOUT_WEIGHTS
    'SegNeXt-T': (
        'segnext/segnext_mscan-t_1xb16-adamw-160k_ade20k-512x512.py',
        (79.8, "SegNeXt's repository"),
    ),
}


class Rated(NamedTuple):
    """A network and its published accuracy.

    Attributes:
        network: Its config and weights.
        title: Its name for people.
        is_ours: Whether it is of this package.
        miou: mIoU on Cityscapes val in percent, without flipping or several scales.
        source: Who measured that.
        size: Height and width of the network's input there.
    """

    network: Network
    title: str
    is_ours: bool
    miou: float
    source: str
    size: tuple[int, int]


def rated_networks() -> list[Rated]:
    """All networks of the comparison, ours first."""
    rows = []
    for weights in (published()[name] for name in WEIGHTS):
        assert weights.config and weights.miou
        network = Network(
            Path(weights.config).name.partition('_')[0],
            f'mmseg_eff::{weights.config}.py',
            f'hub:{weights.name}',
        )
        title = title_of(network.name)
        rows.append(Rated(network, title, True, weights.miou, 'its authors', SMALL))
    for config, (miou, source) in WITHOUT_WEIGHTS.items():
        network = Network(Path(config).name.partition('_')[0], f'mmseg_eff::{config}.py', None)
        rows.append(Rated(network, title_of(network.name), True, miou, source, LARGE))
    for name, config in PEERS.items():
        if name not in NOT_COMPARED:
            miou = known_miou(load_config(f'mmseg::{config}'))
            assert miou, name
            rows.append(peer(name, config, miou, 'mmseg'))
    for name, (config, (miou, source)) in OTHER_DATASET.items():
        rows.append(peer(name, config, miou, source))
    return rows


def peer(name: str, config: str, miou: float, source: str) -> Rated:
    """A network of mmseg's, with random weights."""
    network = Network(name, f'mmseg::{config}', None, OPTIONS.get(name))
    return Rated(network, name, False, miou, source, LARGE)
