"""Start the server of an exported folder."""

import socket
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from ..deploy.runtime_checks import REPORT, read_report
from ..errors import InputError
from .uploads import Limits

NEEDS = ('litserve', 'python_multipart')  # of the extra serve


def serve_folder(
    folder: Path,
    host: str,
    port: int,
    limits: Limits,
    *,
    workers: int,
    threads: int,
    max_batch: int,
    batch_wait: float,
    on_start: Callable[[str], object],
) -> None:
    """Serve an exported folder until Ctrl-C or SIGTERM.

    Args:
        folder: The exported folder.
        host: Address to listen on.
        port: Its port; a free one with 0.
        limits: Limits of uploads and requests.
        workers: Number of processes with the network.
        threads: Threads of the engine in each.
        max_batch: Number of requests that one takes at once.
        batch_wait: Seconds to wait for further requests after the first.
        on_start: Called with the server's URL when it answers.

    Raises:
        InputError: If LitServe is not installed, the folder is none or damaged, its engine is not
            installed, or the address cannot be had.
    """
    if sys.platform == 'win32':  # where LitServe cannot take a socket that is bound
        raise InputError('serving needs Linux or macOS')
    for package in NEEDS:
        if find_spec(package) is None:
            raise InputError(
                f'serving needs {package}; install the extra [serve]: pip install -e ".[serve]"'
            )
    try:
        report = read_report(folder / REPORT)
    except ValueError as error:
        raise InputError(str(error)) from error
    from .lit_server import ExportAPI, ExportServer

    with listen(host, port) as listener:
        address, number = listener.getsockname()[:2]
        url = f'http://{f"[{address}]" if ":" in address else address}:{number}'
        api = ExportAPI(folder, threads, max_batch, batch_wait)
        info = {key: value for key, value in report.items() if key != 'files'}
        server = ExportServer(api, limits, workers, info, lambda: on_start(url))
        server.serve_on(listener)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        InputError: If the port is in use, or the host is no address of this machine.
    """
    try:
        return socket.create_server(
            (host, port), family=socket.AF_INET6 if ':' in host else socket.AF_INET, backlog=2048
        )
    except OSError as error:
        reason = str(error.strerror or error).partition(' (while')[0]  # Python adds the address
        raise InputError(f'{host}:{port}: cannot listen ({reason})') from error
