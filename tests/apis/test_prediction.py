"""load_model and predict, as a Python user calls them."""

import copy
import json
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from exported import write_export
from helpers import read_image
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.apis import MMSegInferencer, inference_model, init_model
from mmseg.registry import MODELS
from videos import make_video

import mmseg_eff
from mmseg_eff import compat
from mmseg_eff.commands import export
from mmseg_eff.commands import predict as command
from mmseg_eff.config.load import load_config
from mmseg_eff.converters import save_checkpoint
from mmseg_eff.datasets.image_reader import ImageReader
from mmseg_eff.deploy.segmentor import load_export
from mmseg_eff.errors import InputError
from mmseg_eff.hub import published, weights_of
from mmseg_eff.hub.cache import VARIABLE, converted_path
from mmseg_eff.hub.download import MIRROR

NAME = 'espnet-p2q3_1xb8-0.6k_toystreet-128x256'
CONFIG = compat.PACKAGE_ROOT / f'.mim/configs/espnet/{NAME}.py'
WEIGHTS = 'espnet-p2q3_cityscapes'


def write_weights(config, path):
    """Weights of a config's network, as they are drawn."""
    init_default_scope('mmseg')
    state = MODELS.build(Config.fromfile(config).model).state_dict()
    save_checkpoint(dict(state_dict=state, meta={}), path)
    return path


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    torch.manual_seed(1)
    return write_weights(CONFIG, tmp_path_factory.mktemp('weights') / 'weights.pth')


@pytest.fixture(scope='module')
def model_of_all(checkpoint):
    return mmseg_eff.load_model(NAME, checkpoint, device='cpu')


@pytest.fixture
def loaded(model_of_all):
    return copy.deepcopy(model_of_all)  # mmseg's inference_model changes the cfg of its model


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The cache has one network's weights; nothing can be fetched."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / 'cache'))
    monkeypatch.setenv(MIRROR, str(tmp_path / 'nothing here'))
    path = converted_path(WEIGHTS)
    path.parent.mkdir(parents=True)
    config = CONFIG.parents[1] / f'{published()[WEIGHTS].config}.py'
    return write_weights(config, path)


@pytest.fixture
def image(make_image, tmp_path):
    return make_image(tmp_path / 'images/a.png', 64, 96)


def same_weights(model, other):
    state = other.state_dict()
    return all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize('kind', ['name', 'scoped name', 'path', 'Path', 'Config'])
def test_every_way_to_name_a_config(kind, checkpoint, loaded):
    given = {
        'name': NAME,
        'scoped name': f'mmseg_eff::espnet/{NAME}.py',
        'path': str(CONFIG),
        'Path': CONFIG,
        'Config': Config.fromfile(CONFIG),
    }[kind]
    before = given.to_dict() if kind == 'Config' else None
    model = mmseg_eff.load_model(given, checkpoint, device='cpu')
    assert same_weights(model, loaded) and not model.training
    assert model.dataset_meta['classes'] == loaded.dataset_meta['classes']
    assert kind != 'Config' or given.to_dict() == before  # the user's config stays


@pytest.mark.parametrize('given', [WEIGHTS, f'hub:{WEIGHTS}', 'config', 'Config'])
def test_published_weights(given, cache):
    config = f'mmseg_eff::{published()[WEIGHTS].config}.py'
    of_kind = {'config': config, 'Config': load_config(config)}
    given = of_kind.get(given, given)
    model = mmseg_eff.load_model(given, device='cpu')
    expected = mmseg_eff.load_model(config, cache, device='cpu')
    assert same_weights(model, expected)
    assert model.cfg.filename == expected.cfg.filename
    assert len(model.dataset_meta['classes']) == 19
    assert same_weights(mmseg_eff.load_model(config, f'hub:{WEIGHTS}', device='cpu'), model)


def test_no_random_weights(cache, tmp_path):
    own = tmp_path / 'own.py'
    own.write_text(f"_base_ = 'mmseg_eff::{published()[WEIGHTS].config}.py'\n")
    for given in (NAME, own):
        message = rf'^{given}: no weights are published for this config; give a checkpoint'
        with pytest.raises(InputError, match=message):
            mmseg_eff.load_model(given, device='cpu')
    with pytest.raises(InputError, match=r'^the config: no weights are published'):
        mmseg_eff.load_model(Config.fromfile(own), device='cpu')
    with pytest.raises(InputError, match=r'^mobilenetv2_imagenet: are the weights of an encoder'):
        mmseg_eff.load_model('mobilenetv2_imagenet')
    with pytest.raises(InputError, match=r'did you mean espnet-p2q3_cityscapes'):
        mmseg_eff.load_model('hub:espnet-p2q3_cityscape')
    with pytest.raises(InputError, match=rf'^{tmp_path}: is a folder; give an exported folder'):
        mmseg_eff.load_model(tmp_path)


