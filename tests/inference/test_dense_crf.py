"""The dense CRF, by itself and in the commands; a fake library is enough for most tests."""

import inspect
import sys
from types import SimpleNamespace

import cv2
import mmcv
import numpy as np
import pytest
import torch
from helpers import TINY
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from mmseg_eff.commands import predict
from mmseg_eff.commands import test as evaluate
from mmseg_eff.converters import save_checkpoint
from mmseg_eff.datasets.image_reader import ImageReader
from mmseg_eff.errors import InputError
from mmseg_eff.inference import dense_crf
from mmseg_eff.inference.dense_crf import DenseCRF, refine_predictions

LEAF = 'espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'
# run_densecrf.sh, which the authors published with DeepLab-LargeFOV: POS_W, POS_X_STD, BI_W,
# BI_X_STD, BI_R_STD, MAX_ITER; ICLR 2015, Sec. 4.1: w2 = 3, sigma_gamma = 3, 10 iterations
OF_THE_AUTHORS = dict(w2=3, sigma_gamma=3, w1=4, sigma_alpha=49, sigma_beta=5, iterations=10)


@pytest.fixture
def library():
    return pytest.importorskip('pydensecrf.densecrf', reason='needs pydensecrf2, the extra [crf]')


class FakeField:
    """Gives the costs as probabilities, and records what it was given."""

    given = []

    def __init__(self, width, height, classes):
        self.given[:] = [(width, height, classes)]

    def setUnaryEnergy(self, cost):
        self.cost = cost
        self.given.append((cost.shape, cost.dtype))

    def addPairwiseGaussian(self, **kernel):
        self.given.append(kernel)

    def addPairwiseBilateral(self, rgbim, **kernel):
        self.given.append((rgbim.shape, rgbim.flags.c_contiguous, kernel))

    def inference(self, iterations):
        self.given.append(iterations)
        return self.cost


@pytest.fixture
def fake(monkeypatch):
    library = SimpleNamespace(DenseCRF2D=FakeField)
    monkeypatch.setattr(dense_crf, 'load_library', lambda: library)


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory, root):
    """Weights of the demo's network, as they are drawn."""
    init_default_scope('mmseg')
    config = Config.fromfile(root / 'configs' / LEAF)
    path = tmp_path_factory.mktemp('weights') / 'weights.pth'
    save_checkpoint(dict(state_dict=MODELS.build(config.model).state_dict(), meta={}), path)
    return str(path)


def test_defaults_are_the_authors(fake):
    parameters = inspect.signature(DenseCRF).parameters.values()
    assert {parameter.name: parameter.default for parameter in parameters} == OF_THE_AUTHORS
    image, _ = two_halves()
    DenseCRF()(image, torch.randn(2, 24, 32))
    assert FakeField.given[2:] == [
        dict(sxy=3, compat=3),
        ((24, 32, 3), True, dict(sxy=49, srgb=5, compat=4)),
        10,
    ]


