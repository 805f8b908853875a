"""The README of each family of configs lists every config once, with its true status."""

import re

import pytest
import yaml
from config_files import CONFIG_FILES, CONFIGS
from test_configs import OFFICIAL

FAMILIES = sorted({path.parent.name for path in CONFIG_FILES})
ROW = re.compile(r'^\| `([^`]+)` \| .*\| ([^|]+) \|$', re.M)
FIGURE = re.compile(r'(?:measured|official weights): ([\d. and]+) mIoU on val')


def expand(name):
    """The names that a shell makes of one with braces, which are not nested."""
    if not (group := re.search(r'\{([^{}]*)\}', name)):
        return [name]
    parts = group[1].split(',')
    return [n for part in parts for n in expand(name[: group.start()] + part + name[group.end() :])]


def statuses(family):
    """Status of each config, from the table that ends with it."""
    table = (CONFIGS / family / 'README.md').read_text().rpartition('| config |')[2]
    rows = ROW.findall(table)
    names = [name for row, _ in rows for name in expand(row)]
    assert len(names) == len(set(names))
    return rows, {name: status for row, status in rows for name in expand(row)}


def test_braces_are_the_shells():
    assert expand('a{1,2}{,-b}') == ['a1', 'a1-b', 'a2', 'a2-b']


@pytest.mark.parametrize('family', FAMILIES)
def test_every_config_is_listed_once(family):
    assert set(statuses(family)[1]) == {p.stem for p in CONFIG_FILES if p.parent.name == family}


def test_official_weights_are_those_that_load():
    listed = {
        name
        for family in FAMILIES
        for name, status in statuses(family)[1].items()
        if status.startswith('official weights')
    }
    assert listed == set(OFFICIAL.values())


def test_figures_are_the_metafiles():
    known = {
        model['Name']: model['Results'][0]['Metrics'].get('mIoU')
        for path in CONFIGS.glob('*/metafile.yaml')
        for model in yaml.safe_load(path.read_text())['Models']
    }
    compared = 0
    for family in FAMILIES:
        for row, status in statuses(family)[0]:
            if figures := FIGURE.match(status):
                figures = [float(figure) for figure in figures[1].split(' and ')]
                assert [known[name] for name in expand(row)] == figures
                compared += len(figures)
    assert compared >= 10
