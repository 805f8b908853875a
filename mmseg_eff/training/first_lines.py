"""The first lines of a training's log: data, network, weights, length, device and folder."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from mmengine.config import ConfigDict
from mmengine.dataset import BaseDataset
from mmengine.runner import Runner
from torch import nn

from ..engine.runner import network_of
from ..version import __version__

MOST_CLASSES = 6  # that are named
SPLITS = dict(train_dataloader='train', val_dataloader='val')


def dataset_lines(datasets: Mapping[str, Sequence[BaseDataset]]) -> Iterator[str]:
    """A line on each dataset of each loader, and one on the classes.

    Args:
        datasets: Those that ``check_datasets`` has built, by the name of their loader.
    """
    classes: Sequence[str] = ()
    for loader, parts in datasets.items():
        for dataset in parts:
            folder = getattr(dataset, 'data_root', None)
            where = f' in {folder}' if folder else ''
            kind = type(dataset).__name__
            yield f'{SPLITS.get(loader, loader)}: {len(dataset)} images{where} ({kind})'
            classes = classes or getattr(dataset, 'metainfo', {}).get('classes') or ()
    if classes:
        more = ', …' if len(classes) > MOST_CLASSES else ''
        yield f'classes: {len(classes)}: {", ".join(classes[:MOST_CLASSES])}{more}'


def network_line(model: nn.Module) -> str:
    """Names of a network's parts, and its number of parameters."""
    parts = [getattr(model, name, None) for name in ('backbone', 'neck', 'decode_head')]
    names = [type(part).__name__ for part in parts if part is not None]
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return f'network: {" + ".join(names) or type(model).__name__}, {parameters:,} parameters'


def weights_line(model: nn.Module, config: ConfigDict) -> str:
    """Where the weights come from, unless a check has told of ``load_from`` already.

    Args:
        model: Network whose parts may have ``Pretrained`` weights to load.
        config: Config of the training.
    """
    if config.get('resume'):
        return f'weights: resumed from {config.get("load_from") or "the last checkpoint"}'
    if config.get('load_from'):
        return f'weights: {config.load_from}'
    sources = []
    for name, module in model.named_modules():
        inits = getattr(module, 'init_cfg', None) or []
        for init in [inits] if isinstance(inits, dict) else inits:
            if init.get('type') == 'Pretrained':
                sources.append(f'{name or "network"} from {init.get("checkpoint")}')
    rest = ', the rest random' if sources else ''
    return f'weights: {"; ".join(sources) or "random"}{rest}'


def length_line(runner: Runner, images: int | None) -> str:
    """Iterations or epochs, batches, and how often the training sees its images.

    Args:
        runner: Runner whose loop is not built yet.
        images: Images to train on; ``None`` if that is not known.
    """
    loop, loader = runner.cfg.train_cfg, runner.cfg.train_dataloader
    line = f'{loop["max_epochs"]} epochs' if 'max_epochs' in loop else ''
    line = line or f'{loop.get("max_iters")} iterations'
    batch = loader.get('batch_size')
    if batch:
        line += f' in batches of {batch * runner.world_size}'
        line += f' ({runner.world_size} processes)' if runner.world_size > 1 else ''
        if images and loop.get('max_iters'):
            passes = loop['max_iters'] * batch * runner.world_size / images
            line += f', {passes:.1f} times through the images'
    interval = loop.get('val_interval')
    return f'length: {line}' + (f'; validation every {interval}' if interval else '')


def device_line() -> str:
    """The GPU, or the number of threads of the CPU."""
    if torch.cuda.is_available():
        return f'device: {torch.cuda.get_device_name()}'
    return f'device: CPU, threads: {torch.get_num_threads()}'


def first_lines(
    runner: Runner, datasets: Mapping[str, Sequence[BaseDataset]], weights: Sequence[str] = ()
) -> str:
    """What a training is about to do, as one message for its log.

    Args:
        runner: Runner of the training, before it trains.
        datasets: See ``dataset_lines``.
        weights: Lines of ``check_start`` on the weights that the training begins with.
    """
    lines = [*dataset_lines(datasets)]
    if isinstance(runner.model, nn.Module):  # FlexibleRunner builds it later
        model = network_of(runner)
        lines += [network_line(model)]
        lines += [f'weights: {weights[0]}', *weights[1:]] if weights else []
        lines += [] if weights else [weights_line(model, runner.cfg)]
    train = datasets.get('train_dataloader', ())
    lines += [length_line(runner, sum(map(len, train)) or None), device_line()]
    config = Path(runner.cfg.filename).name if runner.cfg.filename else 'config.py'
    log = f'{runner.timestamp}/{runner.timestamp}.log'
    lines += [f'folder: {runner.work_dir}, with the log in {log} and the config in {config}']
    name = runner.experiment_name.removesuffix(f'_{runner.timestamp}')
    return '\n  '.join([f'mmseg_eff {__version__} trains {name}', *lines])
