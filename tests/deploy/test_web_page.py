"""The page of a browser export in headless Chromium: labels, messages, keyboard, webcam."""

import io
import os
import shutil
from pathlib import Path

import browser
import cv2
import numpy as np
import pytest
from browser import Page, serve
from exported import NUM_CLASSES, write_export
from PIL import Image

import mmseg_eff
from mmseg_eff.deploy import load_runtime, write_report
from mmseg_eff.deploy.backends.web import add_files
from mmseg_eff.deploy.runtime_checks import REPORT, read_report
from mmseg_eff.deploy.web_runtime import VARIABLE, find_runtime
from mmseg_eff.hub import find, get

pytestmark = pytest.mark.slow
NETWORKS = {  # published weights -> size, and settings that leave the images as they are
    'espnet-p2q8_cityscapes': ((256, 512), {'test_pipeline.1.scale': (512, 256)}),
    'camvid': ((360, 480), {}),
}
SOFTWARE_WEBGPU = (  # a graphics processor in software, for machines without one
    '--enable-unsafe-webgpu',
    '--enable-unsafe-swiftshader',
    '--use-webgpu-adapter=swiftshader',
)
FAKE_WEBCAM = ('--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream')


@pytest.fixture(scope='module')
def runtime():
    """Files of onnxruntime-web, where a browser is there, too; what the cache lacks is fetched."""
    pytest.importorskip('selenium', reason='run by `make test-web`')
    if program := browser.missing():
        pytest.skip(f'{program} is not there: apt install chromium chromium-driver')
    return find_runtime()


@pytest.fixture(scope='module')
def folder(runtime, tmp_path_factory):
    """A page with a network of random weights, for images of any size."""
    folder = write_export(tmp_path_factory.mktemp('export'), backend='web')
    report = read_report(folder / REPORT) | dict(versions={})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(runtime))
        add_files(folder, report)
    write_report(folder, report)
    return folder


@pytest.fixture(scope='module')
def url(folder):
    with serve(folder) as url:
        yield url


@pytest.fixture
def open_page(runtime, tmp_path):
    """Open a page in a browser with these arguments; closed after the test."""
    pages = []

    def open_page(url, *arguments):
        pages.append(Page(tmp_path / 'downloads', arguments))
        pages[-1].open(url)
        return pages[-1]

    yield open_page
    for page in pages:
        page.close()


@pytest.fixture
def page(open_page, url):
    return open_page(url, *FAKE_WEBCAM)


@pytest.fixture
def image(tmp_path, root):
    """Write the street of the package in a size (H, W) as a PNG."""

    def image(height, width):
        pixels = cv2.imread(str(root / 'mmseg_eff/assets/street.jpg'))
        path = tmp_path / f'street_{height}x{width}.png'
        cv2.imwrite(str(path), cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA))
        return path

    return image


def saved(page, tmp_path, button, suffix):
    """The image that a button of the page saves."""
    page.element(button).click()  # a user's click: a script's second download is blocked
    downloads = tmp_path / 'downloads'
    for _ in range(600):
        found = list(downloads.glob(f'*_{suffix}.png')) if downloads.is_dir() else []
        if found:
            content = found[0].read_bytes()
            found[0].unlink()
            return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
        page.run('return new Promise(resolve => setTimeout(resolve, 50))')
    raise AssertionError(f'no {suffix} in {downloads}')


def labels_of(page, tmp_path):
    return saved(page, tmp_path, 'save-labels', 'labels')


@pytest.mark.parametrize('name', NETWORKS)
@pytest.mark.parametrize('is_isolated', [False, True])
def test_labels_are_those_of_torch(
    runtime, open_page, image, tmp_path, monkeypatch, request, name, is_isolated
):
    if name != 'camvid':
        request.getfixturevalue('official_weights')
    size, options = NETWORKS[name]
    path, checkpoint = image(*size), get(name)
    monkeypatch.setenv(VARIABLE, str(runtime))
    config = Path(find(name).config).name
    result = mmseg_eff.export(
        config,
        checkpoint,
        tmp_path / 'page',
        backend='web',
        images=path,
        options=options,
    )
    assert result.agreement.labels == 1
    model = mmseg_eff.load_model(config, checkpoint, device='cpu', options=options)
    expected = next(mmseg_eff.predict(model, path)).labels
    with serve(result.folder, is_isolated) as url:
        page = open_page(f'{url}?threads=2')
        page.choose(path)
        assert page.text('error') == ''
        np.testing.assert_array_equal(labels_of(page, tmp_path), expected)
        threads = '2 threads' if is_isolated else '1 thread'
        assert f'WebAssembly, {threads}' in page.text('engine')
        assert page.element('threads').is_displayed() != is_isolated
    assert len(np.unique(expected)) > 3


