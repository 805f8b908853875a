"""Keep the runs of one process apart: loggers, message hubs, visualizers and torch's settings."""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.logging import MessageHub, MMLogger
from mmengine.utils import ManagerMixin
from mmengine.visualization import Visualizer


@contextmanager
def isolated_run() -> Iterator[None]:
    """Build and use a runner in this block as if it were the only one of the process.

    mmengine finds loggers, message hubs and visualizers by names that two runs may share: the
    second one would write into the folder of the first. Those of this block are closed at its end
    and the earlier ones are back; so is whether torch's operations are deterministic.
    """
    earlier = {kind: kind._instance_dict for kind in kinds(MMLogger, MessageHub, Visualizer)}
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    cudnn = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    for kind in earlier:
        kind._instance_dict = OrderedDict()
    try:
        yield
    finally:
        for kind, instances in earlier.items():
            for instance in kind._instance_dict.values():
                close(instance)
            kind._instance_dict = instances
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = cudnn


def kinds(*bases: type[ManagerMixin]) -> Iterator[type[ManagerMixin]]:
    """Classes and all that are derived from them, each of which keeps its own instances."""
    for base in bases:
        yield base
        yield from kinds(*base.__subclasses__())


def close(instance: ManagerMixin) -> None:
    """Close the files of a logger or visualizer."""
    if isinstance(instance, MMLogger):
        for handler in instance.handlers:
            handler.close()
    elif isinstance(instance, Visualizer):
        instance.close()
