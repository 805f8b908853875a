"""A page of ``--backend web`` in headless Chromium, and how long it takes for an image there.

    python benchmarks/browser.py EXPORT IMAGE [--repeats 9] [--threads 2]

IMAGE should have the size of the export, or the browser resizes it first. Needs
requirements/browser.txt and Chromium with its driver (Debian: chromium, chromium-driver).
"""

import argparse
import json
import os
import shutil
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

SECONDS = 300  # for what takes a second on an idle machine


class Handler(SimpleHTTPRequestHandler):
    """Files of a folder, with the headers that threads need if ``is_isolated``."""

    is_isolated = False

    def end_headers(self) -> None:
        if self.is_isolated:
            self.send_header('Cross-Origin-Opener-Policy', 'same-origin')
            self.send_header('Cross-Origin-Embedder-Policy', 'require-corp')
        super().end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serve(folder: Path, is_isolated: bool = False) -> Iterator[str]:
    """The address at which a folder is served while the block runs."""
    handler = type('Handler', (Handler,), dict(is_isolated=is_isolated))
    server = ThreadingHTTPServer(('127.0.0.1', 0), partial(handler, directory=os.fspath(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f'http://127.0.0.1:{server.server_port}/'
    finally:
        server.shutdown()
        server.server_close()


def missing() -> str | None:
    """The program that is not there, of those a browser needs."""
    programs = ('chromium', 'chromedriver')
    return next((name for name in programs if not shutil.which(name)), None)


class Page:
    """A page in a browser of its own, which ``close`` ends.

    Args:
        downloads: Folder for what the page saves.
        arguments: More of Chromium's.
    """

    def __init__(self, downloads: Path, arguments: Sequence[str] = ()) -> None:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which('chromium')
        for argument in ('--headless=new', '--disable-dev-shm-usage', *arguments):
            options.add_argument(argument)
        if hasattr(os, 'geteuid') and os.geteuid() == 0:  # in a container
            options.add_argument('--no-sandbox')
        options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
        options.add_experimental_option('prefs', {'download.default_directory': str(downloads)})
        self.browser = webdriver.Chrome(options, Service(shutil.which('chromedriver')))
        self.browser.set_script_timeout(SECONDS)

    def open(self, url: str) -> None:
        """Open the page and wait until it is ready."""
        self.browser.get(url)
        self.wait('document.body.dataset.ready || !document.getElementById("error").hidden')

    def choose(self, path: Path) -> None:
        """Choose an image, and wait for its labels or a message."""
        before = self.images
        self.element('file').send_keys(str(path))
        self.wait(
            f'Number(document.body.dataset.images ?? 0) > {before}'
            ' || !document.getElementById("error").hidden'
        )

    def wait(self, condition: str, seconds: float = SECONDS) -> None:
        """Wait until an expression is true in the page."""
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.browser, seconds, 0.05).until(lambda _: self.run(f'return {condition}'))

    def run(self, script: str, *arguments: object) -> object:
        """What a script returns; a promise is waited for."""
        return self.browser.execute_script(script, *arguments)

    def element(self, name: str):
        """The element of an id."""
        return self.browser.find_element('id', name)

    def text(self, name: str) -> str:
        """Text of the element of an id, hidden or not."""
        return self.element(name).get_property('textContent')

    @property
    def images(self) -> int:
        """How many images have been segmented."""
        return int(self.run('return document.body.dataset.images') or 0)

    @property
    def milliseconds(self) -> float:
        """Time of the network for the last image."""
        return float(self.run('return document.body.dataset.ms'))

    def close(self) -> None:
        self.browser.quit()


def main() -> None:
    """Print the median milliseconds of the network for an image, and the bytes of the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('export', type=Path)
    parser.add_argument('image', type=Path)
    parser.add_argument('--repeats', type=int, default=9)
    parser.add_argument('--threads', type=int, default=1)
    args = parser.parse_args()
    page = Page(args.export)
    try:
        with serve(args.export, is_isolated=args.threads > 1) as url:
            page.open(f'{url}?engine=wasm&threads={args.threads}')
            times = []
            for _ in range(args.repeats + 1):
                page.choose(args.image.resolve())
                times.append(page.milliseconds)
            print(page.text('engine'), '|', page.text('status'))
    finally:
        page.close()
    report = json.loads((args.export / 'report.json').read_text())
    sizes = {name: facts['bytes'] for name, facts in report['files'].items()}
    python = sum(size for name, size in sizes.items() if name.endswith('.py'))
    only_webgpu = sum(size for name, size in sizes.items() if 'webgpu' in name or 'asyn' in name)
    total = sum(sizes.values()) - python
    print(f'median {statistics.median(times[1:]):.0f} ms, best {min(times[1:]):.0f} ms')
    print(f'bytes: {total - only_webgpu} loaded, {only_webgpu} more for WebGPU')
    print(f'load: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores')


if __name__ == '__main__':
    main()
