import logging

import pytest
from mmengine.logging import MMLogger

from mmseg_eff.engine.start_log import one_line_of_parameters


@pytest.fixture
def logger(caplog):
    logger = logging.Logger('test')
    logger.addHandler(caplog.handler)
    return logger


def test_lines_of_parameters_become_one(logger, caplog):
    with one_line_of_parameters(logger):
        for name, value in (('a', 0.1), ('b', 0.1), ('c', 0.30000000000000004)):
            logger.info(f'paramwise_options -- backbone.{name}:lr={value}')
        logger.warning('something else')
    logger.info('paramwise_options -- afterwards:lr=1')
    assert caplog.messages == [
        'something else',
        'settings of the optimizer (parameters): lr=0.1 (2), lr=0.3 (1)',
        'paramwise_options -- afterwards:lr=1',
    ]


def test_without_settings_there_is_no_line(logger, caplog):
    with one_line_of_parameters(logger):
        logger.info('something else')
    assert caplog.messages == ['something else']


def test_mmengines_logger_obeys_a_filter(capsys):
    """It overrides how handlers are called."""
    logger = MMLogger('filtered', 'filtered')
    with one_line_of_parameters(logger):
        logger.info('paramwise_options -- stem.weight:weight_decay=0.0')
    assert capsys.readouterr().out.count('\n') == 1
