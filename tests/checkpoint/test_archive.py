"""Archives that readers take differently, or that are damaged: one line each."""

import os
import socket
import struct
import zipfile
import zlib

import pytest
import torch
from hostile import assert_refused, bounded, replace_parts

from mmseg_eff.checkpoint.archive import read_pickles
from mmseg_eff.converters import load_checkpoint
from mmseg_eff.engine.hooks.safe_checkpoint_hook import damage

LAYOUT = 'not laid out as torch.save does'
CUT = 'damaged'


def valid(path):
    torch.save(dict(state_dict=dict(w=torch.arange(100.0)), meta=dict(epoch=1)), path)


def changed(change):
    """A valid file after ``change(data)``, which may change it in place."""

    def write(path):
        valid(path)
        data = bytearray(path.read_bytes())
        path.write_bytes(change(data) or data)

    return write


def flip(record, place=0):
    """Flip a bit of a record's data; its checksum stays."""

    def write(path):
        valid(path)
        with zipfile.ZipFile(path) as archive:
            part = next(part for part in archive.infolist() if part.filename.endswith(record))
        data = bytearray(path.read_bytes())
        sizes = struct.unpack('<HH', data[part.header_offset + 26 : part.header_offset + 30])
        data[part.header_offset + 30 + sum(sizes) + place] ^= 1
        path.write_bytes(data)

    return write


def central(name, offset, form, *values):
    """Overwrite fields in the directory entry of a record."""

    def change(data):
        begin = data.rindex(b'PK\x01\x02', 0, data.rindex(name))
        struct.pack_into(form, data, begin + offset, *values)

    return changed(change)


def at_end(position, form, *values):
    return changed(lambda data: struct.pack_into(form, data, len(data) + position, *values))


def doubled(second):
    def write(path):
        valid(path)
        with zipfile.ZipFile(path, 'a') as archive:
            archive.writestr(f'{path.stem}/{second}', b'\x80\x02N.')

    return write


def overlapping(path):
    """Two names for the data of one record."""
    valid(path)
    with zipfile.ZipFile(path, 'a') as archive:
        twin = zipfile.ZipInfo(f'{path.stem}/data/9')
        part = archive.getinfo(f'{path.stem}/data/0')
        twin.header_offset, twin.CRC = part.header_offset, part.CRC
        twin.file_size = twin.compress_size = part.file_size
        archive.filelist.append(twin)
        archive._didModify = True


def many_records(path):
    with zipfile.ZipFile(path, 'w') as archive:
        for number in range(40_000):
            archive.writestr(f'a/data/{number:0200}', b'')


def without_pickle(path):
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('a/weights.bin', bytes(100))


def bind(path):
    folder = os.open(path.parent, os.O_RDONLY)  # names of sockets are short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f'/proc/self/fd/{folder}/{path.name}')
    os.close(folder)


def in_a_folder(path):
    path.parent.joinpath('file').touch()
    path.symlink_to('file/a.pth')


FILES = [
    pytest.param(flip('data/0', 7), r"'a/data/0' does not match its checksum", id='flipped weight'),
    pytest.param(flip('data.pkl', 20), r"'a/data.pkl' does not match", id='flipped pickle'),
    pytest.param(flip('/version'), r"'a/version' does not match", id='flipped version'),
    pytest.param(flip('byteorder', 3), r"'a/byteorder' does not match", id='flipped byte order'),
    pytest.param(central(b'a/data/0', 16, '<L', 5), 'does not match', id='other checksum'),
    pytest.param(doubled('data.pkl'), 'two records of one name', id='second pickle'),
    pytest.param(doubled('DATA.PKL'), 'two records of one name', id='second pickle in capitals'),
    pytest.param(doubled('data/0'), 'two records of one name', id='second storage'),
    pytest.param(overlapping, LAYOUT, id='records over each other'),
    pytest.param(changed(lambda data: data + b'x'), CUT, id='byte at the end'),
    pytest.param(changed(lambda data: data[:4] + data), LAYOUT, id='bytes at the begin'),
    pytest.param(changed(lambda data: data + data), LAYOUT, id='two archives'),
    pytest.param(
        changed(lambda data: data[:-2] + b'\x16\0' + data[-22:]), LAYOUT, id='archive in a comment'
    ),
    pytest.param(at_end(-2, '<H', 1), LAYOUT, id='comment cut off'),
    pytest.param(at_end(-42 + 8, '<Q', 0), LAYOUT, id='pointer to another end'),
    pytest.param(at_end(-98 + 32, '<Q', 3), LAYOUT, id='fewer records than listed'),
    pytest.param(at_end(-98 + 40, '<Q', 2**40), LAYOUT, id='directory of a terabyte'),
    pytest.param(at_end(-98 + 48, '<Q', 2**63), LAYOUT, id='directory beyond the file'),
    pytest.param(at_end(-98, '<4s', b'none'), LAYOUT, id='no end for large archives'),
    pytest.param(central(b'a/data/0', 42, '<L', 0), LAYOUT, id="another record's data"),
    pytest.param(central(b'a/data/0', 42, '<L', 2**31), 'cut off|layout|laid', id='data beyond'),
    pytest.param(central(b'a/data/0', 24, '<L', 2**31), 'would unpack to', id='size beyond'),
    pytest.param(central(b'a/data/0', 20, '<2L', 2**31, 2**31), LAYOUT, id='both sizes beyond'),
    pytest.param(
        central(b'a/data/0', 20, '<2L', 2**32 - 1, 2**32 - 1), LAYOUT, id='sizes elsewhere'
    ),
    pytest.param(central(b'a/data/0', 10, '<H', 99), 'it is compressed', id='unknown compression'),
    pytest.param(central(b'a/data/0', 46, '<c', b'\xff'), CUT, id='name of two readings'),
    pytest.param(
        lambda path: (
            valid(path),
            replace_parts(path, lambda _, data: data, compression=zipfile.ZIP_LZMA),
        ),
        'it is compressed',
        id='lzma',
    ),
    pytest.param(many_records, LAYOUT, id='directory of 9 MB'),
    pytest.param(without_pickle, CUT, id='no pickle'),
    pytest.param(changed(lambda data: zlib.compress(data)), CUT, id='zlib'),
    pytest.param(os.mkfifo, 'is a pipe', id='pipe'),
    pytest.param(lambda path: path.symlink_to('/dev/zero'), 'is a device', id='device'),
    pytest.param(bind, 'is a socket', id='socket'),
    pytest.param(in_a_folder, 'no such checkpoint', id='in a file'),
    *(
        pytest.param(changed(lambda data, n=n: data[: len(data) * n // 10]), CUT, id=f'{n} tenths')
        for n in range(1, 10)
    ),
]


@pytest.mark.filterwarnings('ignore:Duplicate name')
@pytest.mark.parametrize(('write', 'message'), FILES)
def test_refused_in_one_line(write, message, tmp_path):
    path = tmp_path / 'a.pth'
    write(path)
    assert_refused(path, message)
    with bounded():
        assert damage(path)


def test_a_valid_file_is_none_of_them(tmp_path):
    path = tmp_path / 'a.pth'
    valid(path)
    with bounded():
        assert list(read_pickles(path)) == ['a/data.pkl']
        assert load_checkpoint(path)['state_dict']['w'].equal(torch.arange(100.0))
        assert not damage(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, 'w') as archive:  # as another program writes it
        for name, data in parts.items():
            archive.writestr(name, data)
    assert load_checkpoint(path)['state_dict']['w'].equal(torch.arange(100.0))
