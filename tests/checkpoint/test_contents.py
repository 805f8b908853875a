"""What checkpoints say beside the weights: no text of it is run, and wrong types are one line."""

import json

import numpy as np
import pytest
import torch
from hostile import assert_refused, bounded, entry, header
from mmengine.config import Config
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import CheckpointLoader, _load_checkpoint
from mmseg.apis import MMSegInferencer

from mmseg_eff.converters import load_checkpoint
from mmseg_eff.errors import InputError

COLORS = 'expected 3 integers from 0 to 255'
NAMES = 'expected a list of up to|expected names of up to|unprintable name'
DICT = 'expected a dict'
COUNT = 'expected an integer|expected a count'
KEY = 'has a key of type|has a key that is no text|expected tensors by name'
VALUES = r'more than \d+ values|more values'
HUB = dict(log_scalars={}, runtime_info={}, resumed_keys={})


def meta(**values):
    return dict(meta=values)


def data(**values):
    return meta(dataset_meta=values)


def hub(**values):
    return dict(message_hub={**HUB, **values})


def history(**values):
    buffer = HistoryBuffer([1.0], [1])
    buffer.__dict__.update(values)
    return hub(log_scalars=dict(loss=buffer))


def shared(row, levels=3):
    for _ in range(levels):
        row = [row] * 1000
    return row


CONTENTS = [
    pytest.param(data(palette=[[0, 0, -1]]), COLORS, id='color of -1'),
    pytest.param(data(palette=[[0, 0, 256]]), COLORS, id='color of 256'),
    pytest.param(data(palette=[[0, 0, 2**70]]), COLORS, id='color of 2**70'),
    pytest.param(data(palette=[[0, 0, 1.0]]), COLORS, id='color of floats'),
    pytest.param(data(palette=[['0', '0', '0']]), COLORS, id='color of texts'),
    pytest.param(data(palette=['abc']), COLORS, id='color as a text'),
    pytest.param(data(palette=[[0, 0]]), COLORS, id='two parts'),
    pytest.param(data(palette=[None]), COLORS, id='no color'),
    pytest.param(data(palette=[[[0, 0, 0]] * 3]), COLORS, id='colors of colors'),
    pytest.param(data(palette=[shared(0)]), VALUES, id='color of a billion'),
    pytest.param(data(palette=np.zeros((2, 3))), COLORS, id='array of floats'),
    pytest.param(data(palette=torch.full((2, 3), 300)), COLORS, id='tensor of 300'),
    pytest.param(data(palette=np.zeros((2, 3, 1), int)), 'expected a list of colors', id='3 axes'),
    pytest.param(data(palette=dict(a=[0, 0, 0])), 'expected a list of colors', id='dict of colors'),
    pytest.param(data(palette='random'), 'expected a list of colors', id='name of a palette'),
    pytest.param(data(palette=[[0, 0, 0]] * 31_000), 'list of colors', id='31 000 colors'),
    pytest.param(
        data(classes=['a', 'b'], palette=[[0, 0, 0]]), '1 colors for 2 classes', id='one color'
    ),
    pytest.param(meta(CLASSES=['a'], PALETTE=[[0, 0, 999]]), COLORS, id='mmseg 0.x: color'),
    pytest.param(meta(CLASSES=('a', 1)), NAMES, id='mmseg 0.x: number as a class'),
    pytest.param(meta(CLASSES='/etc/passwd'), NAMES, id='mmseg 0.x: file of classes'),
    pytest.param(data(classes='road'), NAMES, id='text as classes'),
    pytest.param(data(classes=[b'road']), NAMES, id='bytes as a class'),
    pytest.param(data(classes=['']), NAMES, id='empty class'),
    pytest.param(data(classes=['a\nerror: b']), NAMES, id='class of two lines'),
    pytest.param(data(classes=['\x1b[2J']), NAMES, id='class that clears the screen'),
    pytest.param(data(classes=['\u202egnp']), NAMES, id='class written backwards'),
    pytest.param(data(classes=['\ud800']), NAMES, id='half a character'),
    pytest.param(data(classes=['a' * 10_000]), NAMES, id='class of 10 000 letters'),
    pytest.param(data(classes=['a'] * 31_000), NAMES, id='31 000 classes'),
    pytest.param(data(classes=[['a']]), NAMES, id='list as a class'),
    pytest.param(data(classes=shared('a')), VALUES, id='a billion classes'),
    pytest.param(data(classes=dict(a=1)), NAMES, id='dict of classes'),
    pytest.param(data(classes=torch.ones(3)), NAMES, id='tensor of classes'),
    pytest.param(meta(dataset_meta=['a']), DICT, id='list as dataset_meta'),
    pytest.param(meta(dataset_meta='a'), DICT, id='text as dataset_meta'),
    pytest.param(dict(meta=[]), DICT, id='list as meta'),
    pytest.param(dict(meta=None), DICT, id='no meta'),
    pytest.param(meta(epoch='1'), COUNT, id='epoch as a text'),
    pytest.param(meta(epoch=True), COUNT, id='epoch as a truth value'),
    pytest.param(meta(epoch=1.0), COUNT, id='epoch as a float'),
    pytest.param(meta(iter=-1), COUNT, id='negative iteration'),
    pytest.param(meta(iter=2**2000), COUNT, id='iteration 2**2000'),
    pytest.param(meta(iter=[1]), COUNT, id='list of iterations'),
    pytest.param({3: torch.ones(1)}, KEY, id='number as a name'),
    pytest.param(dict(state_dict={3: torch.ones(1)}), KEY, id='number as a name in it'),
    pytest.param(dict(state_dict={'\ud800': torch.ones(1)}), KEY, id='half a character in a name'),
    pytest.param(dict(state_dict=[('w', torch.ones(1))]), KEY, id='pairs of weights'),
    pytest.param([dict(w=torch.ones(1))], KEY, id='list of weights'),
    pytest.param(3, KEY, id='number'),
    pytest.param(dict(message_hub=[]), DICT, id='list as message_hub'),
    pytest.param(hub(runtime_info=None), DICT, id='no runtime_info'),
    pytest.param(hub(log_scalars=[]), DICT, id='list as log_scalars'),
    pytest.param(hub(resumed_keys={1: True}), KEY, id='number as a resumed key'),
    pytest.param(history(_log_history=3), 'is no history', id='number as a history'),
    pytest.param(history(_count_history=np.ones(3)), '1 values and 3 counts', id='uneven history'),
    pytest.param(history(_log_history=np.ones((1, 2))), 'is no history', id='history of rows'),
    pytest.param(history(max_length='a'), 'is no history', id='length as a text'),
]


