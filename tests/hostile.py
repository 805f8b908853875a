"""Makers of hostile checkpoints, and bounds within which they must be refused."""

import codecs
import json
import resource
import struct
import time
import zipfile
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from watch import watch

from mmseg_eff.converters import load_checkpoint
from mmseg_eff.errors import InputError

SECONDS, MEMORY = 5, 1 << 30  # for each file
REFUSED = ('exec', 'compile', 'ctypes.dlopen')  # events that reading a checkpoint never needs
codecs.lookup('latin1')  # imports a module: before a test watches


class Call:
    """Pickled as a call of ``function``."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def touch(path):
    import os

    return Call(os.system, f'touch {path.parent}/ran')


def name(module, attribute):
    return f'c{module}\n{attribute}\n'.encode()


def text(value):
    return b'X' + struct.pack('<I', len(value)) + value.encode()


def number(value):
    return b'J' + struct.pack('<i', value)


def attribute(owner, key):
    """Opcodes of ``getattr(owner, key)``."""
    return name('builtins', 'getattr') + owner + text(key) + b'\x86R'


def replace_parts(path, change, **options):
    """Rewrite each part of an archive of ``torch.save``; ``change(name, data)`` gives its data."""
    with zipfile.ZipFile(path) as archive:
        parts = {part: archive.read(part) for part in archive.namelist()}
    with zipfile.ZipFile(path, 'w', **options) as archive:
        for part, data in parts.items():
            archive.writestr(part, change(part, data))


def opcodes(path, code):
    torch.save({}, path)
    replace_parts(path, lambda part, data: code if part.endswith('data.pkl') else data)


def cut(keep):
    def write(path):
        torch.save(dict(w=torch.zeros(100)), path)
        path.write_bytes(path.read_bytes()[:keep])

    return write


def saved(make):
    return lambda path: torch.save(make(path), path)


def header(entries, data=b'', length=None):
    """A safetensors file of any header; ``length`` instead of its true one."""

    def write(path):
        encoded = entries if isinstance(entries, bytes) else json.dumps(entries).encode()
        size = struct.pack('<Q', len(encoded) if length is None else length)
        path.write_bytes(size + encoded + data)

    return write


def entry(shape, start, end, dtype='F32'):
    return dict(dtype=dtype, shape=shape, data_offsets=[start, end])


@contextmanager
def bounded():
    """A block that may take ``SECONDS`` and ``MEMORY`` bytes, and run, write or connect nothing."""
    status = dict(line.split(':') for line in Path('/proc/self/status').read_text().splitlines())
    used = int(status['VmSize'].split()[0]) * 1024
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, hard))
    begin = time.process_time()
    try:
        with watch(caches=(), refused=REFUSED) as seen:
            yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    seconds = time.process_time() - begin
    assert seconds < SECONDS, f'{seconds:.1f} s'
    assert not seen, seen


def assert_refused(path, message):
    """Loading a file gives one line within the bounds, which begins with it and has a message."""
    with bounded(), pytest.raises(InputError, match=f'^{path}: [^\n]*({message})[^\n]*$'):
        load_checkpoint(path)
