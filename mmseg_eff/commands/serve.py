"""Serve an exported network over HTTP: POST /predict, GET /info, GET /health.

An image file goes in, as the field "image" of a form or as the body; a PNG of its labels comes out,
with ?format=json labels and shares of the classes, with ?format=overlay the coloured photo. Only
this machine can connect unless --host says otherwise; there is no encryption.
"""

import argparse

from ._arguments import ToolParser, finite_number, whole_number
from ._cli import command


def add_arguments(parser: ToolParser) -> None:
    """Add the arguments of ``mmseg-eff serve``."""
    parser.add_argument('export', metavar='EXPORT', help='folder of mmseg-eff export')
    parser.add_argument('--host', default='127.0.0.1', help='address to listen on (127.0.0.1)')
    parser.add_argument(
        '--port', type=whole_number(0), default=8000, help='port, a free one with 0 (8000)'
    )
    parser.add_argument(
        '--workers', type=whole_number(1), default=1, help='processes with the network (1)'
    )
    parser.add_argument(
        '--threads', type=whole_number(0), default=0, help='of each; the engine chooses with 0 (0)'
    )
    parser.add_argument(
        '--max-batch', type=whole_number(1), default=1, help='requests taken at once (1)'
    )
    parser.add_argument(
        '--batch-wait-ms', type=finite_number, default=5.0, help='for more than the first (5)'
    )
    parser.add_argument(
        '--max-bytes', type=whole_number(1), default=2**25, help='of an image file (33554432)'
    )
    parser.add_argument(
        '--max-pixels', type=whole_number(1), default=2**24, help='of an image (16777216)'
    )
    parser.add_argument(
        '--max-requests', type=whole_number(1), default=64, help='in work or waiting (64)'
    )
    parser.add_argument(
        '--timeout', type=finite_number, default=30.0, help='seconds of a request (30)'
    )


@command(add_arguments)
def main(args: argparse.Namespace) -> None:
    """Serve, and print the URL as soon as requests are answered."""
    from ..apis.serving import serve
    from ..utils.user_errors import on_interrupt

    def say(url: str) -> None:
        print(f'{args.export}: {url} (POST /predict, GET /info, GET /health)', flush=True)

    with on_interrupt('the server had not started'):
        serve(
            args.export,
            host=args.host,
            port=args.port,
            workers=args.workers,
            threads=args.threads,
            max_batch=args.max_batch,
            batch_wait_ms=args.batch_wait_ms,
            max_bytes=args.max_bytes,
            max_pixels=args.max_pixels,
            max_requests=args.max_requests,
            timeout=args.timeout,
            on_start=say,
        )
    print('stopped', flush=True)
