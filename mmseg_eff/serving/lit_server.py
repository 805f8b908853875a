"""The server on LitServe: its API, its loop and its processes; needs the extra ``serve``.

One process answers HTTP and checks uploads, and each worker process has the network; LitServe moves
the requests between them. What LitServe does not do is here: errors of one upload that spare the
others of its batch, limits, waiting without polling, and processes that end with their parent.
"""

import multiprocessing
import os
import queue
import socket
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from multiprocessing.managers import SyncManager
from pathlib import Path
from typing import Annotated, Any
from unittest import mock

from fastapi import Depends, Request, Response
from fastapi.responses import JSONResponse
from litserve import LitAPI, LitServer, configure_logging
from litserve.loops.simple_loops import BatchedLoop
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from ..deploy.segmentor import load_export
from ..errors import InputError
from ..utils.pixel_limit import OF_OPENCV
from ..utils.signals import follow_parent
from ..utils.user_errors import line_of_fault
from .answers import choose_answer, encode
from .guard import Guard
from .labelling import Item, label_items, load_upload
from .uploads import Limits, Refused, Upload, check_image

FORM = 'multipart/form-data'
SENT = f"send the image as field 'image' of {FORM}, or as a body of type image/…"


async def read_upload(request: Request) -> Upload:
    """The image of a request, whose header is checked, and the answer wanted."""
    answer = choose_answer(request.query_params.get('format'), request.headers.get('accept', ''))
    kind = request.headers.get('content-type', '').partition(';')[0].strip().lower()
    if kind == FORM:
        async with request.form(max_files=1, max_fields=8) as form:
            file = form.get('image')
            if not isinstance(file, UploadFile):
                raise Refused(400, f'image: there is no such file in the form; {SENT}')
            content = await file.read()
    elif kind.startswith('image/') or kind == 'application/octet-stream':
        content = await request.body()
    else:
        raise Refused(415, SENT)
    check_image(content, request.app.state.limits)
    return Upload(content, answer)


class ExportAPI(LitAPI):
    """Label uploads by an exported folder.

    Args:
        folder: The exported folder.
        threads: Threads of the engine in each worker; the engine chooses with 0.
        max_batch: Number of requests that a worker takes at once.
        batch_wait: Seconds to wait for further requests after the first.
    """

    def __init__(self, folder: Path, threads: int, max_batch: int, batch_wait: float) -> None:
        super().__init__(max_batch_size=max_batch, batch_timeout=batch_wait, loop=WaitingLoop())
        self.folder, self.threads = folder, threads
        self.faults = multiprocessing.get_context(
            'spawn'
        ).SimpleQueue()  # why a worker did not start

    def setup(self, device: str) -> None:
        """Load the network, in a worker."""
        follow_parent()
        configure_logging('ERROR', stream=sys.stderr)
        try:
            self.segmentor = load_export(self.folder, self.threads)
        except Exception as error:
            self.faults.put(line_of_fault(error))
            raise SystemExit(1) from error

    def decode_request(self, request: Annotated[Upload, Depends(read_upload)]) -> Item:
        """Load an upload."""
        return load_upload(self.segmentor, request)

    def predict(self, items: list[Item]) -> list[Item]:
        """Label a batch."""
        label_items(self.segmentor, items)
        return items

    def encode_response(self, item: Item) -> Response:
        """The answer to an upload."""
        if item.refused or item.image is None or item.labels is None:
            assert item.refused
            return JSONResponse({'error': str(item.refused)}, item.refused.status)
        body, kind = encode(item.answer, item.labels, item.image, self.segmentor)
        return Response(body, media_type=kind)


class WaitingLoop(BatchedLoop):
    """LitServe's loop of a worker, but idle until a request comes; LitServe's own polls."""

    def get_batch_requests(
        self, lit_api: LitAPI, request_queue: Any, transport: Any
    ) -> tuple[list, list]:
        """The requests of a batch, and those that have waited longer than the time limit."""
        try:  # not for longer: the queue gives a request to a worker that was killed while it waits
            requests = [request_queue.get(timeout=1.0)]
        except queue.Empty:
            return [], []
        end = time.monotonic() + lit_api.batch_timeout
        while len(requests) < lit_api.max_batch_size:
            try:
                requests.append(request_queue.get(timeout=max(0.0, end - time.monotonic())))
            except queue.Empty:
                break
        latest = time.monotonic() - (lit_api.request_timeout or 0)
        batch = [(to, uid, upload) for to, uid, since, upload in requests if since >= latest]
        late = [(to, uid) for to, uid, since, _ in requests if since < latest]
        return batch, late


