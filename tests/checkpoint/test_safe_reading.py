"""Files made to run code, to fill the memory or to confuse: one line each, nothing runs."""

import io
import os
import struct
import tarfile
import warnings
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from hostile import (
    Call,
    attribute,
    bounded,
    cut,
    entry,
    header,
    name,
    number,
    opcodes,
    replace_parts,
    saved,
    text,
    touch,
)
from mmengine.runner.checkpoint import _load_checkpoint
from torch import nn
from watch import Forbidden

from mmseg_eff.commands.convert_weights import main
from mmseg_eff.converters import load_checkpoint, load_weights, save_checkpoint
from mmseg_eff.errors import InputError

UNREADABLE = 'not a readable checkpoint'
RUNS = 'loading it would run '


def through_the_globals_of_an_allowed_function(path):
    """Makes ``os.system`` an allowed function, then calls it: runs if ``getattr`` is allowed."""
    history = name('mmengine.logging.history_buffer', 'HistoryBuffer') + b')\x81'
    allowed = attribute(name('torch.serialization', '_get_layout'), '__globals__')
    loader = attribute(attribute(b'h\x01', '_weights_only_unpickler'), '__dict__')
    code = b'\x80\x02' + history + allowed + b'bq\x01'
    code += attribute(attribute(b'h\x01', 'os'), 'system') + b'q\x02'
    code += loader + text('_marked_safe_globals_set') + b']h\x02as'
    opcodes(path, code + b'h\x02' + text(f'touch {path.parent}/ran') + b'\x85R.')


def forged_pointer(path):
    """An array of objects at the address AAAAAAAA: ends the process if its type is allowed."""
    object_type = name('numpy', 'dtype') + b'(' + text('O') + b'\x89\x88tR'
    void = name('numpy', 'dtype') + b'(' + text('V8') + b'\x89\x88tR'
    fields = b'(' + text('a') + b't}' + text('a') + b'(' + object_type + number(0) + b'ts'
    void += b'(' + number(3) + text('|') + b'N' + fields + number(8) + number(1) + number(0) + b'tb'
    array = name('numpy._core.multiarray', '_reconstruct') + b'(' + name('numpy', 'ndarray')
    array += b'(' + number(0) + b't' + text('b') + b'tR'
    data = name('_codecs', 'encode') + b'(' + text('A' * 8) + text('latin1') + b'tR'
    state = b'(' + number(1) + b'(' + number(1) + b'th\x05\x89' + data + b'tb'
    opcodes(path, b'\x80\x02' + void + b'q\x05' + array + state + b'.')


def old_format(path):
    torch.save(dict(a=touch(path)), path, _use_new_zipfile_serialization=False)


def tar(path):
    with tarfile.open(path, 'w') as archive:
        for part in ('sys_info', 'pickle', 'storages', 'tensors'):
            archive.addfile(tarfile.TarInfo(part), io.BytesIO())


def script(path):
    with warnings.catch_warnings(action='ignore'):
        torch.jit.save(torch.jit.script(nn.Linear(2, 2)), path)


def bomb(path):
    torch.save(dict(w=torch.zeros(1_000_000)), path)
    replace_parts(path, lambda _, data: data, compression=zipfile.ZIP_DEFLATED)


def short_storage(path):
    torch.save(dict(w=torch.zeros(1000)), path)
    replace_parts(path, lambda part, data: data[:8] if part.endswith('data/0') else data)


def weights(value):
    return saved(lambda _: dict(state_dict=OrderedDict(w=torch.ones(3), v=value), meta={}))


def loop(path):
    path.symlink_to(path.name)


