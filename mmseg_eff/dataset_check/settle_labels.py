"""Make a config's parts agree with its dataset on the ignored label and the number of classes.

The dataset says both. Losses, heads, metrics, transforms that pad and the batches' padding follow.
"""

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.registry import Registry, init_default_scope
from mmseg.datasets.transforms import LoadAnnotations
from mmseg.models.decode_heads import STDCHead
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import METRICS, MODELS, TRANSFORMS

from ..datasets.label_rules import DROPPED, MAX_LABELS, LabelRules
from ..datasets.label_values import ONE_CLASS, SIGMOID
from ..datasets.transforms import LoadCheckedAnnotations
from ..datasets.wrappers import innermost_datasets
from ..errors import InputError
from ..utils.config_parts import argument
from .build import build_unread, first_dataset

IGNORING = ('ignore_index', 'ignore_label', 'seg_pad_val')  # arguments that name the ignored label
FOLLOWERS = {  # data loader -> what follows its dataset, with the registry of its parts
    'train_dataloader': (('model', MODELS), ('data_preprocessor', MODELS)),
    'val_dataloader': (('val_evaluator', METRICS),),
    'test_dataloader': (('test_evaluator', METRICS),),
}
HEADS = ('decode_head', 'auxiliary_head')
SOFTMAX = 'CrossEntropy'  # in the names of such losses, unless they take use_sigmoid


def settle_labels(config: Config, *names: str) -> list[str]:
    """Make all parts of a config agree with the datasets of the named loaders, or refuse.

    In place: whatever would ignore 255 ignores what the dataset ignores.

    Returns:
        Notes on what is right, but worth knowing.

    Raises:
        InputError: If a part is told to ignore something else, the datasets of a loader differ,
            there are no classes, or a head has too few outputs; see also ``LabelRules.of``.
    """
    init_default_scope(config.get('default_scope', 'mmseg'))
    notes: list[str] = []
    for name in names:
        if not config.get(name):
            continue
        rules = rules_of(config[name].get('dataset'), f'{name}.dataset')
        follow(config[name].dataset, f'{name}.dataset', rules, TRANSFORMS)
        for part, registry in FOLLOWERS[name]:
            follow(config.get(part), part, rules, registry)
        notes += check_outputs(config, rules, name)
    return list(dict.fromkeys(notes))  # of several datasets


def rules_of(config: ConfigDict, where: str) -> LabelRules:
    """The rules of the datasets of a loader, unread.

    Raises:
        InputError: If they ignore different labels, or some have no classes.
    """
    if not config:
        raise InputError(f'the config has no {where}')
    rules, *others = [
        LabelRules.of(build_unread(settings, where)) for settings in innermost_datasets(config)
    ]
    for other in others:
        if other.ignore_index != rules.ignore_index:
            raise InputError(
                f'{where}: its datasets ignore different labels, {rules.ignore_index} and '
                f'{other.ignore_index}; set the same ignore_index in each'
            )
    return rules


def ignored_label(config: Config) -> int:
    """What the dataset of a config ignores, the one that names its classes; 255 without any."""
    if any(config.get(name) for name in FOLLOWERS):
        return first_dataset(config).ignore_index
    return DROPPED


def follow(part: object, where: str, rules: LabelRules, registry: Registry) -> None:
    """Let a part of a config ignore what the dataset ignores, with all that it consists of.

    Args:
        part: A config, or several, or anything else, which is left alone.
        where: Its place in the whole config.
        rules: Of the dataset.
        registry: Of the part and its parts.

    Raises:
        InputError: If it names another label than the dataset's and 255.
    """
    if isinstance(part, (list, tuple)):
        for index, item in enumerate(part):
            follow(item, f'{where}[{index}]', rules, registry)
    if not isinstance(part, dict):
        return
    for key, value in part.items():
        follow(value, f'{where}.{key}', rules, registry)
    if not is_known(part, registry) or is_shell(part, registry):
        return
    for key in IGNORING:
        given = argument(part, key, registry)
        if given == rules.ignore_index or not isinstance(given, int):
            continue  # None is right for losses of masks
        if given == DROPPED:
            part[key] = rules.ignore_index
        elif key in part and not (key == 'seg_pad_val' and given < rules.num_classes):
            raise InputError(
                f'{where}.{key} is {given}, but the dataset ignores {rules.ignore_index}; set '
                f'ignore_index={given} in the dataset, too, or leave it out here'
            )
    if part['type'] == 'Pad' and rules.ignore_index != DROPPED:  # mmcv's
        values = part.get('pad_val', 0)
        values = values if isinstance(values, dict) else dict(img=values)
        if values.get('seg', DROPPED) == DROPPED:
            part['pad_val'] = dict(values, seg=rules.ignore_index)
    check_loading(part, where, rules)


def is_known(part: dict, registry: Registry) -> bool:
    """Whether a dict is the config of a part of a registry."""
    kind = part.get('type')
    return isinstance(kind, type) or (isinstance(kind, str) and registry.get(kind) is not None)


def is_shell(part: dict, registry: Registry) -> bool:
    """Whether a head leaves all arguments of mmseg's base to those it is made of, as K-Net's."""
    return argument(part, 'num_classes', registry) is inspect.Parameter.empty


