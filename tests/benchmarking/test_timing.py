import cv2
import torch

from mmseg_eff.benchmarking.timing import take_turns


def test_turns_without_the_warm_up():
    order = []

    def call(name):
        order.append(name)
        return len(order)

    turns = take_turns({'a': lambda: call('a'), 'b': lambda: call('b')}, repeats=3, threads=1)
    assert order == ['a', 'b'] * 4
    assert turns.results == {'a': [3, 5, 7], 'b': [4, 6, 8]}
    assert (turns.conditions.threads, turns.conditions.repeats) == (1, 3)
    assert str(turns.conditions).startswith('1 threads, 3 repeats, load average ')


def test_threads_are_pinned_for_the_calls_only():
    def threads():
        return torch.get_num_threads(), cv2.getNumThreads()

    before = threads()
    assert take_turns({'a': threads}, repeats=1, threads=3).results == {'a': [(3, 3)]}
    assert threads() == before