def test_two_weights_of_a_config_are_not_guessed(monkeypatch):
    row = published()[WEIGHTS]
    other = row._replace(name='others')
    monkeypatch.setattr('mmseg_eff.inference.published.weights_of', lambda config: [row, other])
    with pytest.raises(InputError, match=rf'give one of the checkpoints hub:{WEIGHTS}, hub:others'):
        mmseg_eff.load_model(row.config.rpartition('/')[2])


def test_every_published_name_has_a_config_with_these_weights_alone():
    rows = [row for row in published().values() if row.config]
    assert len(rows) > 20
    for row in rows:
        assert (CONFIG.parents[1] / f'{row.config}.py').is_file()
        assert weights_of(row.config) == [row]


def test_options_and_a_checkpoint_of_another_network(checkpoint):
    options = {'test_pipeline.0.color_type': 'color', 'model.test_cfg.mode': 'slide',
               'model.test_cfg.crop_size': (64, 64), 'model.test_cfg.stride': (32, 32)}  # fmt: skip
    model = mmseg_eff.load_model(NAME, checkpoint, device='cpu', options=options)
    assert model.test_cfg.mode == 'slide'
    with pytest.raises(InputError, match=f'^{checkpoint}: '):
        mmseg_eff.load_model(
            NAME, checkpoint, device='cpu', options={'model.decode_head.num_classes': 5}
        )


def test_optimized_network_is_equal_but_for_rounding(checkpoint, loaded, image):
    model = mmseg_eff.load_model(NAME, checkpoint, device='cpu', optimize=True)
    assert len(model.state_dict()) < len(loaded.state_dict())
    labels, expected = (next(mmseg_eff.predict(net, image)).labels for net in (model, loaded))
    assert (labels == expected).mean() > 0.999


def test_mmseg_s_functions_give_the_same_labels(loaded, checkpoint, image):
    (prediction,) = mmseg_eff.predict(loaded, image)
    assert len(np.unique(prediction.labels)) > 1
    for given in (str(image), read_image(image)):
        sample = inference_model(loaded, given)
        assert np.array_equal(sample.pred_sem_seg.data[0].numpy(), prediction.labels)
        assert sample.seg_logits.data.shape == (9, 64, 96)  # predict() left the model as it is
    of_mmseg = init_model(str(CONFIG), str(checkpoint), device='cpu')
    assert np.array_equal(next(mmseg_eff.predict(of_mmseg, image)).labels, prediction.labels)
    inferencer = MMSegInferencer(NAME, weights=str(checkpoint), device='cpu', scope='mmseg_eff')
    assert np.array_equal(inferencer(str(image))['predictions'], prediction.labels)


def test_files_arrays_and_videos(loaded, image, tmp_path):
    clip = make_video(tmp_path / 'clip.mp4')
    pixels = read_image(image)
    predictions = [*mmseg_eff.predict(loaded, [tmp_path / 'images', pixels, str(clip)])]
    assert all(isinstance(prediction, mmseg_eff.Prediction) for prediction in predictions)
    facts = [(prediction.name, prediction.path, prediction.frame) for prediction in predictions]
    assert facts == [
        ('a', image, None),
        ('array_000000', None, None),
        *((f'clip/{frame:06d}', clip, frame) for frame in range(3)),
    ]
    of_file, of_array, *frames = predictions
    assert np.array_equal(of_file.labels, of_array.labels)
    assert np.array_equal(of_file.image, pixels) and np.array_equal(of_array.image, pixels)
    assert of_file.labels.dtype == np.uint8 and of_file.probabilities is None
    assert of_file.classes == loaded.dataset_meta['classes']
    assert of_file.palette == loaded.dataset_meta['palette']
    capture = cv2.VideoCapture(str(clip))
    for frame in frames:
        decoded = capture.read()[1]
        assert np.array_equal(frame.image, decoded)
        assert np.array_equal(frame.labels, next(mmseg_eff.predict(loaded, decoded)).labels)


def test_probabilities(loaded, image):
    (prediction,) = mmseg_eff.predict(loaded, image, probabilities=True)
    shares = prediction.probabilities
    assert shares.shape == (9, 64, 96) and shares.dtype == np.float32
    expected = inference_model(loaded, str(image)).seg_logits.data.softmax(0)
    np.testing.assert_allclose(shares, expected.numpy(), atol=1e-6)
    assert np.array_equal(shares.argmax(0), prediction.labels)


