"""Record the settings that decide how a training continues, in plain types for a checkpoint."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata

import numpy as np
import torch
from mmengine.device import get_device
from mmengine.hooks import EMAHook
from mmengine.optim import OptimWrapper
from mmengine.runner import EpochBasedTrainLoop, Runner

FORMAT = 1  # of the items below; to be raised when the content of one changes
PLAIN = (bool, int, float, str, type(None))
POSITION = ('last_step', 'base_values', 'verbose', 'best', 'num_bad_epochs', 'cooldown_counter')
UNEQUAL = ('init_cfg', 'pretrained', 'test_cfg')  # of a model: training does not depend on them
PATHS = ('data_root', 'data_prefix', 'ann_file', 'metainfo', 'pipeline')  # compared otherwise


def fingerprint(runner: Runner) -> dict[str, object]:
    """Settings that decide how a training continues, by items of ``TABLE``; no network, no data.

    Optimizer and schedules are taken from the runner; after resuming these are the checkpoint's.

    Args:
        runner: In or after ``before_run``, which has everything built.
    """
    loop, config = runner.train_loop, runner.cfg
    loader = loop.dataloader
    by_epoch = isinstance(loop, EpochBasedTrainLoop)
    classes = (getattr(loader.dataset, 'metainfo', None) or {}).get('classes')
    averages = [hook for hook in runner.hooks if isinstance(hook, EMAHook)]
    dataset = section(config, 'train_dataloader').get('dataset')
    sampler = dict(section(section(config, 'train_dataloader'), 'sampler'))
    sampler.pop('type', None)
    record = {
        'format': FORMAT,
        'unit': 'epochs' if by_epoch else 'iterations',
        'length': getattr(loop, 'max_epochs' if by_epoch else 'max_iters', None),  # a user's own
        'number of classes': classes and len(classes),
        'class names': classes,
        'model settings': without(section(config, 'model'), UNEQUAL),
        'paramwise_cfg': section(config, 'optim_wrapper').get('paramwise_cfg'),
        'weight average settings': [
            dict(hook.ema_cfg, begin_iter=hook.begin_iter, begin_epoch=hook.begin_epoch)
            for hook in averages
        ],
        'batches': dict(size=loader.batch_size, drop_last=loader.drop_last),
        'processes': runner.world_size,
        'sampler': type(loader.sampler).__name__,
        'sampler settings': sampler,
        'dataset settings': without(dataset, PATHS),
        'augmentation': list(pipelines_in(dataset)),
        'custom hooks': [
            hook for hook in config.get('custom_hooks') or [] if kind_of(hook) != EMAHook.__name__
        ],
        'seed': runner.seed,
        'threads': torch.get_num_threads(),
        'device': get_device(),
        'torch': str(torch.__version__),
        'mmseg_eff': version(),
        **optimizer_record(runner.optim_wrapper),
        **schedule_record(runner.param_schedulers),
    }
    return {item: plain(value) for item, value in record.items()}


def section(config: Mapping, name: str) -> Mapping:
    """A section of a config; empty if there is none, or it is no config but an object."""
    value = config.get(name)
    return value if isinstance(value, Mapping) else {}


def without(value: object, names: tuple[str, ...]) -> object:
    """A config without some keys, at any depth."""
    if isinstance(value, Mapping):
        return {key: without(item, names) for key, item in value.items() if key not in names}
    if isinstance(value, list | tuple):
        return [without(item, names) for item in value]
    return value


def pipelines_in(dataset: object) -> Iterator[list]:
    """The pipelines in the config of a dataset or a wrapper, from the outside to the inside."""
    if not isinstance(dataset, Mapping):
        return
    if dataset.get('pipeline'):
        yield dataset['pipeline']
    for inner in (dataset.get('dataset'), *(dataset.get('datasets') or ())):
        yield from pipelines_in(inner)


def kind_of(hook: object) -> str:
    """Name of the class of a hook or of its config."""
    kind = hook.get('type') if isinstance(hook, Mapping) else type(hook)
    return getattr(kind, '__name__', str(kind))


def version() -> str | None:
    """Version of this package; ``None`` if it is not installed."""
    try:
        return metadata.version('mmseg_eff')
    except metadata.PackageNotFoundError:
        return None


def optimizer_record(wrapper: object) -> dict[str, object]:
    """Items on an optimizer and its wrapper; none for several optimizers in one training."""
    if not isinstance(wrapper, OptimWrapper):
        return {}
    groups = wrapper.optimizer.param_groups
    names = [name for name in groups[0] if name != 'params' and not name.startswith('initial_')]
    return {
        'optimizer': type(wrapper.optimizer).__name__,
        'optimizer settings': {
            name: counted(plain(group.get(f'initial_{name}', group.get(name))) for group in groups)
            for name in names
        },
        'optimizer wrapper': dict(
            type=type(wrapper).__name__,
            accumulative_counts=wrapper._accumulative_counts,
            clip_grad=wrapper.clip_grad_kwargs,
        ),
    }


def counted(values: Iterable[object]) -> str:
    """Distinct values as text with their counts: ``0.1 (70 groups), 0.0 (5 groups)``."""
    counts = Counter(map(str, values))
    if len(counts) == 1:
        return next(iter(counts))
    return ', '.join(f'{text} ({count} groups)' for text, count in counts.items())


def schedule_record(given: list | dict | None) -> dict[str, object]:
    """Items on the schedules, without their position."""
    if isinstance(given, Mapping):
        given = [item for members in given.values() for item in members]
    return {
        'schedule types': [type(scheduler).__name__ for scheduler in given or []],
        'schedule': [
            {
                name: value
                for name, value in scheduler.state_dict().items()
                if name not in POSITION and not name.startswith('_')
            }
            for scheduler in given or []
        ],
    }


def plain(value: object) -> object:
    """A value in types that every checkpoint may hold: objects become the name of their class."""
    if type(value) in PLAIN:
        return value
    if isinstance(value, np.generic | str | int | float):
        return plain(value.item()) if isinstance(value, np.generic) else str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return getattr(value, '__name__', type(value).__name__)