def test_any_size_and_a_reduced_one(page, folder, image, tmp_path):
    path = image(120, 200)
    page.choose(path)
    expected = load_runtime(folder).segment(cv2.imread(str(path)))
    np.testing.assert_array_equal(labels_of(page, tmp_path), expected)
    assert 'resized' not in page.text('status')
    page.choose(image(2000, 1100))
    assert 'Its 1100 x 2000 pixels were resized to 1073 x 1952.' in page.text('status')
    assert labels_of(page, tmp_path).shape == (1952, 1073)


def test_one_size_fills_what_an_image_leaves_free(open_page, folder, image, tmp_path):
    copy = shutil.copytree(folder, tmp_path / 'copy')
    report = read_report(copy / REPORT)
    report.update(
        size=[64, 96], normalise=dict(mean=[10.0, 20.0, 30.0], std=[1.0] * 3, to_rgb=True)
    )
    write_report(copy, report)
    path = image(64, 40)
    with serve(copy) as url:
        page = open_page(url)
        page.choose(path)
        labels = labels_of(page, tmp_path)
    filled = np.full((64, 96, 3), (30, 20, 10), np.uint8)
    filled[:, :40] = cv2.imread(str(path))
    expected = load_runtime(folder).segment(filled)[:, :40]
    np.testing.assert_array_equal(labels, expected)


def test_alpha_is_white_and_exif_turns(page, folder, tmp_path, root):
    pixels = np.zeros((40, 60, 4), np.uint8)
    pixels[:, 30:] = (200, 100, 50, 255)
    cv2.imwrite(str(tmp_path / 'alpha.png'), pixels)
    page.choose(tmp_path / 'alpha.png')
    flat = pixels[..., :3].copy()
    flat[:, :30] = 255
    expected = load_runtime(folder).segment(flat)
    np.testing.assert_array_equal(labels_of(page, tmp_path), expected)

    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    with Image.open(root / 'mmseg_eff/assets/street.jpg') as photo:
        photo.resize((60, 40)).save(tmp_path / 'turned.jpg', exif=exif)
    page.choose(tmp_path / 'turned.jpg')
    assert labels_of(page, tmp_path).shape == (60, 40)


@pytest.mark.parametrize(
    ('name', 'content', 'message'),
    [
        ('notes.txt', b'no image', 'notes.txt: is no image that this browser can read'),
        ('half.png', b'\x89PNG\r\n\x1a\n' + bytes(20), 'half.png: is no image'),
        ('empty.jpg', b'', 'empty.jpg: is no image'),
        ('large.png', bytes(65_000_000), 'large.png: has 65 MB; at most 64 are read'),
    ],
)
def test_wrong_files_get_a_message(page, image, tmp_path, name, content, message):
    page.choose(image(32, 48))
    (tmp_path / name).write_bytes(content)
    page.choose(tmp_path / name)
    assert message in page.text('error')
    page.choose(image(48, 64))  # and the page goes on
    assert page.text('error') == ''
    assert labels_of(page, tmp_path).shape == (48, 64)


def test_too_many_pixels_get_a_message(page, tmp_path):
    packed = io.BytesIO()
    Image.new('1', (10_100, 10_000)).save(packed, 'PNG')
    (tmp_path / 'huge.png').write_bytes(packed.getvalue())
    page.choose(tmp_path / 'huge.png')
    assert 'has 10100 x 10000 pixels; at most 100 megapixels are read' in page.text('error')


def test_webcam_segments_until_it_is_stopped(page, tmp_path):
    page.run('document.getElementById("webcam").click()')
    page.wait('Number(document.body.dataset.images ?? 0) > 1')
    assert page.text('webcam') == 'Stop webcam'
    page.run('document.getElementById("webcam").click()')
    assert page.text('webcam') == 'Start webcam'
    assert page.text('error') == ''
    height, width = labels_of(page, tmp_path).shape
    assert min(height, width) > 100