@pytest.mark.parametrize(('content', 'message'), CONTENTS)
def test_wrong_types_are_refused_in_one_line(content, message, tmp_path):
    path = tmp_path / 'a.pth'
    if isinstance(content, dict) and content.keys() <= {'meta', 'message_hub'}:
        content = {'state_dict': dict(w=torch.ones(1)), **content}
    torch.save(content, path)
    with bounded(), pytest.raises(InputError, match=f'^{path}: [^\n]*({message})[^\n]*$'):
        _load_checkpoint(str(path), map_location='cpu')
    with bounded():
        assert is_refused_or_sound(path)


def is_refused_or_sound(path):
    """``load_checkpoint`` looks for the weights alone."""
    try:
        return set(load_checkpoint(path)) == {'state_dict', 'meta'}
    except InputError as error:
        return '\n' not in str(error)


@pytest.mark.parametrize(
    'values',
    [
        data(classes=('a', '[/b]', 'Straße'), palette=[[0, 0, 0], (1, 2, 255), [3, 3, 3]]),
        data(classes=['a'], palette=np.array([[1, 2, 3], [4, 5, 6]], np.uint8)),
        data(classes=['a'], palette=torch.zeros(1, 3, dtype=torch.int64)),
        data(classes=None, palette=None, label_map={1: 2}),
        data(classes=['a', 'b'], palette=[]),
        meta(CLASSES=['a'], PALETTE=None, epoch=np.int64(3), iter=0),
        history(),
    ],
)
def test_right_types_are_read(values, tmp_path):
    torch.save({'state_dict': dict(w=torch.ones(1)), **values}, tmp_path / 'a.pth')
    read = _load_checkpoint(str(tmp_path / 'a.pth'), map_location='cpu')
    assert str({key: read[key] for key in values if key == 'meta'}) == str(
        {key: values[key] for key in values if key == 'meta'}
    )


def program(folder):
    """Config text that notes that it was run."""
    return f"open({str(folder / 'ran')!r}, 'w').close()\nmodel = dict(type='EncoderDecoder')"


def everywhere(code):
    """A checkpoint with a text at each place, of which mmengine evaluates three."""
    return dict(
        state_dict=dict(w=torch.ones(1)),
        meta=dict(cfg=code, config=[code], epoch=0, iter=0, name=code, deep=[dict(cfg=code)]),
        message_hub={**HUB, 'runtime_info': dict(cfg=code, config=code, epoch=1)},
        cfg=code,
        config=dict(cfg=code, config=dict(cfg=code)),
    )  # fmt: skip


