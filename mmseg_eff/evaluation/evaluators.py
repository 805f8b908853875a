"""Set up the evaluator of a test: output folders, confusion matrix, IoU of each class."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.config import ConfigDict
from mmengine.evaluator import Evaluator
from mmengine.runner import Runner
from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS

from ..errors import InputError
from .confusion_matrix import ConfusionMatrix

OURS = ('mmseg', 'mmseg_eff')  # their metrics read labels alone; mmengine's DumpResults does not


def metric_configs(evaluator: ConfigDict | list) -> Iterator[ConfigDict]:
    """The metrics in ``test_evaluator``: one, a list, or those of an ``Evaluator``."""
    if isinstance(evaluator, list | tuple):
        for item in evaluator:
            yield from metric_configs(item)
    elif 'metrics' in evaluator:
        yield from metric_configs(evaluator.metrics)
    else:
        yield evaluator


def give_output_dirs(evaluator: ConfigDict | list, out: Path) -> None:
    """Give metrics with a file format of their own, such as Cityscapes', a folder below ``out``.

    In place. A metric that names its folder keeps it; ``IoUMetric`` needs none, as the tool writes
    the labels.
    """
    for config in metric_configs(evaluator):
        metric = METRICS.get(config.type) if isinstance(config.type, str) else config.type
        if metric is None or (inspect.isclass(metric) and issubclass(metric, IoUMetric)):
            continue
        parameters = inspect.signature(metric).parameters
        if 'output_dir' in parameters and not config.get('output_dir'):
            config.output_dir = str(out / metric.__name__)
            if 'keep_results' in parameters:
                config.keep_results = True


def check_format_only(evaluator: Evaluator, out: Path | None) -> None:
    """Let metrics that only format write nothing where the tool writes the labels.

    Raises:
        InputError: If neither the metric nor the tool has a folder to write to.
    """
    for index, metric in enumerate(evaluator.metrics):
        if getattr(metric, 'format_only', False) and metric.output_dir is None:
            if out is None:
                raise InputError(
                    f'{type(metric).__name__} with format_only=True writes nothing: give --out DIR '
                    'or its output_dir'
                )
            if type(metric) is IoUMetric:  # it would name the missing folder
                checked = METRICS.build(dict(type='CheckedIoUMetric', format_only=True))
                checked.dataset_meta = evaluator.dataset_meta
                evaluator.metrics[index] = checked


def add_confusion_matrix(evaluator: Evaluator) -> ConfusionMatrix:
    """Add the metric ``ConfusionMatrix`` and return it; it ignores what the first IoU metric does.

    Raises:
        InputError: If the evaluator pairs its metrics with something else.
    """
    if type(evaluator).evaluate is not Evaluator.evaluate:
        raise InputError(
            f'--confusion-matrix needs the evaluator Evaluator, got {type(evaluator).__name__}'
        )
    metrics = [metric for metric in evaluator.metrics if isinstance(metric, IoUMetric)]
    ignored = {'ignore_index': metrics[0].ignore_index} if metrics else {}
    metric = ConfusionMatrix(prefix='confusion', **ignored)
    metric.dataset_meta = evaluator.dataset_meta
    evaluator.metrics.append(metric)
    return metric


def keep_class_iou(evaluator: Evaluator) -> dict[str, float]:
    """Let the first IoU metric note the IoU of each class, which mmseg only prints.

    Returns:
        IoU in percent by the name of the class, NaN for one that does not occur. It is empty until
        the evaluation has ended, in all processes but the main one, and where there is no IoU.
    """
    found: dict[str, float] = {}
    metric = next((item for item in evaluator.metrics if isinstance(item, IoUMetric)), None)
    if metric is None:
        return found
    original = metric.total_area_to_metrics

    def note(*args: object, **kwargs: object) -> dict[str, Any]:
        values = original(*args, **kwargs)
        if not found and 'IoU' in values:  # later ones are of other readings
            names = metric.dataset_meta['classes']
            found.update(zip(names, (100 * values['IoU']).tolist(), strict=True))
        return values

    vars(metric)['total_area_to_metrics'] = note
    return found


def labels_suffice(runner: Runner) -> bool:
    """Whether nothing in a test can read ``seg_logits``: metrics, hooks and visualiser are known.

    A metric, hook or visualiser of the user's own may read them, a class derived from ours too.
    """
    evaluator = getattr(runner.test_loop, 'evaluator', None)
    if evaluator is None or not all(package_of(metric) in OURS for metric in evaluator.metrics):
        return False
    others = (*runner.hooks, runner.visualizer, runner.test_loop)
    return all(package_of(item) in ('mmengine', *OURS) for item in others)


def package_of(item: object) -> str:
    """The package that an object's class is defined in."""
    return type(item).__module__.partition('.')[0]
