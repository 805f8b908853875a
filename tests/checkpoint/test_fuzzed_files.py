"""Checkpoints changed at random: read as plain values or refused in one line, in bounds.

``MMSEG_EFF_FUZZ_SECONDS=600 pytest -m slow tests/checkpoint/test_fuzzed_files.py`` runs longer.
"""

import os
import random
import time
import zipfile

import pytest
import torch
from hostile import bounded, name, number, text
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import _load_checkpoint

from mmseg_eff.converters import save_checkpoint
from mmseg_eff.errors import InputError

CODES = b'N\x88\x89)]}(teuasRbQ\x81\x85\x86\x87.0h\x00q\x00K\x05X\x8a'
NAMES = (
    *('os.system', 'builtins.eval', 'builtins.getattr', 'builtins.bytearray', 'builtins.set'),
    *('collections.OrderedDict', 'collections.Counter', '_codecs.encode', 'builtins.slice'),
    *('torch.Size', 'torch.device', 'torch.Tensor', 'torch.FloatTensor', 'torch.UntypedStorage'),
    *('torch.nn.parameter.Parameter', 'torch._tensor._rebuild_from_type_v2', 'numpy.dtype'),
    *(f'torch._utils._rebuild_{kind}' for kind in ('tensor', 'tensor_v3', 'parameter', 'qtensor')),
    *('numpy._core.multiarray.scalar', 'numpy._core.multiarray._reconstruct', 'numpy.ndarray'),
    *('mmengine.logging.history_buffer.HistoryBuffer', 'argparse.Namespace'),
)
WORDS = ('', 'w', 'classes', 'palette', 'cfg', 'latin1', 'f8', 'storage', '0', 'A' * 300)
SUFFIXES = ('.pth', '.old.pth', '.safetensors')


def content():
    """A checkpoint as a training writes it, small."""
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.BatchNorm2d(4))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(2, 3, 4, 4)).sum().backward()
    optimizer.step()
    return dict(
        state_dict=model.state_dict(),
        optimizer=optimizer.state_dict(),
        meta=dict(epoch=1, cfg='x = 1', dataset_meta=dict(classes=('a',), palette=[[1, 2, 3]])),
        message_hub=dict(
            log_scalars=dict(loss=HistoryBuffer([1.0, 2.0], [1, 1])),
            runtime_info=dict(cfg='x = 1'),
            resumed_keys=dict(loss=True),
        ),
    )


def change(data: bytes, rng: random.Random) -> bytes:
    """Bytes with one to four changes: flipped, cut, doubled, moved, or opcodes put in."""
    data = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        place, other = sorted(rng.randrange(len(data) + 1) for _ in range(2))
        part = data[place : min(other, place + rng.choice((1, 4, 64, 4096)))]
        match rng.randrange(7):
            case 0 if place < len(data):
                data[place] ^= 1 << rng.randrange(8)
            case 1:
                del data[place : place + len(part)]
            case 2:
                data[place:place] = part * rng.choice((1, 2, 50))
            case 3:
                data[place:place] = bytes(rng.choice(CODES) for _ in range(rng.randint(1, 8)))
            case 4 if place < len(data):
                data[place] = rng.choice(CODES)
            case 5:
                data[place : place + 4] = rng.choice((0, 1, 2**31, 2**32 - 1)).to_bytes(4, 'little')
            case 6:
                data[place:place] = part[::-1]
    return bytes(data)


def rewrite(source, target, rng):
    """Change the pickle in an archive, or another record, and make the checksums fit."""
    with zipfile.ZipFile(source) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = 'data.pkl' if rng.random() < 0.9 else rng.choice(list(parts))
    with zipfile.ZipFile(target, 'w') as archive:
        for part, data in parts.items():
            archive.writestr(part, change(data, rng) if part.endswith(name) else data)


def texts(read):
    """The texts of a checkpoint that mmengine would run."""
    read = read if isinstance(read, dict) else {}
    places = [read.get('meta'), read.get('message_hub')]
    places += [place.get('runtime_info') for place in places if isinstance(place, dict)]
    return [place for place in places if isinstance(place, dict) and {'cfg', 'config'} & {*place}]


