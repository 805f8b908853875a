"""Check the layout and the checksums of zip archives written by ``torch.save``."""

import struct
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO, NamedTuple

END = 22  # bytes of the end of the directory, without a comment
END64 = 56, 20  # of the one for large archives before it, and of the pointer to that one
LARGEST_DIRECTORY = 8 << 20  # bytes: about 100 000 records
CHUNK = 1 << 20  # bytes
OTHER_LAYOUT = 'its archive is not laid out as torch.save does'


class UnreadableError(ValueError):
    """A checkpoint that is not read; the message is the reason alone, without the file."""


class Record(NamedTuple):
    """A file in an archive."""

    name: str
    start: int  # first byte of its data
    size: int  # bytes
    crc: int  # CRC-32 of the data


def is_archive(path: Path) -> bool:
    """Whether ``torch.load`` takes a file as a zip archive."""
    with path.open('rb') as file:
        return file.read(4) == b'PK\x03\x04'


def read_pickles(path: Path) -> dict[str, bytes]:
    """Check every record of an archive, and return the pickles by name.

    ``torch.save`` keeps a CRC-32 of each tensor, which ``torch.load`` ignores.

    Raises:
        UnreadableError: If a record is damaged, packed, missing, or there twice.
        Exception: Whatever a damaged archive makes ``zipfile`` raise.
    """
    pickles = {}
    with path.open('rb') as file:
        for record in read_directory(file, path.stat().st_size):
            is_pickle = record.name.lower().endswith('.pkl')
            file.seek(record.start)
            crc, parts = 0, []
            for begin in range(0, record.size, CHUNK):
                part = file.read(min(CHUNK, record.size - begin))
                crc = zlib.crc32(part, crc)
                if is_pickle:
                    parts.append(part)
            if crc != record.crc:
                raise UnreadableError(f'{record.name!r} does not match its checksum')
            if is_pickle:
                pickles[record.name] = b''.join(parts)
    return pickles


def read_directory(file: BinaryIO, size: int) -> list[Record]:
    """The records of an archive of ``size`` bytes, in the order of their data.

    Comments, leading bytes, names that differ by case only and overlapping records are refused:
    readers treat them differently, so what is checked might not be what is loaded.
    """
    count = check_end(file, size)
    with zipfile.ZipFile(file) as archive:
        parts = sorted(archive.infolist(), key=lambda part: part.header_offset)
        end = archive.start_dir
    if any(part.filename.endswith('constants.pkl') for part in parts):
        raise UnreadableError('a TorchScript archive, which is a program')
    unpacked = sum(part.file_size for part in parts)
    if any(part.compress_type or part.compress_size != part.file_size for part in parts):
        raise UnreadableError(f'its {size} bytes would unpack to {unpacked}: it is compressed')
    if len(parts) != count or len({part.filename.lower() for part in parts}) != count:
        raise UnreadableError(f'{OTHER_LAYOUT}: it has two records of one name')
    ends = [part.header_offset for part in parts[1:]] + [end]
    return [locate(file, part, end) for part, end in zip(parts, ends, strict=True)]


def locate(file: BinaryIO, part: zipfile.ZipInfo, end: int) -> Record:
    """Where the data of a record lies, all of it before ``end``."""
    file.seek(part.header_offset)
    header = file.read(30)
    name_size, extra_size = struct.unpack('<HH', header[26:])
    name = file.read(name_size)
    start = part.header_offset + 30 + name_size + extra_size
    is_same = name == part.orig_filename.encode('utf-8' if part.flag_bits & 0x800 else 'cp437')
    if header[:4] != b'PK\x03\x04' or not is_same or start + part.file_size > end:
        raise UnreadableError(f'{OTHER_LAYOUT}: see its record {part.filename!r}')
    return Record(part.filename, start, part.file_size, part.CRC)


def check_end(file: BinaryIO, size: int) -> int:
    """Check that an archive ends with its directory, and return how many records that lists."""
    if size < END:
        raise UnreadableError('damaged or cut off')
    file.seek(size - END)
    signature, _, _, _, count, length, start, comment = struct.unpack('<4s4H2LH', file.read(END))
    if signature != b'PK\x05\x06':
        raise UnreadableError('damaged or cut off')
    end = size - END
    if size >= END + sum(END64):
        file.seek(size - END - sum(END64))
        large, pointer = file.read(END64[0]), file.read(END64[1])
        if pointer[:4] == b'PK\x06\x07':
            end -= sum(END64)
            if large[:4] != b'PK\x06\x06' or struct.unpack('<Q', pointer[8:16])[0] != end:
                raise UnreadableError(f'{OTHER_LAYOUT}: see its end')
            count, length, start = struct.unpack('<3Q', large[32:])
    if start + length != end or comment or length > LARGEST_DIRECTORY:
        raise UnreadableError(f'{OTHER_LAYOUT}: see its end')
    return count
