"""Pickles that fill the memory, never end or build what torch.save never wrote: one line each."""

import copy
import struct
from collections import Counter, OrderedDict

import numpy as np
import pytest
import torch
from hostile import Call, assert_refused, bounded, name, number, opcodes, saved, text, touch
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import _load_checkpoint

from mmseg_eff.converters import load_checkpoint
from mmseg_eff.engine.hooks.safe_checkpoint_hook import damage
from mmseg_eff.errors import InputError

VALUES = r'stand for more than \d+ values|holds more values'
DEEP = 'more than 100 lists or dicts in each other'
OTHERWISE = 'otherwise than torch.save does'
DENSE = 'for other than dense tensors'
STORAGE = 'storage|tensors need'
DAMAGED = 'damaged'


def code(*parts):
    """A writer of a checkpoint whose pickle are these opcodes."""
    return lambda path: opcodes(path, b'\x80\x02' + b''.join(parts) + b'.')


def put(slot):
    return b'r' + struct.pack('<I', slot)


def get(slot):
    return b'j' + struct.pack('<I', slot)


def double(begin, pair, levels=40):
    """``pair`` of opcodes around two of the value before, again and again."""
    parts = [begin, put(0)]
    for level in range(levels):
        parts += [pair(get(level) + get(level)), put(level + 1)]
    return b''.join(parts)


def lists(levels=40):
    return double(b']', lambda two: b'](' + two + b'e', levels)


def tuples(levels=40):
    return double(b')', lambda two: two + b'\x86', levels)


def grown(levels=40):
    """Lists of which the outer ones are made first, and filled last."""
    parts = [b']', put(0)]
    for level in range(levels):
        parts += [b']', put(level + 1)]
    for level in range(levels):
        parts += [get(level), b'(', get(level + 1), get(level + 1), b'e']
    return b''.join(parts) + get(0)


def storage(numel, kind='FloatStorage', key='0'):
    """Opcodes of a storage; the file that they are put into has none."""
    parts = text('storage') + name('torch', kind) + text(key) + text('cpu') + long(numel)
    return b'(' + parts + b'tQ'