def test_defaults_of_the_library_in_use(library):
    """The labels are those of the authors' values; each other value would change them."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (24, 32, 3), np.uint8) // 4 + 96
    logits = torch.from_numpy(rng.normal(0, 1, (3, 24, 32)))
    expected = DenseCRF(**OF_THE_AUTHORS)(image, logits)
    assert np.array_equal(DenseCRF()(image, logits), expected)
    for name in ('w1', 'sigma_beta', 'w2', 'sigma_gamma'):
        changed = {**OF_THE_AUTHORS, name: OF_THE_AUTHORS[name] / 4}
        assert not np.array_equal(DenseCRF(**changed)(image, logits), expected), name


def two_halves(edge=17, size=(24, 32)):
    """An image, dark to the left of a column, and the labels of its halves."""
    labels = (np.arange(size[1]) >= edge)[None].repeat(size[0], 0).astype(np.int64)
    image = np.uint8([[30, 60, 40], [200, 180, 220]])[labels]
    return image, labels


def test_border_moves_to_the_edge(library):
    image, labels = two_halves()
    rng = np.random.default_rng(0)
    guess = np.roll(labels, 3, 1)  # the border three pixels to the right, and noise
    guess[:, :3] = 0
    guess = np.where(rng.random(labels.shape) < 0.1, 1 - guess, guess)
    logits = torch.from_numpy(2.0 * np.eye(2)[guess]).permute(2, 0, 1)
    assert (logits.argmax(0).numpy() != labels).mean() > 0.1
    crf = DenseCRF()
    assert np.array_equal(crf(image, logits), labels)
    assert crf.num_images == 1 and 'dense CRF: ' in crf.timing()


def mean_field(image, logits, w1, sigma_alpha, sigma_beta, w2, sigma_gamma, iterations):
    """Mean field over all pairs of pixels; each kernel is normalised by the roots of its sums."""
    places = np.stack(np.indices(image.shape[:2]), -1).reshape(-1, 2)
    colors = image.reshape(-1, 3).astype(float)
    near = ((places[:, None] - places) ** 2).sum(-1)
    alike = ((colors[:, None] - colors) ** 2).sum(-1)
    pull = 0
    for weight, kernel in (
        (w1, np.exp(-near / (2 * sigma_alpha**2) - alike / (2 * sigma_beta**2))),
        (w2, np.exp(-near / (2 * sigma_gamma**2))),
    ):
        root = np.sqrt(kernel.sum(1))
        pull = pull + weight * kernel / root / root[:, None]
    logits = logits.flatten(1).T.numpy()
    current = logits
    for _ in range(iterations + 1):
        share = np.exp(current - current.max(1, keepdims=True))
        share /= share.sum(1, keepdims=True)
        current = logits + pull @ share
    return share.argmax(1).reshape(image.shape[:2])


@pytest.mark.parametrize(
    'options',
    [
        dict(w1=4, sigma_alpha=8, sigma_beta=20, w2=0, sigma_gamma=3, iterations=10),
        dict(w1=0, sigma_alpha=8, sigma_beta=20, w2=3, sigma_gamma=1, iterations=10),
        dict(w1=6, sigma_alpha=2, sigma_beta=60, w2=2, sigma_gamma=1, iterations=2),
    ],
    ids=['appearance', 'smoothness', 'both'],
)
def test_labels_by_hand(library, options):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 2, (4, 5, 3)).repeat(4, 0).repeat(4, 1).astype(np.uint8) * 50
    logits = torch.from_numpy(rng.normal(0, 1, (3, *image.shape[:2])))
    labels = DenseCRF(**options)(image, logits)
    # the library approximates the kernels
    assert (labels == mean_field(image, logits, **options)).mean() > 0.9
    assert (labels == logits.argmax(0).numpy()).mean() < 0.9


def test_what_the_library_is_given(fake):
    image, _ = two_halves()
    logits = torch.randn(5, 24, 32, dtype=torch.float16)
    options = dict(w1=5, sigma_alpha=60, sigma_beta=7, w2=2, sigma_gamma=1.5, iterations=4)
    labels = DenseCRF(**options)(image[::-1], logits)
    assert torch.equal(torch.from_numpy(labels), logits.argmin(0))
    assert FakeField.given == [
        (32, 24, 5),
        ((5, 24 * 32), np.float32),
        dict(sxy=1.5, compat=2),
        ((24, 32, 3), True, dict(sxy=60, srgb=7, compat=5)),
        4,
    ]
    with pytest.raises(InputError, match='needs two or more outputs; the network has one'):
        DenseCRF()(image, logits[:1])


def test_both_commands(fake, checkpoint, data_root, tmp_path, capsys):
    """Both commands write the same labels, and without the CRF others."""
    images = data_root / 'toystreet/images/val'
    few = [option for option in TINY if option.startswith('test_dataloader')]
    argv = [f'mmseg_eff::{LEAF}', checkpoint, '--work-dir', str(tmp_path), '--cfg-options', *few]
    assert evaluate.main([*argv, '--crf-options', 'w1=3', '--out', str(tmp_path / 'test')]) == 0
    assert 'dense CRF: ' in capsys.readouterr().out
    for name, options in (('crf', ['--crf']), ('plain', [])):
        argv = [f'mmseg_eff::{LEAF}', checkpoint, str(images), '--out', str(tmp_path / name)]
        assert predict.main([*argv, *options]) == 0
        assert ('dense CRF: ' in capsys.readouterr().out) == bool(options)
    names = [file.name for file in (tmp_path / 'test').iterdir()]
    assert len(names) == 2
    for name in names:
        tested, refined, plain = (
            cv2.imread(str(tmp_path / folder / name), cv2.IMREAD_UNCHANGED)
            for folder in ('test', 'crf/labels', 'plain/labels')
        )
        assert np.array_equal(tested, refined)
        assert not (refined == plain).any()


def test_predictions_are_replaced_and_nothing_else(make_image, tmp_path, root):
    config = Config.fromfile(root / 'configs' / LEAF)
    model = MODELS.build(config.model).eval()
    image = make_image(tmp_path / 'image.png', 48, 64)

    def data(size):
        sample = SegDataSample(
            metainfo=dict(img_path=str(image), ori_shape=size, img_shape=(32, 64))
        )
        return dict(inputs=[torch.zeros(3, 32, 64, dtype=torch.uint8)], data_samples=[sample])

    expected = model.test_step(data((48, 64)))[0]
    seen = []

    def crf(image, logits):
        seen.append(image)
        return np.full(logits.shape[1:], 7)

    refine_predictions(model, crf, ImageReader())
    for size in ((48, 64), (24, 32)):  # a sample may be scored at another size than the file's
        refined = model.test_step(data(size))[0]
        assert refined.pred_sem_seg.data.shape == (1, *size)
        assert (refined.pred_sem_seg.data == 7).all()
        assert seen[-1].shape == (*size, 3)
    logits = model.test_step(data((48, 64)))[0].seg_logits.data
    torch.testing.assert_close(logits, expected.seg_logits.data)
    assert np.array_equal(seen[0], mmcv.imread(image))
    assert model(torch.zeros(1, 3, 32, 64)).shape[1] == 9  # logits, not predictions


def error_of(main, argv, capsys):
    assert main(argv) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize('main', [evaluate.main, predict.main], ids=['test', 'predict'])
def test_missing_library(main, checkpoint, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'pydensecrf', None)
    inputs = [] if main is evaluate.main else ['image.png']
    argv = [f'mmseg_eff::{LEAF}', checkpoint, *inputs, '--out', str(tmp_path), '--crf']
    message = 'the dense CRF needs pydensecrf2; install the extra [crf]: pip install -e ".[crf]"'
    assert error_of(main, argv, capsys) == f'error: {message}'


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (
            ['--crf-options', 'w3=1', 'sigma=2'],
            'no w3, sigma; allowed are w1, sigma_alpha, sigma_b',
        ),
        (['--crf-options', 'w1=-1'], 'w1 of the CRF must be a number of 0 or more, got -1'),
        (['--crf-options', 'w2=much'], "w2 of the CRF must be a number of 0 or more, got 'much'"),
        (
            ['--crf-options', 'sigma_beta=0'],
            'sigma_beta of the CRF must be a number above 0, got 0',
        ),
        (['--crf-options', 'iterations=0'], 'must be a whole number of 1 or more, got 0'),
        (['--crf', '--tta'], '--crf and --tta exclude each other'),
        (['--output-stride', '4'], 'output_stride must be one of (8, 16, 32), got 4'),
        (['--output-stride', '8'], 'backbone ESPNet has no output_stride to set'),
    ],
)
def test_wrong_options_of_the_commands(options, message, fake, checkpoint, capsys):
    argv = [f'mmseg_eff::{LEAF}', checkpoint, *options]
    assert message in error_of(evaluate.main, argv, capsys)
