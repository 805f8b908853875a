import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from mmseg_eff.serving.uploads import FORMATS, Limits, Refused, check_image
from mmseg_eff.utils.image_io import IMAGE_SUFFIXES

LIMITS = Limits(max_bytes=10**5, max_pixels=10**4)
PIXELS = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)


def bomb(width, height):
    """A PNG of a few bytes that says it is of another size."""

    def chunk(kind, data):
        return (
            struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
        )

    header = struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    data = chunk(b'IHDR', header) + chunk(b'IDAT', zlib.compress(bytes(1000))) + chunk(b'IEND', b'')
    return b'\x89PNG\r\n\x1a\n' + data


def encoded(format, pixels=PIXELS):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format)
    return file.getvalue()


def test_every_format_of_predict_is_taken():
    for suffix in IMAGE_SUFFIXES:
        check_image(cv2.imencode(suffix, PIXELS)[1].tobytes(), LIMITS)
    assert {Image.registered_extensions()[suffix] for suffix in IMAGE_SUFFIXES} == set(FORMATS)


@pytest.mark.parametrize(
    ('content', 'status', 'reason'),
    [
        (b'', 400, r'is empty \(0 bytes\)'),
        (b'no image', 415, 'must be one of BMP, JPEG, PNG, TIFF, WEBP'),
        (encoded('GIF'), 415, 'must be one of BMP'),
        (b'%!PS-Adobe-3.0 EPSF-3.0\n', 415, 'must be one of BMP'),
        (encoded('PNG')[:20], 400, r'its header cannot be read \(20 bytes\)'),
        (bytes(10**5 + 1), 413, r'has more than 100000 bytes \(--max-bytes\)'),
        (bomb(65000, 65000), 413, 'image: 65000x65000 are more than 1073741824 pixels'),
        (bomb(101, 100), 413, r'101x100 are more than 10000 pixels \(--max-pixels\)'),
    ],
)
def test_refused(content, status, reason):
    with pytest.raises(Refused, match=reason) as info:
        check_image(content, LIMITS)
    assert info.value.status == status
    assert '\n' not in str(info.value)


def test_no_pixel_is_decoded():
    check_image(bomb(100, 100), LIMITS)  # whose pixels are missing: the reader finds out
