"""The middleware alone, around small applications."""

import asyncio
import json

import pytest

from mmseg_eff.serving.guard import FORM, Guard
from mmseg_eff.serving.uploads import Limits, Refused

LIMITS = Limits(max_bytes=1000, max_requests=2, timeout=0.2)
DISCONNECT = {'type': 'http.disconnect'}


def body(*parts):
    """The messages of a request's body."""
    return [
        {'type': 'http.request', 'body': part, 'more_body': index + 1 < len(parts)}
        for index, part in enumerate(parts)
    ]


async def read_all(_scope, receive, send):
    """An application that answers how many bytes it got."""
    total, is_more = 0, True
    while is_more:
        message = await receive()
        total += len(message.get('body', b''))
        is_more = message.get('more_body', False)
    await send({'type': 'http.response.start', 'status': 200, 'headers': []})
    await send({'type': 'http.response.body', 'body': b'%d' % total})


def ask(app, messages, *, method='POST', headers=(), guard=None):
    """Status and body of the answer, and how many of the messages were read."""
    sent, left = [], [*messages]

    async def receive():
        if not left:
            await asyncio.sleep(60)
        return left.pop(0)

    async def send(message):
        sent.append(message)

    scope = {'type': 'http', 'method': method, 'path': '/predict', 'headers': [*headers]}
    asyncio.run((guard or Guard(app, LIMITS))(scope, receive, send))
    if not sent:
        return None
    start, end = sent
    return start['status'], end['body'], len(messages) - len(left)


def error_of(answer):
    status, text, _ = answer
    facts = json.loads(text)
    assert [*facts] == ['error'] and '\n' not in facts['error']
    return status, facts['error']


def test_a_request_within_the_limits():
    assert ask(read_all, body(b'ab', b'c')) == (200, b'3', 2)


def test_too_many_bytes_are_not_given_to_the_application():
    parts = body(*[bytes(FORM)] * 4)
    answer = ask(read_all, parts)
    assert error_of(answer) == (413, 'image: has more than 1000 bytes (--max-bytes)')
    assert answer[2] == 4  # the client can read the answer only when it has sent all


def test_a_length_that_is_too_large_is_enough():
    length = (b'content-length', b'%d' % (1001 + FORM))
    answer = ask(None, body(b'a'), headers=[length])
    assert (error_of(answer)[0], answer[2]) == (413, 1)
    answer = ask(None, body(b'a'), headers=[length, (b'expect', b'100-continue')])
    assert (error_of(answer)[0], answer[2]) == (413, 0)


def test_time():
    async def sleep(_scope, _receive, _send):
        await asyncio.sleep(60)

    for app in (sleep, read_all):  # the second waits for the client
        answer = ask(app, body(b'a', b'b')[:1])
        assert error_of(answer) == (504, 'took longer than 0.2 s (--timeout)')


def test_a_client_that_goes_gets_no_answer():
    assert ask(read_all, [*body(b'a', b'b')[:1], DISCONNECT]) is None


def test_the_end_of_a_complete_request_is_the_applications():
    async def wait_for_the_end(_scope, receive, send):
        await receive()
        assert await receive() == DISCONNECT
        await read_all(None, receive, send)

    assert ask(wait_for_the_end, [*body(b'a'), DISCONNECT, *body(b'')])[0] == 200


@pytest.mark.parametrize(
    ('error', 'status', 'reason'),
    [
        (Refused(415, 'no image'), 415, 'no image'),
        (RuntimeError('/secret/path'), 500, 'the server failed; its log says more'),
    ],
)
def test_what_an_application_raises(error, status, reason):
    async def fail(_scope, _receive, _send):
        raise error

    assert error_of(ask(fail, body(b'a'))) == (status, reason)


def test_an_answer_that_has_begun_is_not_followed_by_another():
    async def fail_late(_scope, _receive, send):
        await send({'type': 'http.response.start', 'status': 200, 'headers': []})
        await send({'type': 'http.response.body', 'body': b'', 'more_body': True})
        raise RuntimeError

    assert ask(fail_late, body(b'a'))[0] == 200


def test_number_of_requests():
    guard = Guard(read_all, LIMITS)
    guard.active = 2
    status, reason = error_of(ask(None, body(b'a'), guard=guard))
    assert (status, reason) == (503, '2 requests are waiting: come again')
    assert guard.active == 2
    guard.active = 1
    assert ask(None, body(b'a'), guard=guard)[0] == 200
    assert guard.active == 1


def test_health_is_not_limited():
    guard = Guard(read_all, LIMITS)
    guard.active = 9
    assert ask(None, body(b''), method='GET', guard=guard)[0] == 200
