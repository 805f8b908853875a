"""What is added to LitServe, without its processes; tests/commands/test_serve.py has them."""

import queue
import time
from pathlib import Path

import pytest

pytest.importorskip('litserve', reason='needs the extra [serve]')

from mmseg_eff.serving.lit_server import ExportAPI, Waiting

TIMEOUT = 30.0


def requests_of(*ages):
    """A queue of requests that have waited so many seconds."""
    requests = queue.Queue()
    for number, age in enumerate(ages):
        requests.put((0, f'id {number}', time.monotonic() - age, f'upload {number}'))
    return requests


def batch_of(requests, size, wait=0.0):
    api = ExportAPI(Path('none'), 1, size, wait)
    api.request_timeout = TIMEOUT
    return api.loop.get_batch_requests(api, requests, None)


def test_batches_have_at_most_their_size():
    requests = requests_of(0, 0, 0)
    batch, late = batch_of(requests, 2)
    assert (batch, late) == ([(0, 'id 0', 'upload 0'), (0, 'id 1', 'upload 1')], [])
    assert batch_of(requests, 2) == ([(0, 'id 2', 'upload 2')], [])


def test_no_request_is_no_batch():
    assert batch_of(requests_of(), 2) == ([], [])


def test_requests_that_waited_too_long_are_left_out():
    batch, late = batch_of(requests_of(0, TIMEOUT + 1, 0), 8)
    assert [uid for _, uid, _ in batch] == ['id 0', 'id 2'] and late == [(0, 'id 1')]


def test_a_batch_waits_for_further_requests():
    start = time.monotonic()
    batch, _ = batch_of(requests_of(0), 2, wait=0.1)
    assert len(batch) == 1 and time.monotonic() - start >= 0.1


def test_what_nobody_waits_for_is_dropped():
    waiting = Waiting(0.05)
    waiting['a'], waiting['b'] = 1, 2
    assert waiting.pop('b') == 2
    time.sleep(0.06)
    waiting['c'] = 3
    assert waiting == {'c': 3} and len(waiting.ends) == 1
