"""Find the checkpoints and the metrics that a training has left."""

from pathlib import Path

from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from ..engine.checkpoints import named_by

TIMES = ('time', 'data_time')  # logged beside the metrics


def last_checkpoint(runner: Runner) -> Path | None:
    """The checkpoint that ``last_checkpoint`` in the work dir names; ``None`` without one."""
    name = named_by(runner.work_dir)
    return Path(name) if name else None


def best_checkpoint(runner: Runner) -> Path | None:
    """The checkpoint of the best validation, by the first metric of ``save_best``, if any."""
    for hook in runner.hooks:
        if isinstance(hook, CheckpointHook):
            by_metric = list(getattr(hook, 'best_ckpt_path_dict', {}).values())
            paths = [getattr(hook, 'best_ckpt_path', None), *by_metric]
            return next((Path(path) for path in paths if path), None)
    return None


def last_metrics(runner: Runner) -> dict[str, float]:
    """Metrics of the last validation by name, also of one before a resumption."""
    metrics = {}
    for key, history in runner.message_hub.log_scalars.items():
        mode, _, name = key.partition('/')
        if mode == 'val' and name not in TIMES and len(history.data[0]):
            metrics[name] = float(history.current())
    return metrics
