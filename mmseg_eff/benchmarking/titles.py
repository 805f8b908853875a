"""Names of networks for people, from the names of their configs."""

import re

TITLES = {  # whole name of a network -> its title, the groups written as in PARTS
    r'espnet-p(\d+)q(\d+)': 'ESPNet p{} q{}',
    r'espnet-c-p(\d+)q(\d+)': 'ESPNet-C p{} q{}',
    r'espnetv2-s([\d.]+)': 'ESPNetv2 s = {}',
    r'eseg-([sml])': 'ESeg-{}',
    r'eseg-lite-([sml])': 'ESeg-Lite-{}',
    r'eseg-(lite\d|r\d+)': 'ESeg on {}',
    r'deeplabv([123])-(\w+)': 'DeepLabv{} {}',
    r'deeplabv3plus-(\w+)': 'DeepLabv3+ {}',
    r'deeplabv3plus-(\w+)-os(\d+)': 'DeepLabv3+ {}, stride {}',
    r'ddrnet-23-slim': 'DDRNet-23-slim',
    r'fast-scnn': 'Fast-SCNN',
}
PARTS = {
    r'([sml])': str.upper,
    r'r(\d+)': 'ResNet-{}'.format,
    r'b(\d)': 'EfficientNet-B{}'.format,
    r'vgg(\d+)': 'VGG-{}'.format,
    r'mobilenet(v\d)': lambda version: f'MobileNet{version.upper()}',
    r'([a-z]+\d*)': str.capitalize,
}


def title_of(name: str) -> str:
    """What people call a network: ``espnetv2-s2.0_1xb6-…`` is ``ESPNetv2 s = 2.0``.

    Args:
        name: Of a config or of an exported folder; the network is what stands before the first
            underscore. Other names stay as they are.
    """
    network = name.partition('_')[0]
    for pattern, title in TITLES.items():
        if match := re.fullmatch(pattern, network):
            return title.format(*map(part_of, match.groups()))
    return name


def part_of(text: str) -> str:
    """A part of a name as people write it: ``mobilenetv2`` is ``MobileNetV2``."""
    for pattern, write in PARTS.items():
        if match := re.fullmatch(pattern, text):
            return write(match[1])
    return text
