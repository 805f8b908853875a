"""Start a real Triton on this machine: the server that PyTriton brings, on free local ports.

``make test-triton`` makes the environment. Its Python backend runs in that environment's Python;
Triton's other backends are not on PyPI.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_SECONDS = 120
FACTS = """
import pathlib, pytriton, sys, sysconfig
print(pathlib.Path(pytriton.__file__).parent, sysconfig.get_config_var('LIBDIR'))
print('%d.%d' % sys.version_info[:2])
"""


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        url: Where it speaks KServe v2 over HTTP.
        metrics_url: Its metrics in Prometheus' format.
        process: The server itself.
        log: File of what it says.
    """

    url: str
    metrics_url: str
    process: subprocess.Popen
    log: Path

    def is_ready(self) -> bool:
        """Whether all models are loaded and it takes requests."""
        try:
            with urllib.request.urlopen(f'{self.url}/v2/health/ready', timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def metric(self, name: str, model: str) -> float:
        """Value of a counter of a model."""
        with urllib.request.urlopen(self.metrics_url, timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        start = f'{name}{{model="{model}",version="1"}} '
        (value,) = (line.removeprefix(start) for line in lines if line.startswith(start))
        return float(value)


@contextmanager
def triton_server(
    environment: Path, repository: Path, work: Path, *options: str, backends: Path | None = None
) -> Iterator[Server]:
    """Run a server in a block.

    Args:
        environment: Virtual environment with PyTriton and what the models need.
        repository: Folder of the models.
        work: Folder for its backends and its log.
        options: More arguments of ``tritonserver``.
        backends: Folder of more backends.

    Raises:
        RuntimeError: If it does not start; with the end of its log.
    """
    python = environment.absolute() / 'bin/python'
    words = subprocess.run([python, '-c', FACTS], check=True, capture_output=True, text=True)
    package, libraries, version = words.stdout.split()
    installed = Path(package, 'tritonserver')
    found = work / 'backends'
    shutil.copytree(installed / 'backends', found)
    stub = installed / f'python_backend_stubs/{version}/triton_python_backend_stub'
    shutil.copy(stub, found / 'python')
    if backends:
        shutil.copytree(backends, found, dirs_exist_ok=True)
    port, metrics_port = free_ports(2)
    own = Path(package).parent / 'nvidia_pytriton.libs'
    log = work / 'log.txt'
    command = [
        installed / 'bin/tritonserver',
        f'--model-repository={repository}',
        f'--backend-directory={found}',
        f'--http-port={port}',
        f'--metrics-port={metrics_port}',
        '--http-address=127.0.0.1',
        '--metrics-address=127.0.0.1',
        '--allow-grpc=false',
        '--exit-timeout-secs=5',
        *options,
    ]
    settings = {
        **os.environ,
        'PATH': f'{python.parent}{os.pathsep}{os.environ["PATH"]}',
        'LD_LIBRARY_PATH': f'{libraries}{os.pathsep}{own}',
    }
    with log.open('w') as file:
        process = subprocess.Popen(command, env=settings, stdout=file, stderr=file)
    urls = (f'http://127.0.0.1:{port}', f'http://127.0.0.1:{metrics_port}/metrics')
    server = Server(*urls, process, log)
    try:
        end = time.monotonic() + START_SECONDS
        while not server.is_ready():
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f'the server does not start:\n{log.read_text()[-3000:]}')
            time.sleep(0.2)
        yield server
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_ports(count: int) -> list[int]:
    """Free local ports."""
    sockets = [socket.create_server(('127.0.0.1', 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
