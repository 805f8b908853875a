"""Serve an exported network over HTTP."""

import math
from collections.abc import Callable
from pathlib import Path

from ..errors import InputError
from ..serving.run import serve_folder
from ..serving.uploads import Limits
from ..utils.numbers import check_at_least

__all__ = ['serve']


def serve(
    export: str | Path,
    *,
    host: str = '127.0.0.1',
    port: int = 8000,
    workers: int = 1,
    threads: int = 0,
    max_batch: int = 1,
    batch_wait_ms: float = 5.0,
    max_bytes: int = 2**25,
    max_pixels: int = 2**24,
    max_requests: int = 64,
    timeout: float = 30.0,
    on_start: Callable[[str], object] = print,
) -> None:
    """Serve an exported folder over HTTP until Ctrl-C or SIGTERM; needs the extra ``serve``.

    ``POST /predict`` takes an image file, as the field ``image`` of a form or as the body, and
    answers a PNG of its labels; ``?format=json`` labels and shares of the classes, ``shares``
    the latter alone, ``overlay`` the photo with the colours on top. ``GET /info`` says what
    ``report.json`` does, ``GET /health`` ``ok``. An error is ``{"error": "one line"}``. Images are
    read as ``predict`` reads them.

        if __name__ == '__main__':  # the workers are new processes
            mmseg_eff.serve('exported', port=8000)

    Args:
        export: Folder of ``export``.
        host: Address to listen on: by default only this machine can connect.
        port: Port to listen on; a free one with 0.
        workers: Number of processes with the network.
        threads: Threads of the engine in each; the engine chooses with 0.
        max_batch: Number of requests that a worker takes at once.
        batch_wait_ms: Milliseconds to wait for further requests after the first, if ``max_batch``
            is above 1.
        max_bytes: Largest image file; above it the answer is status 413.
        max_pixels: Largest image, height times width, by its header (413).
        max_requests: Requests in work or waiting; a further one is status 503.
        timeout: Seconds from the begin of a request to the end of its answer (504).
        on_start: Called with the URL when the server answers.

    Raises:
        InputError: If an argument is wrong, the folder is no export or damaged, its engine or
            LitServe is not installed, or the address cannot be had.
    """
    check_at_least(
        1,
        workers=workers,
        max_batch=max_batch,
        max_bytes=max_bytes,
        max_pixels=max_pixels,
        max_requests=max_requests,
    )
    check_at_least(0, threads=threads, port=port)
    if port > 65535:
        raise InputError(f'port must be 65535 or less, got {port}')
    for name, seconds in (('timeout', timeout), ('batch_wait_ms', batch_wait_ms)):
        if not (math.isfinite(seconds) and seconds >= 0):
            raise InputError(f'{name} must be a finite number of 0 or more, got {seconds}')
    if batch_wait_ms / 1000 >= timeout:
        raise InputError(
            f'timeout must be longer than batch_wait_ms, got {timeout} s and {batch_wait_ms} ms'
        )
    serve_folder(
        Path(export),
        host,
        port,
        Limits(max_bytes, max_pixels, max_requests, timeout),
        workers=workers,
        threads=threads,
        max_batch=max_batch,
        batch_wait=batch_wait_ms / 1000,
        on_start=on_start,
    )
