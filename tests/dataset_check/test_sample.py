"""What a sample of the labels shows before a training."""

import re

import pytest
from mmengine.config import ConfigDict

from mmseg_eff.dataset_check import sample
from mmseg_eff.dataset_check.sample import check_datasets
from mmseg_eff.errors import InputError

LOADERS = ('train_dataloader', 'val_dataloader')


def check(train, val=None):
    loaders = dict(train_dataloader=dict(dataset=train), val_dataloader=val and dict(dataset=val))
    check_datasets(ConfigDict(loaders), *LOADERS)


GOOD = ((0, 1, 2, 255), (0, 1))
MASKS = ((0, 255), (0,), (0, 255))


@pytest.mark.parametrize(
    ('files', 'kwargs', 'message'),
    [
        (MASKS, {}, '0.png: holds only 0 and 255, which is ignored: no pixel of a second class'),
        (MASKS, dict(reduce_zero_label=True), '0.png: holds only 0 and 255, which are ignored'),
        (MASKS, dict(ignore_index=254), '0.png: label value 255 out of range; allowed are 0 to 2'),
        (((0, 11), (0,)), dict(ignore_index=11), '0.png: holds only 0 and 11, which is ignored'),
        (((0, 1), (2,)), dict(reduce_zero_label=True), 'holds 0 to 2, of which reduce_zero_label'),
        (((0, 1, 255), (2,)), dict(reduce_zero_label=True), 'drops the first class'),
        (((1, 2), (3, 2)), {}, 'holds 1 to 3, never 0: reduce_zero_label=True would read them'),
        (
            ((0, 1, 2), (3, 2)),
            {},
            'holds 0 to 3, one value more than the 3 classes: name the class',
        ),
        (((0, 1), (7, 2)), {}, '1.png: label value 7 out of range; allowed are 0 to 2 and 255'),
        (((0, 1), (1, 2)), dict(ignore_index=2), None),
        (((1, 2, 3), (0, 2)), dict(reduce_zero_label=True), None),
        (((0,), (0,)), {}, None),  # nothing is ignored
        (GOOD, {}, None),
    ],
)
@pytest.mark.parametrize('where', ['train', 'val', 'wrapped'])
def test_values_before_a_training(write, files, kwargs, message, where):
    doubtful = write(*files, name='doubtful', **kwargs)
    arguments = (doubtful,)
    if where == 'val':
        arguments = (write(*GOOD), doubtful)
    elif where == 'wrapped':
        concat = dict(type='ConcatDataset', datasets=[write(*GOOD), doubtful])
        arguments = (dict(type='RepeatDataset', times=2, dataset=concat),)
    if not message:
        check(*arguments)
        return
    with pytest.raises(InputError, match=re.escape(message)) as error:
        check(*arguments)
    assert '/doubtful/labels' in str(error.value)
    assert '\n' not in str(error.value)


def test_another_label_speaks_for_a_sample(write, monkeypatch):
    """Only two labels are sampled; what they lack is in one of the others."""
    monkeypatch.setattr(sample, 'SAMPLE', 2)
    check(write((0, 255), (0, 255), (0, 1), (0, 255), name='rare'))
    files = ((0, 1), (0, 3), (2,), (0, 1))
    check(write(*files, name='reduced', reduce_zero_label=True))
    with pytest.raises(InputError, match='holds only 0 and 255'):
        check(write(*MASKS, *MASKS, name='masks'))


def test_another_split_speaks_for_the_value_of_the_last_class(write, monkeypatch):
    """A small validation set may lack the last class, a sample of the training set too."""
    monkeypatch.setattr(sample, 'SAMPLE', 1)
    reduced = dict(reduce_zero_label=True)
    train = write((0, 1), (3, 1), name='train', **reduced)
    val = write((0, 1, 2), name='val', **reduced)
    check(train, val)
    with pytest.raises(InputError, match='holds 0 to 2'):
        check(write((0, 1), (0, 2), name='other', **reduced), val)