PICKLES = {  # file -> what the error says
    'state_dict': (saved(lambda p: dict(state_dict=touch(p))), RUNS + r'\w+\.system'),
    'meta': (saved(lambda p: dict(state_dict=dict(w=torch.ones(1)), meta=touch(p))), RUNS),
    'optimizer': (saved(lambda p: dict(state_dict={}, optimizer=[touch(p)])), RUNS),
    'nested': (saved(lambda p: {'a': [({'b': [touch(p)]},)]}), RUNS),
    'as key': (saved(lambda p: {touch(p): 1}), RUNS),
    'bare': (saved(touch), RUNS),
    'eval': (saved(lambda p: Call(eval, f'open({str(p.parent / "ran")!r}, "w")')), RUNS + 'eval'),
    'exec': (saved(lambda p: Call(exec, f'open({str(p.parent / "ran")!r}, "w")')), RUNS + 'exec'),
    'getattr': (through_the_globals_of_an_allowed_function, 'otherwise than torch.save does'),
    'getattr 2': (saved(lambda _: Call(getattr, torch.Tensor, 'backward')), UNREADABLE),
    'pointer': (forged_pointer, r"numpy\.dtype\('(O|V8)'\) is not allowed"),
    'objects': (saved(lambda _: dict(a=np.array([None]))), r"numpy\.dtype\('O8'\) is not allowed"),
    'protocol 4': (
        lambda p: torch.save(dict(w=touch(p)), p, pickle_protocol=4),
        UNREADABLE,
    ),
    'old format': (old_format, RUNS),
    'tar': (tar, 'which can hold code'),
    'script': (script, 'a TorchScript archive, which is a program'),
}  # fmt: skip
DAMAGED = {
    'bomb': (bomb, 'would unpack to 40'),
    'empty': (cut(0), UNREADABLE),
    'magic': (lambda path: path.write_bytes(b'GIF89a' + bytes(100)), UNREADABLE),
    'zip magic': (lambda path: path.write_bytes(b'PK\x03\x04' + bytes(100)), UNREADABLE),
    'cut': (cut(600), UNREADABLE),
    'cut index': (cut(-30), UNREADABLE),
    'short storage': (short_storage, UNREADABLE),
    'folder': (lambda path: path.mkdir(), 'is a folder'),
    'loop': (loop, 'cannot be read'),
    'text': (lambda path: path.write_text('<html>404</html>'), UNREADABLE),
}
CONTENTS = {
    'list': (saved(lambda _: [1, 2]), 'holds no state dict'),
    'no weights': (saved(lambda _: dict(state_dict={})), 'holds no state dict'),
    'tensor': (saved(lambda _: dict(state_dict=torch.ones(2))), 'holds no state dict'),
    'number names': (saved(lambda _: {1: torch.ones(2)}), 'holds no state dict'),
    'names of two lines': (saved(lambda _: {'a\nerror: b': torch.ones(2)}), 'holds no state dict'),
    'meta': (saved(lambda _: dict(state_dict=dict(w=torch.ones(1)), meta=3)), 'meta is int'),
    'text': (weights('x'), 'v is str; expected a tensor'),
    'nan': (weights(torch.tensor([1, torch.nan])), 'v has 1 of 2 values that are NaN'),
    'infinite': (weights(torch.full((4,), -torch.inf).half()), 'v has 4 of 4 values'),
    'sparse': (weights(torch.eye(3).to_sparse()), 'other than dense tensors'),
    'complex': (weights(torch.ones(2, dtype=torch.complex64)), 'v is torch.strided torch.complex'),
    'meta device': (weights(torch.ones(2, device='meta')), 'other than dense tensors'),
    'stretched': (weights(torch.ones(1).expand(10**12)), r'v has shape \(1000000000000,\), more'),
}  # fmt: skip
SAFETENSORS = {
    'empty': (lambda path: path.write_bytes(b''), UNREADABLE),
    'length': (header({}, length=2**62), UNREADABLE),
    'longer than the file': (header({}, length=1000), UNREADABLE),
    'no json': (header(b'{"a": '), UNREADABLE),
    'list': (header([1]), UNREADABLE),
    'overlap': (header(dict(a=entry([2], 0, 8), b=entry([2], 4, 12)), bytes(12)), UNREADABLE),
    'hole': (header(dict(a=entry([1], 4, 8)), bytes(8)), UNREADABLE),
    'giant': (header(dict(a=entry([2**40, 2**40], 0, 8)), bytes(8)), UNREADABLE),
    'negative': (header(dict(a=entry([-1], 0, 8)), bytes(8)), UNREADABLE),
    'type': (header(dict(a=entry([2], 0, 8, 'OBJECT')), bytes(8)), UNREADABLE),
    'cut': (header(dict(a=entry([4], 0, 16)), bytes(8)), UNREADABLE),
    'nan': (header(dict(a=entry([1], 0, 4)), struct.pack('<f', np.nan)), 'a has 1 of 1 values'),
    'meta': (header(dict(__metadata__=dict(meta='3'), a=entry([1], 0, 4)), bytes(4)), 'meta is in'),
    'meta text': (header(dict(__metadata__=dict(meta='{'), a=entry([0], 0, 0))), UNREADABLE),
    'deep meta': (
        header(dict(__metadata__=dict(meta='[' * 100_000), a=entry([0], 0, 0))),
        UNREADABLE,
    ),
    'pickle': (saved(lambda p: dict(w=touch(p))), UNREADABLE),
}  # fmt: skip
CORPUS = [
    pytest.param(f'{kind}.{suffix}', *case, id=f'{suffix}: {kind}')
    for files, suffix in ((PICKLES, 'pth'), (DAMAGED, 'pth'), (CONTENTS, 'pth'))
    + ((SAFETENSORS, 'safetensors'),)
    for kind, case in files.items()
]  # fmt: skip