def class_of(part: dict, registry: Registry) -> type:
    """The class of a part."""
    return part['type'] if isinstance(part['type'], type) else registry.get(part['type'])


def check_loading(part: dict, where: str, rules: LabelRules) -> None:
    """Refuse a transform that loads labels by other rules than the dataset's."""
    if part['type'] in ('LoadAnnotations', LoadAnnotations):
        drops = (rules.table[:DROPPED] == rules.ignore_index).sum() > 1 or rules.reduce_zero_label
        if rules.ignore_index != DROPPED and drops:
            raise InputError(
                f'{where}: LoadAnnotations would write {DROPPED} where the dataset ignores '
                f'{rules.ignore_index}; use LoadCheckedAnnotations(num_classes={rules.num_classes})'
            )
    is_checked = part['type'] in ('LoadCheckedAnnotations', LoadCheckedAnnotations)
    if is_checked and (part.get('num_classes') or rules.num_classes) < rules.num_classes:
        raise InputError(
            f'{where}.num_classes is {part["num_classes"]}, but the dataset has '
            f'{rules.num_classes} classes; set num_classes={rules.num_classes}'
        )


def heads_of(config: Config) -> Iterator[tuple[str, ConfigDict, int]]:
    """Each head of a config's network that predicts the dataset's classes: place, config, outputs.

    Heads of borders only (``STDCHead``) are left out.
    """

    def search(part: object, where: str) -> Iterator[tuple[str, ConfigDict, int]]:
        if isinstance(part, (list, tuple)):
            for index, item in enumerate(part):
                yield from search(item, f'{where}[{index}]')
        if not isinstance(part, dict):
            return
        count = argument(part, 'num_classes', MODELS) if is_known(part, MODELS) else None
        is_borders = count is not None and issubclass(class_of(part, MODELS), STDCHead)
        if isinstance(count, int) and count > 0 and not is_borders:  # heads refuse others
            yield where, part, count
        for key, value in part.items():
            yield from search(value, f'{where}.{key}')

    model: Any = config.get('model') or {}
    where = 'model'
    if 'module' in model:  # of test-time augmentation
        model, where = model.module, 'model.module'
    for key in HEADS:
        yield from search(model.get(key), f'{where}.{key}')


def check_num_outputs(config: Config) -> None:
    """Refuse a network whose outputs do not fit into labels of 8 bits.

    Raises:
        InputError: If a head has more than 256.
    """
    for where, _, count in heads_of(config):
        if count > MAX_LABELS:
            raise InputError(
                f'{where} has {count} outputs; labels are of 8 bits here, which is at most '
                f'{MAX_LABELS}'
            )


def check_outputs(config: Config, rules: LabelRules, name: str) -> Sequence[str]:
    """Compare the outputs of each head with the classes of a dataset.

    Args:
        config: The whole config.
        rules: Of the dataset.
        name: Its data loader; only those of the training must have two classes.

    Returns:
        Notes on heads of more outputs.

    Raises:
        InputError: If a head has too few, or too many for 8 bits, or there is but one class.
    """
    check_num_outputs(config)
    classes = rules.num_classes
    if name == 'train_dataloader' and classes - (rules.ignore_index < classes) < 2:
        raise InputError(f'{name}.dataset: {ONE_CLASS}')
    notes = []
    for where, head, count in heads_of(config):
        if count < 1:
            raise InputError(f'{where}: num_classes must be 1 or more, got {count}')
        if count < classes:
            advice = f'set num_classes={classes}'
            if classes == 2:
                advice += f', or {SIGMOID}'
            raise InputError(
                f'{where} has num_classes={count}, too few for the {classes} classes of '
                f'{name}.dataset: {advice}'
            )
        if count > classes:
            names = f'output {classes} is' if count == classes + 1 else f'{classes} and up are'
            notes.append(f'{where} has {count} outputs for {classes} classes: {names} no class')
        check_sigmoid(head, where)
    model: Any = config.get('model') or {}
    void: Any = (model.get('data_preprocessor') or {}).get('ignore_to_class')
    for where, _, count in heads_of(config):
        if void is not None and void >= count:
            raise InputError(
                f'model.data_preprocessor.ignore_to_class is {void}, which {where} with '
                f'num_classes={count} has no output for; set num_classes={void + 1}, or '
                'ignore_to_class=None'
            )
    return notes


def check_sigmoid(head: ConfigDict, where: str) -> None:
    """Refuse one output with softmax, which is always 1.

    Raises:
        InputError: If a loss of the head is such a cross entropy.
    """
    if not issubclass(class_of(head, MODELS), BaseDecodeHead):
        return
    if argument(head, 'out_channels', MODELS) != 1 and head.get('num_classes') != 1:
        return
    losses: Any = argument(head, 'loss_decode', MODELS)
    for loss in losses if isinstance(losses, (list, tuple)) else [losses]:
        uses_sigmoid = argument(loss, 'use_sigmoid', MODELS)
        if uses_sigmoid is False or (uses_sigmoid is None and SOFTMAX in str(loss['type'])):
            raise InputError(f'{where}: one output needs a loss with a sigmoid: set {SIGMOID}')
