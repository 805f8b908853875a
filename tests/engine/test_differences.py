from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from torch import nn

from mmseg_eff.engine.differences import changes, compare, network_change, shorten
from mmseg_eff.engine.fingerprint import FORMAT, counted, pipelines_in, plain


@pytest.mark.parametrize(
    ('old', 'new', 'expected'),
    [
        (1, 1.0, []),
        (float('nan'), float('nan'), []),
        ([], [], []),
        ({}, {}, []),
        (1, 2, [('', 'was 1, is 2')]),
        ('1', 1, [('', "was '1', is 1")]),
        (dict(a=1), dict(a=2, b=3), [('a', 'was 1, is 2'), ('b', 'was absent, is 3')]),
        (dict(a=1, b=dict(c=1)), dict(a=1), [('b', "was {'c': 1}, is absent")]),
        ([1, 2, 3], [1, 5, 6], [('1', 'was 2, is 5'), ('2', 'was 3, is 6')]),
        ([1, 2, 3], [1, 3], [('1', 'was 2, is 3')]),
        ([1, 2, 3], [1, 2], [('2', 'was 3, is absent')]),
        ([1], [1, 2, 3], [('1', 'was absent, is 2')]),
        ([], [1], [('0', 'was absent, is 1')]),
        (None, [], [('', 'was None, is []')]),
    ],
    ids=repr,
)
def test_changes(old, new, expected):
    assert list(changes(old, new)) == expected


def nested(depth, make=lambda value: [value, value]):
    """A value that is small in a file and large as text."""
    value = 'x'
    for _ in range(depth):
        value = make(value)
    return value


@pytest.mark.parametrize(
    'old',
    [
        pytest.param(nested(60), id='lists'),
        pytest.param(nested(60, lambda value: dict(a=value, b=value)), id='dicts'),
        pytest.param(nested(3000, lambda value: [value]), id='deep'),
        pytest.param(nested(60, lambda value: (value, value)), id='tuples'),
        pytest.param(nested(60, lambda value: {1: value}), id='keys'),
        pytest.param(10**6000, id='digits'),
        pytest.param(torch.zeros(10), id='tensor'),
        pytest.param(np.zeros(10), id='array'),
        pytest.param('\x1b[2J' * 10**5, id='escapes'),
        pytest.param({'\x1b[2J' * 10**5: 1}, id='escapes as key'),
    ],
)
@pytest.mark.parametrize('new', ['iterations', 3, [3, dict(a=4)], dict(a=1, b=[2])], ids=repr)
def test_what_a_checkpoint_says_is_bounded(old, new):
    (difference,) = compare({'format': FORMAT, 'unit': old}, {'unit': new})
    assert len(str(difference)) < 700
    assert str(difference).isprintable()


def test_items_that_one_does_not_have_are_skipped():
    assert list(compare({'format': FORMAT, 'unit': 1, 'seed': 1}, {'unit': 1, 'torch': 2})) == []
    assert list(compare({'format': FORMAT, 1: 2, 'other': 3}, {'other': 4})) == []
    assert list(compare({'format': torch.ones(2), 'unit': 1}, {'unit': 2})) == []


def test_a_text_has_three_places():
    old, new = (
        {'format': FORMAT, 'sampler settings': dict.fromkeys('abcde', value)} for value in (0, 1)
    )
    (difference,) = compare(old, new)
    text = 'a was 0, is 1, b was 0, is 1, c was 0, is 1, …'
    assert str(difference) == f'sampler settings: {text} (the images come in another order)'


def test_network_change():
    runner = SimpleNamespace(model=nn.Linear(2, 3))
    state = runner.model.state_dict()
    compiled = {f'_orig_mod.{name}': value for name, value in state.items()}
    for given, text in (
        (state, ''),
        (compiled, ''),
        ({**state, 'bias': torch.zeros(2)}, 'bias was (2,), is (3,)'),
        ({'bias': state['bias']}, 'weight was absent, is (3, 2)'),
        ({**state, 'more': torch.zeros(1)}, 'more was (1,), is absent'),
        ({**state, 'weight': 'text'}, 'weight was absent, is (3, 2)'),
        ({}, 'weight was absent, is (3, 2) and 1 more'),
        (None, 'weight was absent, is (3, 2) and 1 more'),
    ):
        assert network_change(runner, dict(state_dict=given)) == text


def test_plain_values():
    value = ConfigDict(a=(1, np.float64(0.5)), b=dict(c=nn.Linear, d=nn.ReLU()), e=None)
    result = plain(value)
    assert result == dict(a=[1, 0.5], b=dict(c='Linear', d='ReLU'), e=None)
    assert type(result) is type(result['b']) is dict
    assert type(result['a'][1]) is float
    assert plain({1: np.int64(3), 'text': np.str_('a')}) == {'1': 3, 'text': 'a'}


def test_counted():
    assert counted(iter([0.1, 0.1])) == '0.1'
    assert counted(iter([0.1, 0.2, 0.1])) == '0.1 (2 groups), 0.2 (1 groups)'
    assert counted(iter([])) == ''


def test_pipelines_in_wrappers():
    inner = [dict(type='A')], [dict(type='B')]
    datasets = [dict(type='D', pipeline=pipeline) for pipeline in inner]
    wrapper = dict(type='RepeatDataset', dataset=dict(type='ConcatDataset', datasets=datasets))
    assert list(pipelines_in({**wrapper, 'pipeline': [dict(type='C')]})) == [
        [dict(type='C')],
        *inner,
    ]
    assert list(pipelines_in(None)) == list(pipelines_in(dict(type='D'))) == []


def test_shorten():
    assert len(shorten('a' * 100)) == 60
    assert shorten(0.1) == '0.1'
    assert shorten(None) == 'None'
    assert shorten(torch.zeros(3)) == 'Tensor'
