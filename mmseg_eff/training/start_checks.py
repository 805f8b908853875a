"""Check weights and optimizer before a training starts."""

import logging
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from itertools import groupby

from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmengine.runner.checkpoint import CheckpointLoader
from mmseg.registry import OPTIMIZERS
from torch import nn

from ..checkpoint.foreign import WRAPPERS
from ..checkpoint.io import KEPT, checked_weights, mismatch
from ..checkpoint.preprocessing import preprocessing_differences
from ..checkpoint.safe_reading import read_checkpoint
from ..engine.runner import SegRunner, network_of
from ..errors import InputError
from ..hub import resolve
from ..utils.user_errors import known_types


def check_start(runner: Runner) -> list[str]:
    """What ``load_from`` gives to the network; a checkpoint of another backbone is refused.

    A ``SegRunner`` gets what was read, so that it need not read the checkpoint again.

    Returns:
        A line on the checkpoint and one on each part of the network; none without ``load_from``,
        for a training that resumes, and for a checkpoint at a URL.

    Raises:
        InputError: If the checkpoint cannot be read, or fits less than half of the backbone.
    """
    path = runner.cfg.get('load_from')
    if not path or runner.cfg.get('resume') or '://' in str(path):
        return []
    file = local_file(path)
    content = read_checkpoint(file)
    state_dict = checked_weights(content, file, prefixes=WRAPPERS)['state_dict']  # mmengine's, too
    model = network_of(runner)
    wanted = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    given = {name: tuple(value.shape) for name, value in state_dict.items()}
    fitting = {name for name in wanted if given.get(name) == wanted[name]}
    backbone = {name for name in wanted if name.startswith('backbone.')} or set(wanted)
    taken = len(backbone & fitting)
    if taken < len(backbone) / 2:
        raise InputError(
            f"{path}: holds only {taken} of {len(backbone)} tensors of the config's backbone: "
            f'{mismatch(model, state_dict)}; official files are converted by '
            'tools/convert_weights.py first'
        )
    if isinstance(runner, SegRunner):
        runner.keep_checkpoint(path, content)
    of_parts = (f'  {line}' for line in parts(wanted, given))
    return [f'{path}: {len(fitting)} of {len(wanted)} tensors loaded', *of_parts]


def local_file(path: str) -> str:
    """File of a checkpoint; published weights are fetched, unless a safe config names them.

    Raises:
        InputError: If they may not be or cannot be fetched.
    """
    CheckpointLoader._get_checkpoint_loader(path)  # which safe_config.process replaces
    return resolve(path)


def parts(
    wanted: Mapping[str, tuple[int, ...]], given: Mapping[str, tuple[int, ...]]
) -> Iterator[str]:
    """A line on each part of a network: how many tensors are given and which are not.

    Args:
        wanted: Shapes of the network's tensors by name, in its order.
        given: Those in a checkpoint.
    """
    for part, group in groupby(wanted, lambda name: name.partition('.')[0]):
        names = list(group)
        missing = [name for name in names if name not in given]
        other = [name for name in names if name in given and given[name] != wanted[name]]
        line = f'{part}: {len(names) - len(missing) - len(other)} of {len(names)}'
        shapes = [f'{name} {given[name]} for {wanted[name]}' for name in other]
        for reason, listed in (('of another shape', shapes), ('missing', missing)):
            if listed:
                first = ', '.join(name.removeprefix(f'{part}.') for name in listed[:3])
                line += f'; {len(listed)} {reason}: {first}{", …" if len(listed) > 3 else ""}'
        yield line


def check_pretrained(model: nn.Module, config: ConfigDict) -> None:
    """Refuse a ``Pretrained`` checkpoint of another network; mmengine would load what fits.

    Warns where the record of a converted checkpoint differs from the config.

    Args:
        model: The network, before its weights are loaded.
        config: Its config, with ``data_preprocessor`` and ``backbone``.

    Raises:
        InputError: If a tensor of a part is missing in its checkpoint or has another shape there.
    """
    KEPT.clear()
    for name, module in model.named_modules():
        configs = getattr(module, 'init_cfg', None) or []
        for init in [configs] if isinstance(configs, dict) else configs:
            path = str(init.get('checkpoint', ''))
            if init.get('type') != 'Pretrained' or '://' in path:
                continue
            content = read_checkpoint(local_file(path))
            checkpoint = checked_weights(content, path, prefixes=WRAPPERS)
            KEPT[path] = content  # PretrainedInit reads it next
            prefix = init.get('prefix') or ''
            given = {
                key.removeprefix(prefix): value
                for key, value in checkpoint['state_dict'].items()
                if key.startswith(prefix)
            }
            names = module.state_dict().keys() & given.keys()  # it may have more stages
            reason = mismatch(module, {key: given[key] for key in names})
            if reason:
                raise InputError(f'{path}: does not fit {type(module).__name__}: {reason}')
            if name == 'backbone':
                for warning in preprocessing_differences(checkpoint['meta'], config):
                    print_log(f'{path}: {warning}', logger='current', level=logging.WARNING)


def check_optimizer(config: Config) -> None:
    """Raise an ``InputError`` for an unknown optimizer, which mmengine does not name."""
    optimizer = (config.get('optim_wrapper') or {}).get('optimizer') or {}
    name = optimizer.get('type')
    if isinstance(name, str) and OPTIMIZERS.get(name) is None:
        near = get_close_matches(name, known_types(OPTIMIZERS), 1)
        hint = f'; did you mean {near[0]}?' if near else ''
        raise InputError(f'{name} is not in the optimizer registry{hint}')
