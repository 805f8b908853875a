import pytest
import torch

from mmseg_eff.engine import HybridLR
from mmseg_eff.engine.hybrid_lr import hybrid_factor

# Read off the official class for a base of 0.009: epochs 0 to 6, 60, 61 and 99.
OFFICIAL = {0: 0.009, 1: 0.045, 2: 0.036, 3: 0.027, 4: 0.018, 5: 0.009, 6: 0.045}
OFFICIAL |= {60: 0.009, 61: 0.008775, 99: 0.000225}


def expected(base):
    """The 100 values, written out piece by piece."""
    cycles = [base * k for _ in range(12) for k in (5, 4, 3, 2, 1)]
    decline = [base * (1 - k / 40) for k in range(1, 40)]
    return [base, *cycles, *decline]


def optimizer(*rates):
    groups = [dict(params=[torch.nn.Parameter(torch.zeros(1))], lr=rate) for rate in rates]
    return torch.optim.SGD(groups, lr=1.0)


def run(scheduler, sgd, steps):
    rates = []
    for _ in range(steps):
        rates.append([group['lr'] for group in sgd.param_groups])
        sgd.step()
        scheduler.step()
    return rates


def test_all_values_and_the_decoder_at_ten_times():
    sgd = optimizer(0.009, 0.09)
    rates = run(HybridLR(sgd), sgd, 100)
    assert [rate for rate, _ in rates] == pytest.approx(expected(0.009))
    assert [rate for _, rate in rates] == pytest.approx(expected(0.09))
    for epoch, rate in OFFICIAL.items():
        assert rates[epoch][0] == pytest.approx(rate, abs=1e-9)


def test_resumed_in_epoch_37_goes_on_in_its_cycle():
    sgd = optimizer(0.009)
    scheduler = HybridLR(sgd)
    run(scheduler, sgd, 37)
    saved = scheduler.state_dict(), sgd.state_dict()
    again = optimizer(0.009)
    resumed = HybridLR(again)
    resumed.load_state_dict(saved[0])
    again.load_state_dict(saved[1])
    rates = [rate for (rate,) in run(resumed, again, 63)]
    assert rates == pytest.approx(expected(0.009)[37:])


def test_by_iterations():
    sgd = optimizer(1.0)
    scheduler = HybridLR(sgd, epoch_length=3, by_epoch=False)
    rates = [rate for (rate,) in run(scheduler, sgd, 300)]
    assert rates == pytest.approx([rate for rate in expected(1.0) for _ in range(3)])


def test_never_below_zero():
    assert hybrid_factor(1000) == 0


def test_built_from_a_config_and_refused_when_senseless():
    from mmengine.registry import PARAM_SCHEDULERS

    config = dict(type='HybridLR', optimizer=optimizer(1.0), cycle_end=0)
    with pytest.raises(ValueError, match='1 <= cycle_end <= num_epochs, got 1, 5, 0, 100'):
        PARAM_SCHEDULERS.build(config)