@pytest.mark.parametrize(
    ('head', 'shape'),
    [
        (dict(num_classes=2, out_channels=1, threshold=0.4), (2, 64, 96)),
        (dict(num_classes=3), (3, 64, 96)),
    ],
    ids=['one output', 'three sigmoid outputs'],
)
def test_probabilities_of_sigmoid_outputs(head, shape, image):
    config = Config.fromfile(CONFIG)
    loss = dict(type='CrossEntropyLoss', use_sigmoid=True)
    config.model.decode_head = dict(
        type='FCNHead', in_channels=256, channels=8, in_index=2, loss_decode=loss, **head
    )
    model = init_model(config, device='cpu')
    (prediction,) = mmseg_eff.predict(model, image, probabilities=True)
    logits = inference_model(model, str(image)).seg_logits.data
    assert prediction.probabilities.shape == shape
    if shape[0] == 2:  # mmseg has applied the sigmoid
        np.testing.assert_allclose(prediction.probabilities[1], logits[0], atol=1e-6)
        np.testing.assert_allclose(prediction.probabilities.sum(0), 1, atol=1e-6)
        assert np.array_equal(prediction.labels, prediction.probabilities[1] > 0.4)
    else:
        np.testing.assert_allclose(prediction.probabilities, logits.sigmoid(), atol=1e-6)


def test_crf_gets_image_and_logits(loaded, image):
    seen = []

    def crf(pixels, logits):
        seen.append((pixels, logits))
        return np.full(pixels.shape[:2], 7)

    (prediction,) = mmseg_eff.predict(loaded, image, crf=crf, probabilities=True)
    assert (prediction.labels == 7).all() and prediction.labels.dtype == np.uint8
    assert len(seen) == 1 and np.array_equal(seen[0][0], read_image(image))
    np.testing.assert_allclose(prediction.probabilities, seen[0][1].softmax(0), atol=1e-6)


def test_tiles_without_the_resizing_of_the_pipeline(checkpoint, image, tmp_path):
    config = Config.fromfile(CONFIG)
    config.test_pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='Resize', scale=(48, 32)),
        dict(type='PackSegInputs'),
    ]
    config.test_dataloader.dataset.pipeline = config.test_pipeline
    model = mmseg_eff.load_model(config, checkpoint, device='cpu')
    plain = mmseg_eff.load_model(NAME, checkpoint, device='cpu', options=dict(
        test_pipeline=[dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]))  # fmt: skip
    np.save(tmp_path / 'b.npy', read_image(image)[..., ::-1])
    inputs = [image, tmp_path / 'b.npy']
    tiled = [*mmseg_eff.predict(model, inputs, tile=128, overlap=32)]  # one tile each
    (expected,) = mmseg_eff.predict(plain, image)
    for prediction in tiled:
        assert np.array_equal(prediction.labels, expected.labels)
        assert np.array_equal(prediction.overlay(), expected.overlay())
    assert not np.array_equal(next(mmseg_eff.predict(model, image)).labels, expected.labels)
    assert len(model.cfg.test_pipeline) == 3


def test_pipeline_is_built_once(loaded, image, monkeypatch):
    built = []
    original = ImageReader.__init__

    def count(self, *args, **kwargs):
        built.append(self)
        original(self, *args, **kwargs)

    pixels = read_image(image)
    monkeypatch.setattr(ImageReader, '__init__', count)
    assert len([*mmseg_eff.predict(loaded, pixels)]) == 1
    once = len(built)
    assert len([*mmseg_eff.predict(loaded, [pixels, image, pixels, pixels])]) == 4
    assert len(built) == 2 * once


def test_frames_of_a_camera_are_taken_as_they_come(loaded):
    taken = []

    def camera():
        while True:
            taken.append(len(taken))
            yield np.full((32, 32, 3), len(taken), np.uint8)

    names = [prediction.name for prediction in islice(mmseg_eff.predict(loaded, camera()), 3)]
    assert names == ['array_000000', 'array_000001', 'array_000002']
    assert len(taken) == 3


def test_a_camera_by_its_number(loaded, monkeypatch):
    class Camera:
        num_read = 0

        def isOpened(self):
            return True

        def get(self, _key):
            return 0.0

        def read(self):
            self.num_read += 1
            return True, np.full((32, 32, 3), 100, np.uint8)

        def release(self):
            self.num_read = -1

    camera = Camera()
    monkeypatch.setattr('mmseg_eff.inference.video.open_capture', lambda address: camera)
    predictions = [*mmseg_eff.predict(loaded, 'camera:0', max_frames=2)]
    facts = [(prediction.name, prediction.path, prediction.frame) for prediction in predictions]
    assert facts == [('camera_0/000000', None, 0), ('camera_0/000001', None, 1)]
    assert camera.num_read == -1
    endless = mmseg_eff.predict(loaded, 'camera:0')
    assert next(endless).labels.shape == (32, 32)
    endless.close()
    assert camera.num_read == -1