def long(value):
    data = value.to_bytes(value.bit_length() // 8 + 1, 'little', signed=True)
    return b'\x8a' + bytes([len(data)]) + data


def shape(*sizes):
    return b'(' + b''.join(map(long, sizes)) + b't'


def tensor(stored, offset, sizes, strides):
    parts = stored + long(offset) + shape(*sizes) + shape(*strides) + b'\x89' + empty_dict()
    return name('torch._utils', '_rebuild_tensor_v2') + b'(' + parts + b'tR'


def empty_dict():
    return name('collections', 'OrderedDict') + b')R'


def call(module, function, *arguments):
    return name(module, function) + b'(' + b''.join(arguments) + b'tR'


def real_tensor(change):
    """A file with one tensor of ten numbers, its size, stride or offset changed."""

    def write(path):
        weight = torch.zeros(10)
        torch.save(dict(w=Call(torch._utils._rebuild_tensor_v2, *change(weight))), path)

    return write


def rebuilt(offset, size, stride):
    return real_tensor(
        lambda weight: (weight._typed_storage(), offset, size, stride, False, OrderedDict())
    )


def old(*parts):
    """A file in the layout of torch before 1.6, whose content are these opcodes."""

    def write(path):
        torch.save({}, path, _use_new_zipfile_serialization=False)
        data = path.read_bytes()
        path.write_bytes(data.replace(b'\x80\x02}q\x00.', b'\x80\x02' + b''.join(parts) + b'.'))

    return write


def many_names(path):
    weight = torch.zeros(10_000)
    torch.save({f'layer{index}.weight': weight for index in range(20_000)}, path)


def many_histories(path):
    history = HistoryBuffer()
    history.__dict__.update(_log_history=np.ones(100_000), _count_history=np.ones(100_000))
    content = [copy.copy(history) for _ in range(5000)]
    torch.save(dict(w=torch.ones(1), history=content), path)


def build(value, state):
    class Built:
        def __reduce__(self):
            return (*value.__reduce_ex__(2)[:2], state)

    return Built()


def flat_palette(path):
    """The file of half a megabyte whose palette filled 9 GB."""
    rows = [[0, 0, 0]] * 1000
    for _ in range(3):
        rows = [rows] * 1000
    torch.save(dict(state_dict=dict(w=torch.ones(1)), meta=dict(PALETTE=rows)), path)


LETTERS = 'A' * (1 << 20)
PICKLES = [
    pytest.param(code(lists()), VALUES, id='lists in each other'),
    pytest.param(code(tuples()), VALUES, id='tuples in each other'),
    pytest.param(code(tuples(), b'}', get(40), b'Ns'), VALUES, id='key of 2**40 values'),
    pytest.param(code(tuples(9), b'}', get(9), b'Ns'), 'a key that is', id='tuples as key'),
    pytest.param(
        code(b'}(', *(long(n * (2**61 - 1)) + b'N' for n in range(9, 100_000)), b'u'),
        'a key that is neither',
        id='keys of equal hashes',
    ),
    pytest.param(
        code(tuples(12), empty_dict(), b'](', get(12), b'N\x86eb'), OTHERWISE, id='state of pairs'
    ),
    pytest.param(
        code(
            *(tuples(12), name('mmengine.logging.history_buffer', 'HistoryBuffer'), b')\x81}'),
            *(text('statistics_methods'), b'](', get(12), b'N\x86esb'),
        ),
        OTHERWISE,
        id='statistics of pairs',
    ),
    pytest.param(
        code(tuples(12), b'(', text('storage'), name('torch', 'FloatStorage'), get(12), b'NKAtQ'),
        DAMAGED + '|for another',
        id='storage named by tuples',
    ),
    pytest.param(
        code(b'N' * 100_000, b'}', (text('') + b'Ns') * 30_000, b'a'), DAMAGED, id='a full stack'
    ),
    pytest.param(code(b'}(', get(0), b'u'), DAMAGED, id='no such memo'),
    pytest.param(code(grown()), VALUES, id='lists filled from the outside'),
    pytest.param(code(b']' * 100_000, b'a' * 99_999), DEEP, id='deep lists'),
    pytest.param(code(b'N', b'\x85' * 1_000_000), DEEP, id='deep tuples'),
    pytest.param(code(b'})', b'\x85' * 200_000, b'Ns'), 'a key|' + DEEP, id='deep key'),
    pytest.param(code(b']', put(0), get(0), b'a'), DEEP, id='list in itself'),
    pytest.param(code(b'}', put(0), text('a'), get(0), b's'), DEEP, id='dict in itself'),
    pytest.param(code(b'}' * 600_000), VALUES, id='600 000 dicts'),
    pytest.param(flat_palette, VALUES, id='palette of 9 GB'),
    pytest.param(code(call('builtins', 'bytearray', long(10**11))), DAMAGED, id='bytearray'),
    pytest.param(
        code(call('builtins', 'bytearray', call('torch', 'Size', shape(10**11)))),
        OTHERWISE,
        id='bytearray of a size',
    ),
    pytest.param(
        code(lists(16), call('torch', 'FloatTensor', get(16))), DENSE, id='by lists'
    ),
    pytest.param(code(call('torch', 'Tensor', long(10**5), long(10**5))), DENSE, id='by sizes'),
    pytest.param(code(name('torch', 'Tensor') + b')\x81'), DENSE, id='new tensor'),
    pytest.param(
        code(
            lists(14),
            call('mmengine.logging.history_buffer', 'HistoryBuffer', get(14), get(14)),
        ),
        OTHERWISE,
        id='history of lists',
    ),
    pytest.param(
        code(
            call(
                'numpy._core.multiarray',
                '_reconstruct',
                *(name('numpy', 'ndarray'), shape(10**10), text('b')),
            )
        ),
        OTHERWISE,
        id='array of 10 GB',
    ),
    pytest.param(code(call('numpy', 'ndarray', shape(10**10))), OTHERWISE, id='call of an array'),
    pytest.param(
        code(text('ab'), *[call('_codecs', 'encode', text('a'), text('hex'))] * 3, b'e'),
        OTHERWISE,
        id='text as hexadecimal',
    ),
    pytest.param(
        code(
            *(text(LETTERS), put(0), b'](', text('latin1'), put(1)),
            (name('_codecs', 'encode') + b'(' + get(0) + get(1) + b'tR') * 5000,
            b'e',
        ),
        VALUES,
        id='5 GB of one text',
    ),
    pytest.param(
        code(
            *(text(LETTERS), put(0), call('_codecs', 'encode', get(0), text('latin1')), put(1)),
            b'](' + (name('builtins', 'bytearray') + get(1) + b'\x85R') * 5000 + b'e',
        ),
        VALUES,
        id='5 GB of one array of bytes',
    ),
    pytest.param(many_histories, 'uses the bytes of its', id='5000 histories of one array'),
    pytest.param(
        code(text('a\nb'), b'\x85'), 'holds no state dict|expected tensors', id='tuple of a text'
    ),
    pytest.param(
        saved(lambda _: {'a\nerror: b': torch.ones(1).expand(10**12)}),
        r"'a\\nerror: b' has shape",
        id='stretched, of a name of two lines',
    ),
    pytest.param(
        code(tuples(12), call('collections', 'OrderedDict', b'](' + get(12) + b'N\x86e')),
        OTHERWISE,
        id='pairs with tuples as keys',
    ),
    pytest.param(
        code(tuples(3), call('builtins', 'set', b'](' + get(3) + b'e')), OTHERWISE, id='set'
    ),
    pytest.param(code(lists(12), call('collections', 'Counter', get(12))), OTHERWISE, id='counter'),
    pytest.param(rebuilt(0, (10**9,), (1,)), OTHERWISE, id='storage made larger'),
    pytest.param(rebuilt(0, (5,), (-1,)), OTHERWISE, id='negative stride'),
    pytest.param(rebuilt(9, (5,), (1,)), OTHERWISE, id='offset'),
    pytest.param(rebuilt(-1, (5,), (1,)), OTHERWISE, id='negative offset'),
    pytest.param(rebuilt(0, (5,), (2**62,)), OTHERWISE, id='stride of 2**62'),
    pytest.param(rebuilt(0, (2**70,), (0,)), DAMAGED, id='size of 2**70'),
    pytest.param(rebuilt(0, (2, 3), (1,)), DAMAGED, id='sizes without strides'),
    pytest.param(rebuilt(0, (10**12,), (0,)), 'more than the values that are', id='stretched'),
    pytest.param(code(tensor(storage(10**11), 0, (1,), (1,))), STORAGE, id='storage of 400 GB'),
    pytest.param(code(tensor(storage(-1), 0, (1,), (1,))), STORAGE, id='negative storage'),
    pytest.param(code(tensor(storage(10), 0, (10,), (1,))), DAMAGED, id='missing storage'),
    pytest.param(
        code(storage(80, 'ByteStorage') + tensor(storage(80), 0, (80,), (1,)) + b'\x86'),
        'for another than it is',
        id='storage of two types',
    ),
    pytest.param(code(storage(1, 'NoStorage')), DAMAGED, id='unknown storage'),
    pytest.param(code(text('module') + b'\x85Q'), DAMAGED, id='module'),
    pytest.param(many_names, 'uses the bytes of its tensors more than 16 times', id='many names'),
    pytest.param(
        saved(lambda _: dict(w=build(torch.zeros(2), (torch.zeros(9), 0, (9,), (1,))))),
        OTHERWISE,
        id='state of a tensor',
    ),
    pytest.param(
        code(
            name('torch._tensor', '_rebuild_from_type_v2'),
            *(b'(', name('builtins', 'bytearray'), name('torch', 'Tensor'), shape(10**11), b'NtR'),
        ),
        'loading it would run bytearray',
        id='function as an argument',
    ),
    pytest.param(code(call('torch._utils', '_rebuild_nested_tensor', b'NNNN')), DENSE, id='nested'),
    pytest.param(code(call('torch._utils', '_rebuild_qtensor', b'NNNN')), DENSE, id='quantised'),
    pytest.param(
        saved(lambda _: dict(w=torch.ones(2, 2).to_sparse_csr())), DENSE, id='sparse rows'
    ),
    pytest.param(code(b'(istdlib\nf\n'), DAMAGED, id='INST'),
    pytest.param(code(b'(', name('os', 'system'), b'o'), DAMAGED, id='OBJ'),
    pytest.param(code(b'\x82\x01'), DAMAGED, id='EXT1'),
    pytest.param(code(text('os'), text('system'), b'\x93'), DAMAGED, id='STACK_GLOBAL'),
    pytest.param(code(b'\x95' + bytes(8)), DAMAGED, id='FRAME'),
    pytest.param(code(b'0'), DAMAGED, id='POP'),
    pytest.param(code(b'X\xff\xff\xff\xff'), DAMAGED, id='text of 4 GB'),
    pytest.param(code(b'a'), DAMAGED, id='append to nothing'),
    pytest.param(code(b'e'), DAMAGED, id='append without a mark'),
    pytest.param(code(b'N)R'), 'would run a function|damaged', id='call of nothing'),
    pytest.param(code(name('os' * 900, 'system')), DAMAGED, id='long name'),
    pytest.param(code(name('\x1b[2J', 'x'), b')R'), r"would run '\\x1b\[2J\.x'", id='escapes'),
    pytest.param(code(name('posix', 'system')), 'would run posix.system', id='name alone'),
    pytest.param(old(lists()), VALUES, id='old: lists in each other'),
    pytest.param(old(b'}N', b'\x85' * 200_000, b'Ns'), DEEP, id='old: deep tuples'),
    pytest.param(old(tuples(), b'}', get(40), b'Ns'), VALUES, id='old: key of 2**40 values'),
    pytest.param(
        old(
            *(b'(', text('storage'), name('torch', 'FloatStorage'), text('0'), text('cpu')),
            *(long(10**11), b'NtQ'),
        ),
        STORAGE,
        id='old: storage of 400 GB',
    ),
    pytest.param(
        lambda path: torch.save(dict(a=touch(path)), path, _use_new_zipfile_serialization=False),
        'loading it would run posix.system',
        id='old: command',
    ),
    pytest.param(lambda path: path.write_bytes(b'\x80\x02N.' * 5), DAMAGED, id='old: no magic'),
    pytest.param(lambda path: path.write_bytes(bytes(10**6)), DAMAGED, id='zeros'),
    pytest.param(lambda path: path.write_bytes(b'c' * 10**6), DAMAGED, id='endless name'),
]  # fmt: skip


@pytest.mark.parametrize(('write', 'message'), PICKLES)
def test_refused_in_one_line(write, message, tmp_path):
    path = tmp_path / 'a.pth'
    write(path)
    assert_refused(path, message)
    with bounded():
        damage(path)
    assert not (tmp_path / 'ran').exists()


class Odd(torch.nn.Module):
    """Holds what checkpoints may hold beside dense weights."""

    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(3, 2)
        self.tied = self.first
        self.norm = torch.nn.BatchNorm2d(2)
        self.register_buffer('empty', torch.zeros(0, 3))
        self.register_buffer('number', torch.tensor(3))
        self.register_buffer('part', torch.arange(12.0).view(3, 4)[1:, ::2])
        self.register_buffer('small', torch.ones(2, dtype=torch.bfloat16))


@pytest.mark.parametrize('is_zip', [True, False])
def test_what_torch_saves_is_read(is_zip, tmp_path):
    module = Odd()
    optimizer = torch.optim.AdamW(module.parameters())
    module.norm(module.first(torch.ones(4, 3))[..., None, None]).sum().backward()
    optimizer.step()
    history = HistoryBuffer([1.0, 2.0], [1, 1])
    content = dict(
        state_dict=module.state_dict(),
        optimizer=optimizer.state_dict(),
        module=OrderedDict(module.named_parameters()),
        others=[np.float32(3), np.arange(3), 2**70, -1.5, None, True, b'ab', bytearray(b'ab')],
        more=({1, 'a'}, torch.Size([2, 3]), 1 + 2j, slice(1, 2), torch.float16, Counter('aab')),
        device=torch.device('cpu'),
        message_hub=dict(log_scalars=dict(loss=history), runtime_info={}, resumed_keys={}),
    )
    path = tmp_path / 'a.pth'
    torch.save(content, path, _use_new_zipfile_serialization=is_zip)
    read = _load_checkpoint(str(path), map_location='cpu')
    assert read['state_dict']._metadata == module.state_dict()._metadata
    assert Odd().load_state_dict(read['state_dict']).missing_keys == []
    torch.optim.AdamW(Odd().parameters()).load_state_dict(read['optimizer'])
    assert str(read['others']) == str(content['others'])
    assert read['more'] == content['more'] and read['device'] == content['device']
    assert read['message_hub']['log_scalars']['loss'].statistics('mean') == 1.5
    assert is_zip == (damage(path) == '')


def test_objects_of_a_file_have_no_attributes_of_it(tmp_path):
    class Hostile:
        def __reduce__(self):
            return OrderedDict, (), dict(items=torch.Size), None, iter([('w', weight)])

    weight = torch.tensor([1.0, torch.nan])
    weight.isfinite = torch.Tensor
    path = tmp_path / 'a.pth'
    torch.save(dict(state_dict=Hostile()), path)
    read = _load_checkpoint(str(path), map_location='cpu')['state_dict']
    assert len(read.items()) == 1 and not vars(read['w'])
    with pytest.raises(InputError, match='w has 1 of 2 values that are NaN or infinite'):
        load_checkpoint(path)


def test_a_file_does_not_change_the_statistics_of_histories(tmp_path):
    history = HistoryBuffer([1.0, 3.0], [1, 1])
    history.__dict__['_statistics_methods'] = dict(mean=HistoryBuffer.max)
    torch.save(dict(w=torch.ones(1), history=history), tmp_path / 'a.pth')
    _load_checkpoint(str(tmp_path / 'a.pth'), map_location='cpu')
    assert HistoryBuffer([1.0, 3.0], [1, 1]).statistics('mean') == 2


def test_the_corpus_is_large():
    assert len(PICKLES) > 60 and number(1)
