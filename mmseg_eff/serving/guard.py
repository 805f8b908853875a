"""ASGI middleware that limits bytes, time and number of requests, and answers errors as JSON."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

from .uploads import Limits, Refused, too_many_bytes

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

FORM = 2**16  # bytes that a multipart form may need besides the image
logger = logging.getLogger(__name__)


class Disconnected(Exception):
    """The client has gone before its request was complete."""


class Guard:
    """Limit the requests that may have a body, and answer what they raise in one line.

    Args:
        app: The application.
        limits: Those of the server.
    """

    def __init__(self, app: App, limits: Limits) -> None:
        self.app, self.limits = app, limits
        self.active = 0

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Handle a request of the server; see the ASGI specification."""
        if scope['type'] != 'http' or scope['method'] in ('GET', 'HEAD', 'OPTIONS'):
            await self.app(scope, receive, send)
            return
        has_started, is_complete = False, False

        async def start(message: Message) -> None:
            nonlocal has_started
            has_started = True
            await send(message)

        async def read() -> Message:
            nonlocal is_complete
            message = await receive()
            if message['type'] == 'http.disconnect' and not is_complete:
                raise Disconnected
            is_complete = is_complete or not message.get('more_body', False)
            return message

        self.active += 1
        try:
            refused = await self.run(scope, read, start)
        finally:
            self.active -= 1
        if not refused or has_started:
            return
        if refused.status in (413, 503) and b'expect' not in dict(scope['headers']):
            with suppress(TimeoutError, Disconnected):
                async with asyncio.timeout(self.limits.timeout):
                    while not is_complete:  # most clients send all before they read an answer
                        await read()
        await send_error(refused, send)

    async def run(
        self, scope: MutableMapping[str, Any], receive: Receive, send: Send
    ) -> Refused | None:
        """Run the application within the limits; what is to be answered instead."""
        limits = self.limits
        if self.active > limits.max_requests:
            return Refused(503, f'{limits.max_requests} requests are waiting: come again')
        length = dict(scope['headers']).get(b'content-length', b'0')
        if length.isdigit() and int(length) > limits.max_bytes + FORM:
            return too_many_bytes(limits)
        try:
            async with asyncio.timeout(limits.timeout):
                await self.app(scope, self.counted(receive), send)
        except Refused as error:
            return error
        except TimeoutError:
            return Refused(504, f'took longer than {limits.timeout:g} s (--timeout)')
        except Disconnected:
            return None
        except Exception:
            logger.exception('a request failed')
            return Refused(500, 'the server failed; its log says more')
        return None

    def counted(self, receive: Receive) -> Receive:
        """``receive`` that raises if the body is too large."""
        total = 0

        async def count() -> Message:
            nonlocal total
            message = await receive()
            total += len(message.get('body', b''))
            if total > self.limits.max_bytes + FORM:
                raise too_many_bytes(self.limits)
            return message

        return count


async def send_error(error: Refused, send: Send) -> None:
    """Answer a request by an error, as JSON of one line."""
    body = json.dumps({'error': str(error)}).encode()
    headers = [(b'content-type', b'application/json'), (b'content-length', b'%d' % len(body))]
    if error.status == 503:
        headers.append((b'retry-after', b'1'))
    await send({'type': 'http.response.start', 'status': error.status, 'headers': headers})
    await send({'type': 'http.response.body', 'body': body})