def test_streams_that_fail_end_or_are_collected(loaded, image):
    with pytest.raises(InputError, match=r'^camera:97: cannot be opened'):
        next(mmseg_eff.predict(loaded, 'camera:97'))
    failed = {}
    predictions = [*mmseg_eff.predict(loaded, ['camera:97', image], failed=failed)]
    assert [prediction.name for prediction in predictions] == ['a']
    assert list(failed) == ['camera:97']
    with pytest.raises(InputError, match='predict_to_folder takes paths; give arrays to predict'):
        mmseg_eff.predict_to_folder(loaded, [read_image(image)], 'out')


def test_bad_files_end_or_are_collected(loaded, image, tmp_path):
    bad = image.with_name('b.png')
    bad.write_text('no image')
    image.with_name('c.png').write_bytes(image.read_bytes())
    clip = make_video(tmp_path / 'clip.mp4')
    clip.write_bytes(clip.read_bytes()[:600])
    inputs = [image.parent, clip, read_image(image)]
    predictions = mmseg_eff.predict(loaded, inputs)
    assert next(predictions).name == 'a'
    with pytest.raises(InputError, match=f'^{bad}: cannot be decoded'):
        next(predictions)
    failed = {}
    predictions = mmseg_eff.predict(loaded, inputs, failed=failed)
    assert [prediction.name for prediction in predictions] == ['a', 'c', 'array_000000']
    assert list(failed) == [bad, clip]
    assert failed[bad].startswith(f'{bad}: cannot be decoded')
    assert 'frames could be decoded' in failed[clip]


def test_errors_of_the_consumer_are_not_the_file_s(loaded, image):
    failed = {}
    with pytest.raises(ZeroDivisionError):
        for _ in mmseg_eff.predict(loaded, image, failed=failed):
            1 / 0  # noqa: B018
    assert not failed


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(tile=100), 'tile must be a multiple of 32, got 100'),
        (dict(tile=64, overlap=32), r'tile must be more than twice overlap \(32\), got 64'),
        (dict(tile=64, overlap=0, probabilities=True), 'tile and probabilities exclude each other'),
        (dict(inputs='none.png'), r'none\.png: no such file or folder'),
        (dict(inputs=7), 'an input must be a path or an array, got int'),
        (dict(model=7), 'model must be a segmentor of load_model or .*, got int'),
        (dict(model=torch.nn.Conv2d(1, 1, 1)), 'model must be a segmentor of .*, got Conv2d'),
        (dict(model='none'), 'none: is no exported folder; load a network by load_model'),
    ],
)
def test_wrong_arguments_are_errors_of_the_call(loaded, image, options, message):
    values = {'model': loaded, 'inputs': image, **options}
    with pytest.raises(InputError, match=message):
        mmseg_eff.predict(values.pop('model'), values.pop('inputs'), **values)


def test_arrays_and_models_that_do_not_fit(loaded, checkpoint):
    for wrong in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3))):
        with pytest.raises(InputError, match=r'^image: must be uint8 BGR \(H, W, 3\), is'):
            next(mmseg_eff.predict(loaded, wrong))
    model = mmseg_eff.load_model(NAME, checkpoint, device='cpu').train()
    with pytest.raises(InputError, match=r'in training mode: call eval\(\) first'):
        mmseg_eff.predict(model, np.zeros((4, 4, 3), np.uint8))
    model = mmseg_eff.models.predict_labels_only(model.eval())
    with pytest.raises(InputError, match='need logits; the model predicts labels alone'):
        next(mmseg_eff.predict(model, np.zeros((4, 4, 3), np.uint8), probabilities=True))


def test_exported_folder(tmp_path, image):
    folder = write_export(tmp_path / 'exported')
    exported = load_export(folder)
    expected = exported.runtime.segment(read_image(image))
    assert len(np.unique(expected)) > 1
    for model in (str(folder), folder, exported):
        of_file, of_array = mmseg_eff.predict(model, [image, read_image(image)])
        assert np.array_equal(of_file.labels, expected)
        assert np.array_equal(of_array.labels, expected)
        assert of_file.classes[8] == 'class 8' and tuple(of_file.palette[8]) == (8, 16, 255)
    for options in (dict(crf=print), dict(probabilities=True)):
        with pytest.raises(InputError, match='an export gives labels alone'):
            mmseg_eff.predict(folder, image, **options)


