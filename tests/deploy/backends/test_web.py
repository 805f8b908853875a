"""What the backend ``web`` writes and refuses, without a browser."""

import gzip
import re
from types import SimpleNamespace

import numpy as np
import pytest
from exported import REPORT

from mmseg_eff.deploy.backends import find_backend, onnx
from mmseg_eff.deploy.backends.web import ADDED, PAGE, PAGE_FILES, add_files, convert
from mmseg_eff.deploy.web_runtime import FILES, VARIABLE
from mmseg_eff.errors import InputError

RESIZE = dict(scale=[1024, 512], keep_ratio=True, backend='cv2')


@pytest.fixture
def dist(tmp_path, monkeypatch):
    """A folder in the place of onnxruntime-web's ``dist``."""
    dist = tmp_path / 'dist'
    dist.mkdir()
    for name in FILES:
        (dist / name).write_text(f'/*! ONNX Runtime Web v1.2.3 */ {name}')
    monkeypatch.setenv(VARIABLE, str(dist))
    return dist


@pytest.fixture
def graph():
    """What ``convert`` looks at in a graph that the page can feed; changed by keyword."""

    def graph(**changed):
        facts = dict(channels=3, dtype=np.dtype('uint8'), batch=1, output='labels', resize=None)
        facts |= dict(size=(64, 128), inside=('normalise', 'labels'))
        return SimpleNamespace(**facts | changed)

    return graph


@pytest.fixture
def converted(monkeypatch):
    """The graphs that became ONNX, which is not written."""
    graphs = []
    monkeypatch.setattr(onnx, 'convert', lambda graph, folder: graphs.append(graph))
    return graphs


def test_page_and_runtime_are_added_and_listed(dist, tmp_path):
    folder = tmp_path / 'export'
    folder.mkdir()
    report = dict(REPORT, versions=dict(torch='2'))
    add_files(folder, report)
    files = {path.relative_to(folder).as_posix() for path in folder.rglob('*') if path.is_file()}
    assert files == set(ADDED)
    assert report['versions'] == {'torch': '2', 'onnxruntime-web': '1.2.3'}
    for name, target in FILES.items():
        content = (folder / target).read_bytes()
        content = gzip.decompress(content) if target.endswith('.gz') else content
        assert content == (dist / name).read_bytes()


def test_the_same_files_give_the_same_bytes(dist, tmp_path):
    contents = []
    for name in ('first', 'second'):
        (tmp_path / name).mkdir()
        add_files(tmp_path / name, dict(REPORT, versions={}))
        contents.append([(tmp_path / name / file).read_bytes() for file in ADDED])
    assert contents[0] == contents[1]


@pytest.mark.parametrize(
    'changed',
    [
        {},
        dict(size=None),
        dict(resize=RESIZE, inside=('resize', 'normalise', 'labels')),
        dict(resize=RESIZE, size=(512, 1024)),  # which the resize leaves as they are
    ],
)
def test_graphs_that_the_page_can_feed(dist, graph, converted, tmp_path, changed):
    convert(graph(**changed), tmp_path)
    assert len(converted) == 1


@pytest.mark.parametrize(
    ('changed', 'message'),
    [
        (dict(channels=4), 'for 8-bit colour images, got 4 channels of uint8'),
        (dict(dtype=np.dtype('uint16')), 'got 3 channels of uint16'),
        (dict(batch=2), 'the labels of one image'),
        (dict(batch=None), 'the labels of one image'),
        (dict(output='probabilities'), 'the labels of one image'),
        (dict(inside=('labels',)), 'needs normalise inside'),
        (dict(resize=RESIZE, size=(256, 512)), '--size 512 1024 with images of that size, or --in'),
        (dict(resize=RESIZE, size=None), '--size H W'),
    ],
)
def test_other_graphs_are_refused(dist, graph, converted, tmp_path, changed, message):
    with pytest.raises(InputError, match=message):
        convert(graph(**changed), tmp_path)
    assert not converted


def test_missing_runtime_is_noticed_before_the_work(graph, converted, tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with pytest.raises(InputError, match=f'no such file; {VARIABLE} must name'):
        convert(graph(), tmp_path)
    assert not converted


def test_network_is_run_by_the_file_of_onnx():
    assert find_backend('web').RUNTIME == 'onnx'
    assert find_backend('web').load is onnx.load


def test_page_asks_no_other_server_and_runs_no_text_as_code():
    html = (PAGE / 'index.html').read_text()
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', html)[1]
    rules = dict(rule.strip().split(' ', 1) for rule in policy.split(';'))
    assert rules['default-src'] == "'none'"
    sources = {source for rule in rules.values() for source in rule.split()}
    assert sources == {"'none'", "'self'", "'wasm-unsafe-eval'", 'blob:', 'data:'}
    scripts = [name for name in PAGE_FILES if name.endswith(('.js', '.css', '.html'))]
    assert len(scripts) == 7
    for name in scripts:
        text = (PAGE / name).read_text()
        urls = set(re.findall(r'(?:https?:)?//[\w.-]+\.\w+', text)) - {'http://www.w3.org'}
        assert not urls, name
        assert not re.search(r'innerHTML|outerHTML|document\.write|\beval\(|new Function', text), (
            name
        )
    assert not re.search(r'<script(?![^>]* src=)|\son\w+=|\sstyle=', html)


def test_every_id_that_the_scripts_use_is_in_the_page():
    html = (PAGE / 'index.html').read_text()
    ids = set(re.findall(r'\bid="([\w-]+)"', html))
    used = set()
    for name in ('page', 'view'):
        used |= set(re.findall(r"\$\('([\w-]+)'\)", (PAGE / f'page/{name}.js').read_text()))
    assert len(used) > 10
    assert used <= ids
    labelled = set(re.findall(r'\b(?:for|aria-labelledby|aria-describedby)="([\w-]+)"', html))
    assert labelled <= ids
