"""Keep mmengine's lines on environment, config, hooks and parameter groups out of the log."""

import logging
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.config import Config
from mmengine.runner import Runner
from mmseg.registry import RUNNERS

PARAMETER = re.compile(r'paramwise_options -- (.+):(\w+)=(\S+)$')  # one line a setting
QUIET = 'WARNING'
NO_USE = (  # begin warnings of mmengine about itself, in every training
    '"FileClient" will be deprecated',
    '"HardDiskBackend" is the alias',
    'The prefix is not set in metric class',
)


def build_runner(config: Config, *, log_setup: bool = False) -> Runner:
    """Build the runner of a config, and by default log no more than warnings meanwhile.

    ``run_record.json`` and the config in the work dir hold what is left out.

    Args:
        config: Config of a training or a test.
        log_setup: Log environment, config and hooks as mmengine does.
    """
    level = config.get('log_level', 'INFO')
    quiet = not log_setup and level in ('DEBUG', 'INFO')
    if quiet:
        config.log_level = QUIET
    runner = RUNNERS.build(config)
    runner.logger.addFilter(is_of_use)
    if quiet:
        config.log_level = runner.cfg.log_level = level
        for log in (runner.logger, *runner.logger.handlers):
            if logging.getLevelName(log.level) == QUIET:  # those of other processes stay higher
                log.setLevel(level)
    return runner


def is_of_use(record: logging.LogRecord) -> bool:
    """Whether a message is about the user's training."""
    return not record.getMessage().startswith(NO_USE)


class ParameterLines(logging.Filter):
    """Drop mmengine's line on each setting of each parameter, and count them.

    Attributes:
        settings: Number of parameters by setting, such as ``'lr=0.01'``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.settings: Counter[str] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a message is about anything else."""
        found = PARAMETER.match(record.getMessage())
        if found:
            self.settings[f'{found[2]}={float(found[3]):.4g}'] += 1
        return found is None


@contextmanager
def one_line_of_parameters(logger: logging.Logger) -> Iterator[None]:
    """Log what ``paramwise_cfg`` gives to the parameters in one line instead of hundreds."""
    lines = ParameterLines()
    logger.addFilter(lines)
    try:
        yield
    finally:
        logger.removeFilter(lines)
    if lines.settings:
        listed = ', '.join(f'{name} ({count})' for name, count in lines.settings.most_common())
        logger.info(f'settings of the optimizer (parameters): {listed}')
