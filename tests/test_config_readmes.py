"""The page of each family of configs lists every config once, with its true status."""

import re
from pathlib import Path

import pytest
import yaml
from config_files import CONFIG_FILES, CONFIGS, expand, read
from test_configs import OFFICIAL

FAMILIES = sorted({path.parent.name for path in CONFIG_FILES})
ROW = re.compile(r'^\| `([^`]+)` \| .*\| ([^|]+) \|$', re.M)
STATUSES = (
    r'measured(:|, \[results\])|official weights|(published|stage|run by a test|\*\*no result\*\*)$'
)
FIGURE = re.compile(r'(?:measured|official weights): ([\d. and]+) mIoU on val')


def page_of(family):
    """The page of a paper's networks; small families have a README alone."""
    page = CONFIGS.parent / f'docs/networks/{family}.md'
    return page if page.is_file() else CONFIGS / family / 'README.md'


def statuses(family):
    """Status of each config, from the table that ends with it."""
    table = page_of(family).read_text().partition('| config | what it trains |')[2]
    table = table or page_of(family).read_text().rpartition('| config |')[2]
    table = table.partition('\n\n')[0]
    rows = ROW.findall(table)
    names = [name for row, _ in rows for name in expand(row)]
    assert len(names) == len(set(names))
    return rows, {name: status for row, status in rows for name in expand(row)}


def test_braces_are_the_shells():
    assert expand('a{1,2}{,-b}') == ['a1', 'a1-b', 'a2', 'a2-b']


@pytest.mark.parametrize('family', FAMILIES)
def test_every_config_is_listed_once(family):
    assert set(statuses(family)[1]) == {p.stem for p in CONFIG_FILES if p.parent.name == family}


@pytest.mark.parametrize('family', FAMILIES)
def test_readmes_lead_to_the_pages(family):
    text = (CONFIGS / family / 'README.md').read_text()
    assert page_of(family).name == 'README.md' or f'docs/networks/{family}.md' in text


@pytest.mark.parametrize('family', FAMILIES)
def test_every_status_is_explained(family):
    index = CONFIGS.parent / 'docs/networks/index.md'
    text = f'{index.read_text()}{page_of(family).read_text()}'.casefold()
    for name, status in statuses(family)[1].items():
        assert re.match(STATUSES, status), name
        word = re.match(r'\**([a-z ]+)', status)[1]
        assert family == 'baselines' or re.search(rf'^(\| )?\**{word}\**( \||:)', text, re.M), word


def test_starts_of_other_rows_are_named():
    """A ``stage`` is what another config starts from, which has more to show."""
    listed = {name: status for family in FAMILIES for name, status in statuses(family)[1].items()}
    started = {
        Path(load_from).parent.name
        for path in CONFIG_FILES
        if (load_from := read(path).get('load_from') or '').startswith('work_dirs/')
        and 'no result' not in listed[path.stem]
    }
    stages = {name for name, status in listed.items() if status == 'stage'}
    assert stages and stages <= started


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
    assert compared
