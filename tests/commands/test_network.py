"""The network of a command: CONFIG CHECKPOINT, --weights NAME, or the weights of a CONFIG."""

from types import SimpleNamespace

import cv2
import pytest
from helpers import read_image
from official_file import write_official_file

from mmseg_eff.commands import benchmark, export, predict, pseudo_label, test
from mmseg_eff.commands._network import find_network
from mmseg_eff.converters.convert import convert
from mmseg_eff.errors import InputError
from mmseg_eff.hub import find
from mmseg_eff.hub.cache import VARIABLE, converted_path
from mmseg_eff.hub.download import MIRROR
from mmseg_eff.inference.published import SUGGESTED

NAME = 'espnet-p2q8_cityscapes'
CONFIG = f'mmseg_eff::{find(NAME).config}.py'
BARE = find(NAME).config.rpartition('/')[2]
OTHER = 'mmseg_eff::eseg/eseg-s_1xb16-90k_cityscapes-512x1024.py'  # nothing is published for it


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """The cache has one network's weights, random ones; nothing can be fetched."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / 'cache'))
    monkeypatch.setenv(MIRROR, str(tmp_path / 'nothing here'))
    monkeypatch.chdir(tmp_path)
    source = write_official_file(tmp_path / 'official.pth')
    convert('espnet', source, converted_path(NAME))
    return str(converted_path(NAME))


@pytest.fixture
def photo(make_image, tmp_path):
    return str(make_image(tmp_path / 'photo.jpg', 64, 128))


def found(words, inputs='inputs', weights=None):
    """The config, checkpoint and inputs of the words of a command line, as argparse deals them."""
    config, checkpoint, *rest = [*words, None, None][: max(2, len(words))]
    args = SimpleNamespace(config=config, checkpoint=checkpoint, weights=weights)
    if inputs:
        setattr(args, inputs, rest)
    find_network(args, inputs)
    return args.config, args.checkpoint, getattr(args, inputs) if inputs else None


@pytest.mark.parametrize('name', [NAME, f'hub:{NAME}'])
def test_published_weights_bring_their_config(weights, name, capsys):
    images = ['a.jpg', 'folder/*', 'rtsp://camera/1']
    assert found(images, weights=name) == (CONFIG, weights, images)
    assert found([], None, weights=name) == (CONFIG, weights, None)
    assert found(['own.py', 'a.jpg'], weights=name) == ('own.py', weights, ['a.jpg'])
    assert found(['own'], None, weights=name) == ('own', weights, None)
    assert capsys.readouterr().err == ''


@pytest.mark.parametrize('config', [CONFIG, BARE])
def test_a_config_brings_its_published_weights(weights, config, tmp_path, capsys):
    for images in (['a.jpg'], ['clip.MP4', 'b.png'], [str(tmp_path)], ['*'], ['0'], []):
        assert found([config, *images]) == (config, weights, images)
    assert found([config], None) == (config, weights, None)
    assert capsys.readouterr().err == f'weights: hub:{NAME}\n' * 7


def test_config_and_checkpoint_are_taken_as_they_are(capsys):
    assert found(['a.py', 'b.pth', 'c.jpg']) == ('a.py', 'b.pth', ['c.jpg'])
    assert found(['name', 'b'], None) == ('name', 'b', None)
    assert capsys.readouterr().err == ''


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        ([], r'no network given: --weights NAME .* such as \S+ for streets'),
        (['photo.jpg'], 'no network given'),
        (['photo.jpg', 'photo2.jpg', 'photo3.jpg'], 'no network given'),
        (['missing.py', 'photo.jpg'], r'missing\.py: no such config file'),
        ([OTHER, 'photo.jpg'], rf'{OTHER}: no weights are published for this config; give a chec'),
        ([OTHER, 'photo.jpg'], r'; similar configs have hub:espnet'),
    ],
)
def test_no_network_is_guessed(words, message):
    assert find(SUGGESTED).config
    with pytest.raises(InputError, match=message):
        found(words)


def test_weights_that_do_not_exist_or_fit(weights):
    with pytest.raises(InputError, match=f'no published weights of this name; did you mean {NAME}'):
        found([], weights=NAME[:-1])
    with pytest.raises(InputError, match='resnet18_imagenet: are the weights of an encoder alone'):
        found([], weights='resnet18_imagenet')
    with pytest.raises(InputError, match=f'--weights {NAME} takes the place of the checkpoint b'):
        found(['a.py', 'b.pth'], None, weights=NAME)


def test_one_line_segments_a_photo(weights, photo, tmp_path, capsys):
    assert predict.main(['--weights', NAME, photo, '--device', 'cpu']) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == '1 of 1 inputs: segmented/overlays/photo.png'
    assert printed[1].startswith('1 image in ') and len(printed) == 2
    labels = cv2.imread(str(tmp_path / 'segmented/labels/photo.png'), cv2.IMREAD_UNCHANGED)
    assert read_image(tmp_path / 'segmented/overlays/photo.png').shape == (64, 128, 3)
    for words in ([BARE, photo], [BARE, f'hub:{NAME}', photo], [CONFIG, weights, photo]):
        assert predict.main([*words, '--out', 'again', '--device', 'cpu']) == 0
        again = cv2.imread(str(tmp_path / 'again/labels/photo.png'), cv2.IMREAD_UNCHANGED)
        assert (again == labels).all()


@pytest.mark.parametrize('words', [[], ['photo.jpg'], ['--out', 'x', 'photos/*.jpg']])
def test_no_photo_is_labelled_by_random_weights(words, photo, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert predict.main(words) == 1
    error = capsys.readouterr().err
    assert error.startswith('error: no network given: --weights NAME') and error.count('\n') == 1
    assert not (tmp_path / 'segmented').exists()


@pytest.mark.parametrize(
    ('module', 'function', 'words'),
    [
        (test, 'evaluation.evaluate', ['--tta']),
        (export, 'exporting.export', ['--out', 'exported']),
        (pseudo_label, 'labelling.pseudo_label', ['photo.jpg', '--out', 'labels']),
    ],
)
@pytest.mark.parametrize('network', [['--weights', NAME], [BARE], [BARE, f'hub:{NAME}']])
def test_other_commands(module, function, words, network, weights, monkeypatch):
    given = []

    def take(config, checkpoint, *_, **__):
        given.append((getattr(config, 'filename', config), checkpoint))
        raise InputError('enough')

    monkeypatch.setattr(f'mmseg_eff.apis.{function}', take)
    assert module.main([*network, *words]) == 1
    ((config, checkpoint),) = given
    assert BARE in str(config) and checkpoint == weights


def test_benchmark_takes_several(weights, monkeypatch, capsys):
    given = []

    def take(networks, *_, **__):
        given.extend(networks)
        raise InputError('enough')

    monkeypatch.setattr('mmseg_eff.apis.measuring.benchmark', take)
    assert benchmark.main(['--weights', NAME, '--image', 'a.png']) == 1
    assert benchmark.main([BARE, '--weights', f'hub:{NAME}', '--size', '64', '128']) == 1
    first, second, random = given
    assert (first.name, first.path, first.checkpoint) == (NAME, CONFIG, weights) == second[:3]
    assert (random.name, random.checkpoint) == (BARE, None)