class Waiting(dict):
    """LitServe's requests by their id; those that have been answered for their time are dropped.

    Args:
        seconds: How long a request may wait.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        self.ends: deque[tuple[float, str]] = deque()

    def __setitem__(self, uid: str, request: Any) -> None:
        now = time.monotonic()
        while self.ends and self.ends[0][0] < now:
            self.pop(self.ends.popleft()[1], None)
        self.ends.append((now + self.seconds, uid))
        super().__setitem__(uid, request)


class ExportServer(LitServer):
    """LitServe's server with limits, errors as JSON, and workers that say why they did not start.

    Args:
        api: What the workers do.
        limits: Limits of uploads and requests.
        workers: Number of worker processes.
        info: What ``GET /info`` says of the model.
        on_start: Called when the server answers.
    """

    def __init__(
        self,
        api: ExportAPI,
        limits: Limits,
        workers: int,
        info: dict,
        on_start: Callable[[], object],
    ) -> None:
        super().__init__(
            api,
            accelerator='cpu',  # the engine of the export has its own choice
            workers_per_device=workers,
            timeout=limits.timeout,
            model_metadata=info,
            middlewares=[(Guard, {'limits': limits})],
            disable_openapi_url=True,  # its page loads scripts of other hosts
            restart_workers=True,
        )
        self.api, self.limits, self.on_start = api, limits, on_start
        self.inference_workers: list = []
        self.response_buffer = Waiting(limits.timeout)
        self.app.state.limits = limits
        self.app.add_exception_handler(HTTPException, as_json)

    def _init_manager(self, num_api_servers: int) -> Any:
        with mock.patch.object(multiprocessing, 'Manager', following_manager):
            return super()._init_manager(num_api_servers)

    def launch_inference_worker(self, lit_api: LitAPI) -> list:
        """Start the workers; OpenCV reads its limit when it is imported there."""
        environment = {OF_OPENCV: str(self.limits.max_pixels), 'OPENCV_LOG_LEVEL': 'SILENT'}
        with mock.patch.dict(os.environ, environment):
            self.inference_workers = super().launch_inference_worker(lit_api)
        return []  # LitServe appends what is returned to the list

    def verify_worker_status(self) -> None:
        """Wait until a worker is ready.

        Raises:
            InputError: If one has ended.
        """
        while 'ready' not in self.workers_setup_status.values():
            for worker in self.inference_workers:
                if not worker.is_alive():
                    known = not self.api.faults.empty()
                    raise InputError(
                        self.api.faults.get()
                        if known
                        else f'{self.api.folder}: a worker ended with status {worker.exitcode}'
                    )
            time.sleep(0.05)

    def _start_worker_monitoring(self, *args: Any) -> None:
        super()._start_worker_monitoring(*args)
        self.on_start()  # LitServe's first step after the start

    @asynccontextmanager
    async def lifespan(self, app: Any) -> AsyncIterator[None]:
        """LitServe's, in the process that answers, which here ends with its parent."""
        follow_parent()
        async with super().lifespan(app):
            yield

    def serve_on(self, listener: socket.socket) -> None:
        """Serve on a socket until Ctrl-C or SIGTERM."""
        others = set(multiprocessing.active_children())
        try:
            self.run(  # host and port are unused where there is a socket
                host='127.0.0.1',
                fd=listener.fileno(),
                num_api_servers=1,
                log_level='error',
                generate_client_file=False,
            )
        finally:
            for process in set(multiprocessing.active_children()) - others:
                process.kill()  # what LitServe leaves if it was stopped during its start
                process.join()


def following_manager() -> SyncManager:
    """The process of LitServe's queues, which here ends with its parent."""
    manager = SyncManager(ctx=multiprocessing.get_context())
    manager.start(follow_parent)
    return manager


async def as_json(_request: Request, error: Exception) -> Response:
    """An error of FastAPI's or LitServe's own, such as 404, in the form of the others."""
    assert isinstance(error, HTTPException)
    return JSONResponse({'error': str(error.detail)}, error.status_code, error.headers)
