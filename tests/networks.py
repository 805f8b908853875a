"""Every network of the configs, for the tests that ask the same of all.

A network is the model of a config without what only training needs: weights, losses, preprocessing.
Configs with the same one count once, under the first one's name. ``data/parameters.json`` lists
them; ``ACCEPT=1 pytest tests/test_every_model.py -k table`` writes it after a change that is meant.
"""

import copy
import json
import re
from functools import cache
from pathlib import Path

from config_files import CONFIG_FILES, read
from mmengine.config import ConfigDict
from mmengine.model import revert_sync_batchnorm
from mmseg.registry import MODELS
from torch import nn

# Of this package: mmseg's own, in baselines/, refuse odd sizes.
OURS = [path for path in CONFIG_FILES if path.parent.name != 'baselines']
TABLE = Path(__file__).parent / 'data/parameters.json'
PARAMETERS = json.loads(TABLE.read_text())  # of each network, by its name
NOT_THE_NETWORK = {
    'data_preprocessor',
    'init_cfg',
    'loss_decode',
    'pretrained',
    'test_cfg',
    'train_cfg',
}


def without_training(config: dict | list | object) -> dict | list | object:
    """A model's config without what is not the network."""
    if isinstance(config, dict):
        items = ((key, value) for key, value in config.items() if key not in NOT_THE_NETWORK)
        return {key: without_training(value) for key, value in items}
    if isinstance(config, list | tuple):
        return type(config)(without_training(value) for value in config)  # mmseg asks for tuples
    return config


@cache
def network_config(path: Path) -> ConfigDict:
    config = without_training(read(path).model)
    return ConfigDict(config, test_cfg=dict(mode='whole'))


def network_name(path: Path) -> str:
    """The config's without schedule, image size and the words of self-training."""
    return re.sub(r'[_-]selftrain|_\d+xb[^_]+|-quarter|-drive|-\d+x\d+$', '', path.stem)


def config_of(name: str) -> ConfigDict:
    return network_config(next(path for path in OURS if network_name(path) == name))


def build(config: ConfigDict) -> nn.Module:
    return revert_sync_batchnorm(MODELS.build(copy.deepcopy(config)))
