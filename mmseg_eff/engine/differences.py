"""Compare a training with that of its checkpoint, and rate the differences.

``TABLE`` lists the items that decide how a training continues; ``fingerprint.py`` collects them.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from reprlib import Repr
from typing import NamedTuple, TypeGuard

import torch
from mmengine.hooks import EMAHook
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner

from .fingerprint import FORMAT, PLAIN

ABSENT = 'absent'


class Row(NamedTuple):
    """Rating of a difference: ``error``, ``warning`` or ``note``, and its effect."""

    level: str
    effect: str


KEPT = "the checkpoint's is used"
TABLE = {
    'network': Row('error', 'tensors that do not fit would stay random'),
    'number of classes': Row('error', 'its outputs stand for other classes'),
    'unit': Row('error', 'a number of iterations cannot be read as epochs'),
    'optimizer': Row('error', 'it cannot use the state of another one'),
    'parameter groups': Row('error', 'the state of the optimizer does not fit them'),
    'schedule types': Row('error', 'a schedule cannot use the state of another one'),
    'sampler': Row('error', 'the order of the images would begin anew'),
    'weight average': Row('error', 'training would go on with the averaged weights'),
    'state': Row('warning', 'optimizer and schedules begin anew'),
    'class names': Row('warning', 'the labels may mean something else'),
    'optimizer settings': Row('warning', KEPT),
    'paramwise_cfg': Row('warning', f'{KEPT}, group by group'),
    'schedule': Row('warning', KEPT),
    'length': Row('warning', "the schedules are the checkpoint's and end where they did"),
    'weight average settings': Row('warning', 'the new ones are used'),
    'batches': Row('warning', 'the passes over the images go on from another position'),
    'processes': Row('warning', 'the passes over the images go on from another position'),
    'sampler settings': Row('warning', 'the images come in another order'),
    'data': Row('warning', 'the images come in another order, or are others'),
    'dataset settings': Row('warning', 'the new ones are used'),
    'augmentation': Row('warning', 'the new one is used'),
    'model settings': Row('warning', 'the new ones are used'),
    'custom hooks': Row('warning', 'the new ones are used'),
    'optimizer wrapper': Row('warning', 'the new one is used'),
    'seed': Row('warning', KEPT),
    'threads': Row('warning', 'sums differ in their last bits'),
    'device': Row('warning', 'sums differ in their last bits'),
    'torch': Row('warning', 'sums may differ in their last bits'),
    'mmseg_eff': Row('note', 'the release notes say what it changed'),
}


class Difference(NamedTuple):
    """Old and new values of an item that differs, in one or several places."""

    item: str
    text: str

    @property
    def row(self) -> Row:
        return TABLE[self.item]

    def __str__(self) -> str:
        return f'{self.item}: {self.text} ({self.row.effect})'


def compare(old: object, new: Mapping[str, object]) -> Iterator[Difference]:
    """The items that differ, in the order of ``TABLE``; one that either does not have is skipped.

    Args:
        old: From a checkpoint, so it may be anything.
        new: A fingerprint.
    """
    if not is_known(old):
        return
    for item in TABLE:
        if item not in old or item not in new:
            continue
        places = list(changes(old[item], new[item]))
        if places:
            first = ', '.join(' '.join(filter(None, place)) for place in places[:3])
            yield Difference(item, first + ', …' * (len(places) > 3))


def is_known(old: object) -> TypeGuard[dict[str, object]]:
    """Whether something from a checkpoint is a fingerprint as this version makes them."""
    return isinstance(old, dict) and is_equal(old.get('format'), FORMAT)


def changes(old: object, new: object, place: str = '') -> Iterator[tuple[str, str]]:
    """Where two values differ, and how; for lists of different lengths the first place only.

    The recursion follows ``new``, whose depth is bounded.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*new, *(key for key in old if isinstance(key, str) and key not in new)]:
            yield from changes(old.get(key, ABSENT), new.get(key, ABSENT), join(place, key))
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(min(max(len(old), len(new)), len(new) + 1)):
            was, now = (values[index] if index < len(values) else ABSENT for values in (old, new))
            found = list(changes(was, now, join(place, str(index))))
            yield from found
            if found and len(old) != len(new):
                return
    elif not is_equal(old, new):
        yield place, f'was {shorten(old)}, is {shorten(new)}'


def join(place: str, key: str) -> str:
    """Name of a place inside of another one."""
    key = key if key.isprintable() else ascii(key)
    return f'{place}.{key[:60]}' if place else key[:60]


def is_equal(old: object, new: object) -> bool:
    """Whether two plain values are equal; anything else is not."""
    if type(old) not in PLAIN or type(new) not in PLAIN:
        return False
    is_nan = all(isinstance(value, float) and math.isnan(value) for value in (old, new))
    return is_nan or old == new


class Short(Repr):
    """Text of some tens of characters, which calls no ``__repr__`` of a container."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring, self.maxlevel, self.maxdict, self.maxlist = 60, 2, 5, 8

    def repr_instance(self, value: object, level: int) -> str:
        return repr(value) if type(value) in PLAIN else type(value).__name__


def shorten(value: object) -> str:
    """A value as short text, whatever it is."""
    if isinstance(value, str) and value == ABSENT:
        return ABSENT
    with suppress(ValueError):  # an integer of thousands of digits
        return Short().repr(value)
    return type(value).__name__


def state_differences(runner: Runner, checkpoint: Mapping) -> Iterator[Difference]:
    """Parts whose state is missing in a checkpoint or has another shape, whoever wrote it.

    Args:
        runner: In ``before_run``, which has everything built.
        checkpoint: As read from the file, whatever is in it.
    """
    if text := network_change(runner, checkpoint):
        yield Difference('network', text)
    has_average = any(isinstance(hook, EMAHook) for hook in runner.hooks)
    if 'ema_state_dict' in checkpoint and not has_average:
        yield Difference('weight average', 'was there, is absent')
    if 'optimizer' not in checkpoint:
        yield Difference('state', 'was not saved')
    elif isinstance(runner.optim_wrapper, OptimWrapper):
        state = checkpoint['optimizer']
        groups = state.get('param_groups') if isinstance(state, dict) else None
        old, new = map(sizes, (groups, runner.optim_wrapper.optimizer.param_groups))
        if old != new:
            yield Difference('parameter groups', f'were {summary(old)}, are {summary(new)}')


def sizes(groups: object) -> list[int]:
    """Number of parameters in each group of an optimizer or its state; 0 for anything else."""
    groups = groups if isinstance(groups, list) else []
    given = (group.get('params') if isinstance(group, dict) else None for group in groups)
    return [len(params) if isinstance(params, list) else 0 for params in given]


def summary(numbers: list[int]) -> str:
    """Groups of an optimizer in words."""
    return f'{len(numbers)} of {sum(numbers)} parameters'


def network_change(runner: Runner, checkpoint: Mapping) -> str:
    """The first tensor whose shape differs between network and checkpoint; empty if none does."""
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    wanted = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    state_dict = checkpoint.get('state_dict')
    given = {
        name.replace('_orig_mod.', ''): tuple(value.shape)  # of a compiled network
        for name, value in (state_dict.items() if isinstance(state_dict, Mapping) else ())
        if isinstance(name, str) and isinstance(value, torch.Tensor)
    }
    names = [name for name in {**wanted, **given} if wanted.get(name) != given.get(name)]
    if not names:
        return ''
    old, new = (shapes.get(names[0], ABSENT) for shapes in (given, wanted))
    more = f' and {len(names) - 1} more' if len(names) > 1 else ''
    return f'{join("", names[0])} was {old}, is {new}{more}'