def test_the_corpus_is_large():
    assert len(CORPUS) >= 50


@pytest.mark.parametrize(('file', 'write', 'message'), CORPUS)
def test_hostile_files_run_nothing(file, write, message, tmp_path, capfd):
    path = tmp_path / file
    write(path)
    assert main(['espnet', str(path), str(tmp_path / 'out.pth')]) == 1
    error = capfd.readouterr().err
    assert error.startswith(f'error: {path}: ') and error.count('\n') == 1
    with bounded(), pytest.raises(InputError, match=message):
        load_checkpoint(path)
    assert not (tmp_path / 'ran').exists() and not (tmp_path / 'out.pth').exists()


def test_the_canary_can_appear(tmp_path):
    path = tmp_path / 'a.pth'
    torch.save(touch(path), path)
    torch.load(path, weights_only=False)
    assert (tmp_path / 'ran').exists()


NOTICED = {
    'written file': lambda path: path.write_text('a'),
    'new folder': lambda path: path.mkdir(),
    'text that is run': lambda path: eval('1'),
    'code that is compiled': lambda path: compile('1', 'file', 'eval'),
}


@pytest.mark.parametrize('act', NOTICED.values(), ids=NOTICED)
def test_the_bounds_notice(act, tmp_path):
    with pytest.raises(AssertionError, match=r'open|mkdir|exec|compile'), bounded():
        act(tmp_path / 'a')


def test_the_bounds_stop_programs(tmp_path):
    with pytest.raises(Forbidden, match=r'os\.system'), bounded():
        os.system(f'touch {tmp_path}/ran')
    assert not (tmp_path / 'ran').exists()


@pytest.mark.parametrize(('write', 'message'), PICKLES.values(), ids=PICKLES)
def test_mmengine_reads_as_safely(write, message, tmp_path):
    write(tmp_path / 'a.pth')
    with pytest.raises(InputError, match=message):
        _load_checkpoint(str(tmp_path / 'a.pth'), map_location='cpu')
    assert not (tmp_path / 'ran').exists()


def test_mmengine_downloads_as_safely(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, 'download_url_to_file', lambda _, path: touch_at(path, tmp_path))
    with pytest.raises(InputError, match=RUNS):
        _load_checkpoint('https://example.org/net.pth?x=1', map_location='cpu')
    assert (tmp_path / 'checkpoints/net.pth').is_file() and not (tmp_path / 'ran').exists()


def touch_at(path, folder):
    torch.save(touch(folder / 'file'), path)


def test_pretrained_files_are_read_as_safely(tmp_path):
    from mmengine.model import BaseModule

    torch.save(touch(tmp_path / 'a.pth'), tmp_path / 'a.pth')
    module = BaseModule(dict(type='Pretrained', checkpoint=str(tmp_path / 'a.pth')))
    with pytest.raises(InputError, match=RUNS):
        module.init_weights()
    assert not (tmp_path / 'ran').exists()


def test_mmengine_gets_no_config_text_to_evaluate(tmp_path):
    path = tmp_path / 'a.pth'
    meta = dict(cfg='import os', config='import os', epoch=3)
    save_checkpoint(dict(state_dict=dict(w=torch.ones(1)), meta=meta), path)
    assert _load_checkpoint(str(path), map_location='cpu')['meta'] == dict(epoch=3)
    assert load_checkpoint(path)['meta'] == dict(epoch=3)


OTHER_NETWORKS = {
    'prefix': (
        lambda w: {f'net.{key}': value for key, value in w.items()},
        '2 missing.*2 unexpected',
    ),
    'weight alone': (lambda w: dict(list(w.items())[:1]), '1 missing'),
    'one more': (lambda w: dict(w, extra=torch.ones(1)), '1 unexpected'),
    'more inputs': (lambda w: dict(w, weight=torch.ones(2, 4)), r'weight \(2, 4\) for \(2, 3\)'),
    'flat weight': (lambda w: dict(w, weight=torch.ones(6)), r'weight \(6,\) for \(2, 3\)'),
}


@pytest.mark.parametrize(('change', 'message'), OTHER_NETWORKS.values(), ids=OTHER_NETWORKS)
def test_weights_of_other_networks(change, message, tmp_path):
    layer = nn.Linear(3, 2)
    before = layer.weight.clone()
    torch.save(change(layer.state_dict()), tmp_path / 'a.pth')
    with pytest.raises(InputError, match=f'does not fit.*{message}'):
        load_weights(layer, tmp_path / 'a.pth')
    assert layer.weight.equal(before)
