import time

from mmseg_eff.utils import timing
from mmseg_eff.utils.timing import in_turn


def test_fast_functions_take_more_turns():
    order = []

    def call(name, seconds):
        order.append(name)
        time.sleep(seconds)
        return name

    calls = {'slow': lambda: call('slow', 0.2), 'fast': lambda: call('fast', 0.001)}
    results = in_turn(calls, 2, seconds=0.3)
    assert order[:6] == ['slow', 'fast'] * 3  # with the warm-up
    assert results['slow'] == ['slow'] * 2
    assert 2 < len(results['fast']) <= timing.MOST_TURNS
    assert len(in_turn(calls, 1)['fast']) == 1