def value(rng, depth=0):
    """Opcodes of a random value: numbers, texts, containers, calls and what was there before."""
    parts = [value(rng, depth + 1) for _ in range(rng.choice((0, 1, 2, 3, 8)))] if depth < 6 else []
    keys = [text(rng.choice(WORDS)) for _ in parts]
    slot = bytes([rng.randrange(8)])
    match rng.randrange(13 if depth < 6 else 5):
        case 0:
            return number(rng.choice((0, 1, -1, 10, 2**31 - 1)))
        case 1:
            return text(rng.choice(WORDS))
        case 2:
            return rng.choice((b'N', b'\x88', b')', b']', b'}', name('torch', 'float32')))
        case 3 | 4:
            return b'h' + slot
        case 5 | 6:
            return b'](' + b''.join(parts) + b'eq' + slot
        case 7 | 8:
            return b'(' + b''.join(parts) + b'tq' + slot
        case 9:
            items = zip(keys, parts, strict=True)
            return b'}(' + b''.join(key + part for key, part in items) + b'uq' + slot
        case 10:
            dtype = rng.choice(('Float', 'Byte', 'Untyped'))
            stored = text('storage') + name('torch', f'{dtype}Storage') + text('0') + text('cpu')
            place = [b'(' + b''.join(number(rng.randint(0, 4)) for _ in range(2)) + b't'] * 2
            parts = [b'(', stored, number(10), b'tQ', number(rng.randint(0, 3)), *place, b'\x89N']
            return name('torch._utils', '_rebuild_tensor_v2') + b'(' + b''.join(parts) + b'tR'
        case _:
            called = rng.choice(NAMES).rpartition('.')
            end = rng.choice((b'tR', b'tR', b't\x81', b'tR}b'))
            return name(called[0], called[2]) + b'(' + b''.join(parts) + end


def generate(source, target, rng):
    """Put a random pickle into an archive with one storage."""
    with zipfile.ZipFile(source) as archive:
        parts = {part: archive.read(part) for part in archive.namelist()}
    begin = b''.join(rng.choice((b'N', b']', b')', b'}')) + b'q' + bytes([n]) for n in range(8))
    weights = b'}' + text('w') + value(rng) + b's' + text('meta') + value(rng) + b's'
    code = b'\x80\x02(' + begin + b't' + weights + b'.'
    with zipfile.ZipFile(target, 'w') as archive:
        for part, data in parts.items():
            archive.writestr(part, code if part.endswith('data.pkl') else data)


def fuzz(folder, seconds, seed):
    """Number of changed files that were read, and that were refused, in some seconds."""
    rng = random.Random(seed)
    torch.save(content(), folder / 'a.pth')
    torch.save(content(), folder / 'a.old.pth', _use_new_zipfile_serialization=False)
    save_checkpoint(
        {key: content()[key] for key in ('state_dict', 'meta')}, folder / 'a.safetensors'
    )
    outcomes, end = [0, 0], time.monotonic() + seconds
    while time.monotonic() < end:
        suffix = rng.choice(SUFFIXES)
        source, target = folder / f'a{suffix}', folder / f'b{suffix}'
        if suffix == '.pth' and rng.random() < 0.9:
            rng.choice((rewrite, generate))(source, target, rng)
        else:
            target.write_bytes(change(source.read_bytes(), rng))
        try:
            with bounded():
                read = _load_checkpoint(str(target), 'cpu', logger='silent')
        except InputError as error:
            assert '\n' not in str(error), target
            outcomes[1] += 1
        except BaseException:
            target.rename(folder / f'failed{suffix}')
            raise
        else:
            assert texts(read) == []
            outcomes[0] += 1
    return outcomes


def test_changed_files_are_read_or_refused(tmp_path, capfd):
    read, refused = fuzz(tmp_path, 1, seed=0)
    assert read + refused > 10 and refused


def test_unchanged_files_are_read(tmp_path):
    fuzz(tmp_path, 0, seed=0)
    for suffix in SUFFIXES:
        read = _load_checkpoint(str(tmp_path / f'a{suffix}'), map_location='cpu')
        assert read['meta'] == dict(epoch=1, dataset_meta=read['meta']['dataset_meta'])


@pytest.mark.slow
def test_many_changed_files_are_read_or_refused(tmp_path, capfd):
    seconds = float(os.environ.get('MMSEG_EFF_FUZZ_SECONDS', 60))
    outcomes = fuzz(tmp_path, seconds, seed=random.randrange(2**32))
    with capfd.disabled():
        print(f'\n{outcomes[0]} changed files read, {outcomes[1]} refused')
