"""Clients of a server: one request by KServe v2, and requests a second of several at once.

No library but numpy is imported, so that a client starts at once.
"""

import json
import statistics
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CLIENTS = (1, 4, 16)
BINARY = {'Content-Type': 'application/octet-stream'}  # Triton parses urllib's default, a form


@dataclass(frozen=True)
class Load:
    """What some clients measured.

    Attributes:
        per_second: Requests answered a second.
        median_ms: Median of the milliseconds from a request to its answer.
        p95_ms: The time that 95 % of them took at most.
    """

    per_second: float
    median_ms: float
    p95_ms: float


def infer(url: str, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Labels of an image (H, W, C) or images (N, H, W, C), by KServe v2 with binary data.

    Args:
        url: The model's, as ``http://127.0.0.1:8000/v2/models/espnet``.
        image: The pixels.

    Raises:
        ValueError: With what the server says.
    """
    images = image if image.ndim == 4 else image[None]
    sent = dict(binary_data_size=images.nbytes)
    tensor = dict(name='image', datatype='UINT8', shape=images.shape, parameters=sent)
    wanted = dict(name='labels', parameters=dict(binary_data=True))
    header = json.dumps(dict(inputs=[tensor], outputs=[wanted])).encode()
    headers = {'Inference-Header-Content-Length': str(len(header)), **BINARY}
    request = urllib.request.Request(f'{url}/infer', header + images.tobytes(), headers)
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            length, content = answer.headers['Inference-Header-Content-Length'], answer.read()
    except urllib.error.HTTPError as error:
        raise ValueError(json.load(error)['error']) from error
    (output,) = json.loads(content[: int(length)])['outputs']
    labels = np.frombuffer(content[int(length) :], np.uint8).reshape(output['shape'])
    return labels if image.ndim == 4 else labels[0]


def measure(send: Callable[[], object], clients: int, requests: int) -> Load:
    """Let clients call ``send`` in parallel, each as soon as its last call has ended.

    Args:
        send: Sends a request and waits for the answer; it is called by several threads.
        clients: Their number.
        requests: Of all together.
    """
    left = iter(range(requests))
    seconds: list[float] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            for _ in left:
                start = time.perf_counter()
                send()
                seconds.append(time.perf_counter() - start)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(clients)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    passed = time.perf_counter() - start
    if errors:
        raise errors[0]
    times = sorted(seconds)
    p95 = times[min(int(0.95 * len(times)), len(times) - 1)]
    return Load(len(times) / passed, 1000 * statistics.median(times), 1000 * p95)


def compare(
    ways: Mapping[str, Callable[[], object]],
    *,
    clients: Sequence[int] = CLIENTS,
    requests: int = 32,
    rounds: int = 5,
) -> dict[tuple[str, int], Load]:
    """Measure several ways in turn, after a round that does not count; the median of the rounds."""
    found: dict[tuple[str, int], list[Load]] = {}
    for number in range(rounds + 1):
        for count in clients:
            for name, send in ways.items():
                load = measure(send, count, requests)
                if number:
                    found.setdefault((name, count), []).append(load)
    fields = ('per_second', 'median_ms', 'p95_ms')
    return {
        key: Load(*(statistics.median(getattr(load, field) for load in loads) for field in fields))
        for key, loads in found.items()
    }


def table(loads: Mapping[tuple[str, int], Load]) -> str:
    """The figures as a table of Markdown."""
    lines = ['| way | clients | requests a second | median ms | p95 ms |', '|---|--:|--:|--:|--:|']
    for (name, clients), load in loads.items():
        figures = f'{load.per_second:.1f} | {load.median_ms:.0f} | {load.p95_ms:.0f}'
        lines.append(f'| {name} | {clients} | {figures} |')
    return '\n'.join(lines)
