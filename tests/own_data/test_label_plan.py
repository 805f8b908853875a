from pathlib import Path

import pytest

from mmseg_eff.errors import InputError
from mmseg_eff.own_data.class_files import ClassFile
from mmseg_eff.own_data.label_facts import UNSURE, LabelFacts
from mmseg_eff.own_data.label_plan import plan_labels, ranges

PATH = Path('classes.txt')


def grey(*values, **kwargs):
    return LabelFacts(values=frozenset(values), **kwargs)


def colored(*colors):
    return LabelFacts(colors=frozenset(colors), is_index=False)


def named(*names, **kwargs):
    return ClassFile(PATH, list(names), **kwargs)


@pytest.mark.parametrize(
    ('facts', 'names', 'suffix', 'classes'),
    [
        (grey(0, 1, 255), None, '.png', ('background', 'foreground')),
        (grey(0, 1, 2), None, '.png', ('class_0', 'class_1', 'class_2')),
        (grey(0, 2, 255), named('a', 'b', 'c'), '.png', ('a', 'b', 'c')),  # b is rare
        (grey(0, 1, 2), named('b', 'c'), '.png', ('background', 'b', 'c')),
        (grey(0, 1, 2), named('a', 'b', 'void'), '.png', ('a', 'b')),
    ],
)
def test_indices_stay_as_they_are(facts, names, suffix, classes):
    plan = plan_labels(facts, names, suffix)
    assert plan.format is None and plan.classes == classes
    assert len(plan.palette) == len(classes)
    assert plan.ignore_index == (2 if names and names.names[-1] == 'void' else 255)


def test_train_ids_have_cityscapes_names():
    plan = plan_labels(grey(*range(19), 255), None, '_gtFine_labelTrainIds.png')
    assert plan.format is None and plan.classes[:2] == ('road', 'sidewalk')


def test_label_ids_become_train_ids():
    plan = plan_labels(grey(0, 7, 8, 33), None, '_gtFine_labelIds.png')
    values = plan.options['values']
    assert plan.format == 'values' and len(values) == 34
    assert (values[7], values[33], values[0]) == ('road', 'bicycle', 'void')


def test_a_palette_of_the_files_gives_the_colours():
    colors = ((1, 2, 3), (4, 5, 6), (7, 8, 9))
    assert plan_labels(grey(0, 1, palette=colors), None, '.png').palette == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize(
    ('facts', 'names', 'options'),
    [
        (grey(0, 255), None, dict(classes=None)),
        (grey(0, 255), named('soil', 'crack'), dict(classes=['soil', 'crack'])),
        (grey(0, 255), named('crack'), dict(classes=['background', 'crack'])),
        (grey(0, 3, 7), None, dict(classes=None)),
        (grey(0, 50, 99), named('a', 'b', 'c'), dict(classes=['a', 'b', 'c'])),
        (grey(1, 2), None, dict(classes=None)),  # no 0
        (grey(0, 9, is_lossy=True, is_index=False), None, dict(classes=None)),  # JPEG of 0 and 255
        (grey(0, 1, is_index=False), None, dict(classes=None)),  # of 16 bits
        (grey(0, 1, 2), named('a', 'void', 'b'), dict(values={0: 'a', 1: 'void', 2: 'b'})),
        (
            grey(0, 5),
            named('a', 'b', values={0: 'a', 5: 'b'}),
            dict(values={0: 'a', 5: 'b'}),
        ),
    ],
)
def test_other_values_are_converted(facts, names, options):
    plan = plan_labels(facts, names, '.png')
    assert (plan.format, plan.options) == ('values', options)


def test_colours():
    table = plan_labels(colored((0, 0, 0), (255, 0, 16)), None, '.png').options['colors']
    assert table == {(0, 0, 0): 'background', (255, 0, 16): 'color_ff0010'}
    streets = plan_labels(colored((128, 64, 128), (244, 35, 232), (70, 70, 70)), None, '.png')
    assert streets.options['colors'][128, 64, 128] == 'road'
    own = plan_labels(colored((1, 2, 3)), named('a', has_colors=True), '.png')
    assert own.options == dict(colors=PATH)


@pytest.mark.parametrize(
    ('facts', 'names', 'message'),
    [
        (grey(0), None, 'only the value 0: no second class'),
        (grey(4, 255), None, 'only the value 4, 255: no second class'),
        (LabelFacts(frozenset([1]), frozenset([(1, 2, 3)])), None, 'some label files hold colours'),
        (grey(0, 1, 2, 3, 8), named('a', 'b'), 'classes.txt: 2 names for labels of the values'),
        (grey(0, 9), named('a', values={0: 'a'}), 'classes.txt: has no name for the value 9'),
        (colored(UNSURE), None, r'lossy format \(JPEG\)'),
    ],
)
def test_what_cannot_be_told_apart_is_refused(facts, names, message):
    with pytest.raises(InputError, match=message):
        plan_labels(facts, names, '.png')


def test_ranges():
    assert ranges([0, 1, 2, 7, 9, 10, 255]) == '0 to 2, 7, 9 to 10, 255'