def test_no_webcam_gets_a_message(open_page, url):
    page = open_page(url, '--use-fake-ui-for-media-stream')
    page.run('document.getElementById("webcam").click()')
    page.wait('!document.getElementById("error").hidden')
    assert page.text('error') == 'No webcam was found.'


def test_keyboard_legend_and_overlay(page, folder, image, tmp_path):
    from selenium.webdriver.common.keys import Keys

    path = image(60, 100)
    page.choose(path)
    labels = load_runtime(folder).segment(cv2.imread(str(path)))
    page.element('stage').send_keys(Keys.ARROW_RIGHT)
    assert page.text('pointed-name') == f'class {labels[30, 52]}'
    page.element('stage').send_keys(Keys.SHIFT, Keys.ARROW_DOWN)
    assert page.text('pointed-name') == f'class {labels[31, 52]}'

    buttons = page.browser.find_elements('css selector', '#legend button')
    assert len(buttons) == NUM_CLASSES
    counts = np.bincount(labels.flat, minlength=NUM_CLASSES)
    largest = counts.argmax()
    share = f'{100 * counts[largest] / labels.size:.1f} %'
    assert buttons[largest].get_property('textContent') == f'class {largest}{share}'
    opacity = 'const range = document.getElementById("opacity"); range.value = 100; range.oninput()'
    page.run(opacity)
    buttons[largest].send_keys(Keys.ENTER)
    assert buttons[largest].get_attribute('aria-pressed') == 'false'
    overlay = saved(page, tmp_path, 'save-overlay', 'overlay')[..., :3]
    palette = np.array(load_runtime(folder).palette, np.uint8)[:, ::-1]
    expected = palette[labels]
    expected[labels == largest] = cv2.imread(str(path))[labels == largest]
    np.testing.assert_array_equal(overlay, expected)


def test_a_folder_that_lacks_the_network_gets_a_message(open_page, folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / 'copy')
    os.remove(copy / 'model.onnx')
    with serve(copy) as url:
        page = open_page(url)
        assert 'model.onnx: the server answers 404' in page.text('error')
        assert not page.element('file').is_enabled()


def test_nothing_is_asked_of_other_servers(page, url, image):
    page.choose(image(32, 48))
    names = page.run('return performance.getEntriesByType("resource").map(entry => entry.name)')
    assert names and all(name.startswith((url, 'data:', f'blob:{url}')) for name in names)
    answer = page.run('return fetch("http://localhost:1/").catch(error => error.message)')
    assert answer == 'Failed to fetch'
    log = ' '.join(entry['message'] for entry in page.browser.get_log('browser'))
    assert 'Content Security Policy' in log


def test_webgpu_gives_the_same_labels(open_page, url, folder, image, tmp_path):
    path = image(48, 64)
    page = open_page(f'{url}?engine=webgpu', *SOFTWARE_WEBGPU)
    if page.text('error'):
        pytest.skip(page.text('error'))
    page.choose(path)
    assert page.text('error') == ''
    expected = load_runtime(folder).segment(cv2.imread(str(path)))
    assert (labels_of(page, tmp_path) == expected).mean() >= 0.9999
    assert 'WebGPU' in page.text('engine')
    for change, milliseconds, said in (
        (0, 1e9, '% of its labels equal'),
        (0, 0, 'it is not faster'),
        (1, 1e9, 'WebGPU is not used: only 0.000 % of its labels equal'),
    ):
        labels = ((expected + change) % NUM_CLASSES).ravel().tolist()
        pixels = cv2.imread(str(path)).ravel().tolist()
        result = page.run(TRY_WEBGPU, f'{url}model.onnx', pixels, labels, milliseconds)
        assert said in result['said']
        assert result['taken'] == (said == '% of its labels equal')


TRY_WEBGPU = """
const [model, pixels, labels, ms] = arguments;
return import('./page/engines.js').then(({ tryWebgpu }) => {
  const image = { pixels: Uint8Array.from(pixels), height: 48, width: 64 };
  return tryWebgpu(model, image, Uint8Array.from(labels), ms);
}).then(({ engine, said }) => ({ taken: Boolean(engine), said }));
"""


def test_software_webgpu_is_not_tried(open_page, url, image):
    page = open_page(url, *SOFTWARE_WEBGPU)
    page.choose(image(32, 48))
    assert page.text('engine').startswith('WebAssembly, 1 thread; ')
