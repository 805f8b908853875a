import logging
from types import SimpleNamespace

import pytest

from mmseg_eff.engine.hooks.early_eta_hook import EarlyEtaHook


@pytest.fixture
def seconds(monkeypatch):
    """Each look at the clock is 20 s later."""
    clock = iter(range(1000))
    monkeypatch.setattr('time.perf_counter', lambda: 20 * next(clock))


def lines(caplog, max_iters, first=0):
    logger = logging.getLogger('eta')
    caplog.set_level('INFO', 'eta')
    hook = EarlyEtaHook()
    runner = SimpleNamespace(iter=first, max_iters=max_iters, logger=logger)
    hook.before_train(runner)
    for runner.iter in range(first, max_iters):
        hook.after_train_iter(runner, 0)
    return caplog.messages


def test_it_says_once_how_long_the_rest_takes(seconds, caplog):
    assert lines(caplog, 311) == [
        '2.00 s an iteration: about 0:10:00 for the 300 that are left, without validations'
    ]


def test_it_counts_from_where_a_training_resumes(seconds, caplog):
    (line,) = lines(caplog, 311, first=200)
    assert 'for the 100 that are left' in line


def test_a_short_training_gets_no_line(seconds, caplog):
    assert not lines(caplog, 20)