def test_no_text_is_left_to_evaluate(tmp_path):
    path = tmp_path / 'a.pth'
    torch.save(everywhere('import os'), path)
    for read in (_load_checkpoint(str(path)), load_checkpoint(path)):
        read['meta'].pop('name')
        assert 'import os' not in str(read)
    read = _load_checkpoint(str(path))
    assert read['message_hub']['runtime_info'] == dict(epoch=1)
    assert read['config'] == dict(config={}) and 'config' not in read['meta']


@pytest.mark.parametrize('places', [('meta', 'message_hub'), ('meta',), ('message_hub',), ()])
def test_the_inferencer_runs_no_text_of_a_file(places, tmp_path):
    content = everywhere(program(tmp_path))
    kept = {key: content[key] for key in ('state_dict', *places)}
    torch.save(kept, tmp_path / 'a.pth')
    with pytest.raises((ValueError, AssertionError), match=r'config'):
        MMSegInferencer(None, weights=str(tmp_path / 'a.pth'), device='cpu')
    assert not (tmp_path / 'ran').exists()


def test_the_program_can_run(tmp_path):
    Config.fromstring(program(tmp_path), '.py')
    assert (tmp_path / 'ran').exists()


def test_files_of_other_schemes_are_checked_too(tmp_path, monkeypatch):
    content = everywhere('import os')
    monkeypatch.setitem(CheckpointLoader._schemes, 's3://', lambda filename, map_location: content)
    monkeypatch.setattr(
        CheckpointLoader,
        '_get_checkpoint_loader',
        classmethod(lambda cls, path: cls._schemes['s3://']),
    )
    assert 'cfg' not in _load_checkpoint('s3://a/b.pth')['message_hub']['runtime_info']
    content['meta']['dataset_meta'] = dict(classes=[1])
    with pytest.raises(InputError, match=r'^s3://a/b.pth: dataset_meta.classes holds int'):
        _load_checkpoint('s3://a/b.pth')


SAFETENSORS = [
    pytest.param(header(b' ' * (20 << 20)), 'header of', id='header of 20 MB'),
    pytest.param(
        header(b'{"a":%s,"a":%s}' % ((json.dumps(entry([1], 0, 4)).encode(),) * 2), bytes(4)),
        'two tensors of one name',
        id='two of one name',
    ),
    pytest.param(header(dict(a=entry([1], 0, 4)), bytes(5)), 'damaged', id='byte at the end'),
    pytest.param(header(dict(a=entry([1], 0, 4)), bytes(3)), 'damaged', id='byte too few'),
    pytest.param(header(dict(a=entry([1.5], 0, 4)), bytes(4)), 'damaged', id='half a number'),
    pytest.param(header(dict(a=entry([1], 4, 0)), bytes(4)), 'damaged', id='end before begin'),
    pytest.param(header(dict(a=entry([2**63, 2], 0, 4)), bytes(4)), 'damaged', id='too many'),
    pytest.param(header(dict(a=entry([1] * 100_000, 0, 4)), bytes(4)), '0 axes', id='many axes'),
    pytest.param(header(dict(a=entry([1], 0, 8, 'C64')), bytes(8)), 'complex', id='complex'),
    pytest.param(header({'a\n': entry([1], 0, 4)}, bytes(4)), 'by name', id='name of two lines'),
    pytest.param(header(b'{"\\ud800":{}}'), 'damaged', id='half a character'),
    pytest.param(header(b'[' * 100_000), 'damaged', id='deep header'),
    pytest.param(header(dict(__metadata__=dict(meta=3))), 'damaged', id='metadata of numbers'),
    *(
        pytest.param(
            header(dict(__metadata__=dict(meta=json.dumps(value)), a=entry([1], 0, 4)), bytes(4)),
            message,
            id=f'meta: {kind}',
        )
        for kind, value, message in (
            ('list', [], DICT),
            ('class', dict(dataset_meta=dict(classes=[1])), NAMES),
            ('color', dict(dataset_meta=dict(palette=[[0, 0, -1]])), COLORS),
            ('a million values', dict(a=[0] * 1_000_000), VALUES),
        )
    ),
    pytest.param(
        header(dict(__metadata__=dict(meta='{"iter": NaN}'), a=entry([1], 0, 4)), bytes(4)),
        COUNT,
        id='meta: no number',
    ),
]  # fmt: skip


@pytest.mark.parametrize(('write', 'message'), SAFETENSORS)
def test_safetensors_are_refused_in_one_line(write, message, tmp_path):
    path = tmp_path / 'a.safetensors'
    write(path)
    assert_refused(path, message)
