"""Image, array and annotation files that are damaged or made to harm, each with a name."""

import io
import json
import os
import random
import socket
import struct
import zlib
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

SIZE = 64, 128  # of the valid files
HUGE = 2**31 - 1


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def png(width: int, height: int, data: bytes = b'', extra: bytes = b'') -> bytes:
    """A colour PNG of any header, packed data and further chunks."""
    header = chunk(b'IHDR', struct.pack('>2I5B', width, height, 8, 2, 0, 0, 0))
    return b'\x89PNG\r\n\x1a\n' + header + extra + chunk(b'IDAT', data) + chunk(b'IEND', b'')


def tiff(width: int, height: int, offset: int = 0) -> bytes:
    """A TIFF of a header only, with the place of the next directory."""
    sides = struct.pack('<2HIIHHII', 256, 4, 1, width, 257, 4, 1, height)
    return b'II*\0\x08\0\0\0\x02\0' + sides + struct.pack('<I', offset)


def bmp(width: int, height: int) -> bytes:
    """A BMP of a header only."""
    header = struct.pack('<IiiHHIIiiII', 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b'BM' + struct.pack('<IHHI', 54, 0, 0, 54) + header


def whole_images() -> dict[str, bytes]:
    """Images of noise that any decoder reads."""
    rng = np.random.default_rng(0)
    color = rng.integers(0, 256, (*SIZE, 3), np.uint8)
    files = {
        suffix: cv2.imencode(f'.{suffix}', color)[1].tobytes() for suffix in ('png', 'jpg', 'webp')
    }
    buffer = io.BytesIO()
    Image.fromarray(color).save(buffer, 'TIFF', compression='tiff_lzw')
    files['tif'] = buffer.getvalue()
    files['label'] = cv2.imencode('.png', rng.integers(0, 9, SIZE, np.uint8))[1].tobytes()
    return files


def refused_images() -> dict[str, bytes]:
    """Files that are no image, or one too large, for every decoder."""
    whole = whole_images()
    return {
        'empty': b'',
        'text': b'hello',
        'header of a PNG': whole['png'][:33],
        'cut PNG': whole['png'][:200],
        'header of a JPEG': whole['jpg'][:20],
        'cut TIFF': whole['tif'][:60],
        'PNG of 1e10 pixels': png(100_000, 100_000, zlib.compress(bytes(10**6))),
        'PNG of 2**31 x 2**31': png(HUGE, HUGE),
        'PNG of no pixel': png(0, 0),
        'PNG of no row': png(10, 0),
        'TIFF of 2**31 x 2**31': tiff(HUGE, HUGE),
        'TIFF whose directory is its own next': tiff(9, 9, 8),
        'BMP of 2**30 x 2**30': bmp(2**30, 2**30),
        'BMP of a negative width': bmp(-5, -(2**31)),
        'PPM of 1e12 pixels': b'P6\n1000000 1000000\n255\n',
        'PGM of negative sides': b'P5\n-1 -1\n255\n',
        'PFM of 1e10 pixels': b'PF\n100000 100000\n-1\n',
        'PAM of 1e10 pixels': b'P7\nWIDTH 99999\nHEIGHT 99999\nDEPTH 4\nMAXVAL 255\nENDHDR\n',
        'HDR of 1e12 pixels': b'#?RADIANCE\n\n-Y 1000000 +X 1000000\n',
        'WebP of 4 GB': b'RIFF\xff\xff\xff\xffWEBPVP8 ' + bytes(50),
        'WebP of 2**14 x 2**14': b'RIFF\x20\0\0\0WEBPVP8L\xff\xff\xff\xff/\xff\xff\xff\xff',
        'JPEG 2000 of rubbish': b'\0\0\0\x0cjP  \r\n\x87\n' + b'\xff' * 100,
        'OpenEXR of rubbish': b'v/1\x01' + bytes(100),
        'PSD of rubbish': b'8BPS\0\1' + bytes(100),
        'ICO of rubbish': b'\0\0\1\0\1\0' + b'\xff' * 30,
        'SVG with a link': b'<svg xmlns="http://www.w3.org/2000/svg"><image href="/a"/></svg>',
        'grey PostScript': (
            b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%ImageData: 9 9 8 1 0 1 1 "x"\n'
            b'%%EndComments\n(out) (w) file\n'
        ),
    }


def odd_images() -> dict[str, bytes]:
    """Files that one decoder may read and another refuse: bombs in chunks, and mutations."""
    rng, files = random.Random(0), {}
    text = chunk(b'zTXt', b'a\0\0' + zlib.compress(b'0' * 10**8))
    profile = chunk(b'iCCP', b'a\0\0' + zlib.compress(b'0' * 10**8))
    row = zlib.compress(bytes(64 * (1 + 64 * 3)))
    files['PNG with 100 MB of text'] = png(64, 64, row, text)
    files['PNG with 100 MB of profile'] = png(64, 64, row, profile)
    files['PNG with 100 MB of pixels too many'] = png(64, 64, zlib.compress(bytes(10**8)))
    for name, data in whole_images().items():
        for number in range(8):
            changed = bytearray(data)
            for _ in range(rng.choice((1, 3, 10, 40))):
                changed[rng.randrange(len(data))] = rng.randrange(256)
            end = rng.choice((len(data), len(data), rng.randrange(1, len(data))))
            files[f'mutation {number} of {name}'] = bytes(changed[:end])
    return files


def no_files() -> dict[str, Callable[[Path], None]]:
    """What stands in the place of a file, by a function that makes it."""

    def sparse(path: Path) -> None:
        path.touch()
        os.truncate(path, 10**11)

    def bind(path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as listener:
            folder = os.getcwd()
            os.chdir(path.parent)  # the name of a socket is short
            listener.bind(path.name)
            os.chdir(folder)

    return {
        'pipe': os.mkfifo,
        'socket': bind,
        'folder': os.mkdir,
        '/dev/zero': lambda path: path.symlink_to('/dev/zero'),
        '/dev/null': lambda path: path.symlink_to('/dev/null'),
        '/proc/kmsg': lambda path: path.symlink_to('/proc/kmsg'),
        'link to itself': lambda path: path.symlink_to(path),
        'link to nothing': lambda path: path.symlink_to(path.with_name('none')),
        'sparse file of 100 GB': sparse,
    }


def npy(shape: str, descr: str = "'|u1'", data: bytes = b'', version: bytes = b'\1\0') -> bytes:
    """An array file of any header."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b'\x93NUMPY' + version + struct.pack('<H', len(header)) + header + data


def arrays() -> dict[str, bytes]:
    """Files that are no array of RGB bytes."""
    buffer = io.BytesIO()
    np.save(buffer, np.array([{}], object), allow_pickle=True)
    return {
        'no row': npy('(0, 64, 3)'),
        'no column': npy('(64, 0, 3)'),
        '3e12 bytes': npy('(1000000, 1000000, 3)'),
        'a product beyond 64 bits': npy('(4294967296, 4294967296, 3)'),
        'a side of 400 digits': npy(f'({"9" * 400}, 4, 3)'),
        'a negative side': npy('(-5, 64, 3)'),
        'two negative sides': npy('(-5, -64, 3)', data=bytes(1000)),
        '3000 axes': npy(f'({"1," * 3000})'),
        '5000 brackets': npy('(' * 5000),
        'a call in the header': npy('__import__("os").system("true")'),
        'a shape that is text': npy('"abc"'),
        'objects': buffer.getvalue(),
        'objects that are bytes': npy('(4, 4, 3)', "'|O'", bytes(400)),
        'numbers': npy('(4, 4, 3)', "'<f4'", bytes(400)),
        'records': npy('(4, 4, 3)', "[('a', '|u1')]", bytes(400)),
        'too few bytes': npy('(64, 64, 3)', data=bytes(10)),
        'two axes': npy('(64, 64)', data=bytes(64 * 64)),
        'four axes': npy('(1, 64, 64, 3)', data=bytes(3 * 64 * 64)),
        'a header of 4 GB': b'\x93NUMPY\2\0\xff\xff\xff\xff',
        'no header': b'\x93NUMPY',
        'an unknown version': npy('(4, 4, 3)', version=b'\x09\x09'),
        'a pickle': b'cos\nsystem\n(S"true"\ntR.',
        'nothing': b'',
    }


def coco_files(number: int = 200) -> dict[str, str]:
    """Annotations with a value changed, taken away or doubled, at random places."""
    rng = random.Random(0)
    whole = dict(
        images=[dict(id=1, file_name='a.jpg', height=40, width=60)],
        annotations=[
            dict(id=1, image_id=1, category_id=1, segmentation=[[1, 1, 30, 1, 30, 30]]),
            dict(id=2, image_id=1, category_id=2, iscrowd=1,
                 segmentation=dict(size=[40, 60], counts=[100, 50, 2250])),
            dict(id=3, image_id=1, category_id=2,
                 segmentation=dict(size=[40, 60], counts='T3b1VU2')),
        ],
        categories=[dict(id=1, name='crack'), dict(id=2, name='rust')],
    )  # fmt: skip
    values = (
        *(None, True, -1, 0, 1.5, 1e300, float('nan'), float('inf'), 10**30, 2**31, 2**63, '', 'x'),
        *(
            '\0',
            '[/b]',
            '../../x',
            '/etc/passwd',
            'o' * 10**5,
            [],
            {},
            [[]],
            [[[1]]],
            [None],
            'PPPP',
        ),
        *({'size': [1], 'counts': 'o'}, {'counts': ''}, [[1e6, 1e6] * 3], [[0, 0] * 10**4]),
    )
    files = {}
    for index in range(number):
        content = deepcopy(whole)
        for _ in range(rng.choice((1, 1, 2, 4))):
            place = content
            while True:
                keys = list(place) if isinstance(place, dict) else range(len(place))
                if not keys:
                    break
                key = rng.choice(list(keys))
                inner = place[key]
                if isinstance(inner, dict | list) and inner and rng.random() < 0.85:
                    place = inner
                    continue
                action = rng.random()
                if action < 0.7:
                    place[key] = deepcopy(rng.choice(values))
                elif action < 0.85:
                    del place[key]
                elif isinstance(place, list):
                    place.append(deepcopy(inner))
                break
        files[f'mutation {index}'] = json.dumps(content)
    return files