def test_export_and_model_of_one_network_give_equal_labels(checkpoint, loaded, image, tmp_path):
    pytest.importorskip('onnxruntime', reason='needs the extra [deploy]')
    argv = [NAME, str(checkpoint), '--out', str(tmp_path / 'exported'), '--images', str(image)]
    assert export.main(argv) == 0
    predictions = [
        next(mmseg_eff.predict(network, image)) for network in (loaded, tmp_path / 'exported')
    ]
    assert np.array_equal(predictions[0].labels, predictions[1].labels)
    assert np.array_equal(predictions[0].overlay(), predictions[1].overlay())
    assert tuple(predictions[0].classes) == tuple(predictions[1].classes)
    assert predictions[0].name == predictions[1].name == 'a'


def test_a_folder_as_the_command_writes_it(checkpoint, loaded, image, tmp_path, capsys):
    make_video(image.parent / 'clip.mp4')
    bad = image.with_name('b.png')
    bad.write_text('no image')
    result = mmseg_eff.predict_to_folder(loaded, image.parent, tmp_path / 'out', opacity=0.3)
    assert (result.folder, result.num_inputs, list(result.failed)) == (tmp_path / 'out', 3, [bad])
    assert result.failed[bad].startswith(f'{bad}: cannot be decoded')
    assert result.speed.num_images == 4 and 0 < result.speed.network < result.speed.seconds
    assert capsys.readouterr().out == ''
    argv = [NAME, str(checkpoint), str(image.parent), '--out', str(tmp_path / 'command')]
    assert command.main([*argv, '--opacity', '0.3', '--device', 'cpu']) == 1
    written = files(tmp_path / 'out')
    assert len(written) == 6 and written == files(tmp_path / 'command')
    for name in written:
        if name.endswith('.png'):
            found, expected = (
                cv2.imread(str(tmp_path / folder / name), -1) for folder in ('out', 'command')
            )
            assert (found == expected).mean() > 0.99  # the command's network is optimised
    for prediction in mmseg_eff.predict(loaded, image):
        prediction.save(tmp_path / 'saved', opacity=0.3)
    for name in files(tmp_path / 'saved'):
        assert (tmp_path / 'saved' / name).read_bytes() == (tmp_path / 'out' / name).read_bytes()


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob('*') if path.is_file())


def test_tiles_are_kept_while_their_settings_are(checkpoint, loaded, image, tmp_path):
    out = tmp_path / 'out'

    def run(model=loaded, **options):
        """Whether the image was segmented again."""
        before = [path.stat().st_mtime_ns for path in (out / 'labels').glob('*.png')]
        mmseg_eff.predict_to_folder(model, image, out, tile=64, overlap=0, **options)
        return before != [path.stat().st_mtime_ns for path in (out / 'labels').glob('*.png')]

    def crf(pixels, logits):
        return logits.argmax(0).numpy()

    assert run()
    assert json.loads((out / 'tiles/a.json').read_text())['settings']['opacity'] == 0.5
    assert not run()
    again = mmseg_eff.load_model(NAME, checkpoint, device='cpu')
    assert not run(again)
    with torch.no_grad():
        next(again.parameters()).add_(1e-3)
    assert run(again) and not run(again)
    assert run(again, opacity=0.4)
    assert run(again, opacity=0.4, legend=True) and not run(again, opacity=0.4, legend=True)
    assert run(again, opacity=0.4, crf=crf) and not run(again, opacity=0.4, crf=crf)
    options = {'model.test_cfg.mode': 'slide', 'model.test_cfg.crop_size': (64, 64),
               'model.test_cfg.stride': (64, 64)}  # fmt: skip
    assert run(mmseg_eff.load_model(NAME, checkpoint, device='cpu', options=options))
    folder = write_export(tmp_path / 'exported')
    assert run(folder) and not run(folder)


def test_a_folder_with_wrong_arguments(loaded, image, tmp_path):
    for options, message in (
        (dict(opacity=2), 'opacity must be between 0 and 1, got 2'),
        (dict(tile=100), 'tile must be a multiple of 32, got 100'),
    ):
        with pytest.raises(InputError, match=message):
            mmseg_eff.predict_to_folder(loaded, image, tmp_path / 'out', **options)
    with pytest.raises(InputError, match='no such file or folder'):
        mmseg_eff.predict_to_folder(loaded, [tmp_path / 'none'], tmp_path / 'out')
    assert not (tmp_path / 'out').exists()
