"""Check what clients upload before anything decodes it."""

import io
from dataclasses import dataclass
from typing import NamedTuple

from PIL import Image, UnidentifiedImageError

from ..errors import InputError
from ..utils.pixel_limit import open_limited

FORMATS = ('BMP', 'JPEG', 'PNG', 'TIFF', 'WEBP')  # Pillow's names of IMAGE_SUFFIXES
ALLOWED = ', '.join(FORMATS)


@dataclass(frozen=True)
class Limits:
    """What a server takes.

    Attributes:
        max_bytes: Of an image file.
        max_pixels: Of an image, height times width.
        max_requests: Requests in work or waiting; the next are told to come again.
        timeout: Seconds from the headers of a request to the end of its answer.
    """

    max_bytes: int = 2**25
    max_pixels: int = 2**24
    max_requests: int = 64
    timeout: float = 30.0


class Refused(InputError):
    """A request that is answered by an error.

    Args:
        status: The HTTP status.
        reason: One line for the client.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Upload(NamedTuple):
    """An image file whose header has been checked, and the name of the answer wanted."""

    content: bytes
    answer: str


def check_image(content: bytes, limits: Limits) -> None:
    """Read the header of an image file.

    Args:
        content: What the file holds.
        limits: Those of the server.

    Raises:
        Refused: If it is empty (400), too large (413) or no image of ``FORMATS`` (415).
    """
    if not content:
        raise Refused(400, 'image: is empty (0 bytes)')
    if len(content) > limits.max_bytes:
        raise too_many_bytes(limits)
    try:
        with open_limited(io.BytesIO(content), FORMATS) as image:
            width, height = image.size
    except Image.DecompressionBombError as error:
        raise Refused(413, f'image: {error}') from error
    except UnidentifiedImageError as error:
        raise Refused(415, f'image: must be one of {ALLOWED}, and not cut off') from error
    except Exception as error:  # Pillow raises errors of any type
        raise Refused(400, f'image: its header cannot be read ({len(content)} bytes)') from error
    if width * height > limits.max_pixels:
        raise Refused(
            413, f'image: {width}x{height} are more than {limits.max_pixels} pixels (--max-pixels)'
        )


def too_many_bytes(limits: Limits) -> Refused:
    """The error of an upload that is too large."""
    return Refused(413, f'image: has more than {limits.max_bytes} bytes (--max-bytes)')
