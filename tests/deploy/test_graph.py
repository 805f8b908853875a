"""The graph in plain torch, run by the runtime, gives the labels of mmseg's inference."""

from copy import deepcopy

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmseg.models.decode_heads import FCNHead
from small_segmentor import LOAD, NORMALISE, PACK, build
from torch.nn import functional as F

from mmseg_eff.deploy import SegmentationGraph, Segmenter
from mmseg_eff.deploy.description import find_resize
from mmseg_eff.deploy.runtime_scores import labels_of
from mmseg_eff.errors import InputError
from mmseg_eff.inference.segmentor import ImageSegmentor, segment_image

SIZE = (45, 62)


def eager(graph):
    """The runtime with the graph itself as its engine."""

    def run(inputs):
        with torch.no_grad():
            return graph(*(torch.from_numpy(inputs[name]) for name in graph.inputs)).numpy()

    return Segmenter({**graph.describe(), 'classes': [], 'palette': []}, run)


def noise(seed, size):
    """A smooth image (H, W, 3)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), np.uint8)
    return cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)


@pytest.fixture
def image():
    return noise(0, SIZE)


@pytest.mark.parametrize('inside', [(), ('normalise',), ('labels',), ('normalise', 'labels')])
@pytest.mark.parametrize(
    'settings',
    [
        dict(),
        dict(resize=dict(type='Resize', scale=(64, 32), keep_ratio=True)),
        dict(resize=dict(type='Resize', scale=(37, 51), backend='pillow')),
        dict(resize=dict(type='Resize', scale_factor=1.5, keep_ratio=True)),
        dict(test_cfg=dict(size_divisor=32), pad_val=3),
        dict(test_cfg=dict(size=(50, 40))),
        dict(num_classes=1),
    ],
    ids=['plain', 'keep-ratio', 'pillow', 'factor', 'divisor', 'padded', 'one-class'],
)
def test_labels_are_those_of_mmseg(settings, inside, image):
    model = build(**NORMALISE, **settings)
    expected = segment_image(model, image.copy())
    assert len(np.unique(expected)) > 1
    graph = SegmentationGraph(model, inside=inside).eval()
    labels = eager(graph).segment(image)
    assert labels.shape == SIZE and labels.dtype == np.uint8
    assert (labels == expected).mean() > 0.999


@pytest.mark.parametrize(
    ('settings', 'size'),
    [
        pytest.param(dict(), SIZE, id='upsampled'),
        pytest.param(dict(), (48, 64), id='by a whole factor'),
        pytest.param(dict(), None, id='any size'),
        pytest.param(dict(resize=dict(type='Resize', scale=(64, 32))), None, id='original'),
        pytest.param(dict(num_classes=1), SIZE, id='one class'),
    ],
)
def test_labels_of_a_batch_are_those_of_each_image(settings, size):
    images = np.stack([noise(seed, size or SIZE) for seed in range(3)])
    model = build(**NORMALISE, **settings)
    alone = eager(SegmentationGraph(model, size=size).eval())
    expected = [alone.segment(image) for image in images]
    assert len({labels.tobytes() for labels in expected}) == 3
    for batch in (None, 3, 2):  # 2: the third image runs with itself
        together = eager(SegmentationGraph(model, size=size, batch=batch).eval())
        assert np.array_equal(together.segment_batch(images), expected)
        assert np.array_equal(together.segment(images[0]), expected[0])


@pytest.mark.parametrize(
    ('size', 'settings'),
    [((48, 64), {}), (SIZE, dict(test_cfg=dict(size_divisor=16))), (SIZE, {})],
    ids=['as it is', 'padded', 'no whole factor'],
)
def test_logits_of_a_fixed_size_are_resized_at_most_once(size, settings):
    image = noise(1, size)
    model = build(**NORMALISE, **settings)
    model.decode_head = FCNHead(
        in_channels=131, in_index=1, channels=131, num_convs=0, num_classes=4, align_corners=True
    ).eval()
    model.align_corners = True
    graph = SegmentationGraph(model, size=size).eval()
    assert (eager(graph).segment(image) == segment_image(model, image.copy())).mean() > 0.999
    program = torch.export.export(graph, graph.example(size))
    shapes = [tuple(getattr(node.meta.get('val'), 'shape', ())) for node in program.graph.nodes]
    at_full_size = [shape for shape in shapes if shape == (1, 4, *size)]
    assert bool(at_full_size) == (size == SIZE and not settings)


@pytest.mark.parametrize('inside', [('normalise',), ('normalise', 'labels')])
@pytest.mark.parametrize('result', ['logits', 'probabilities'])
@pytest.mark.parametrize('kind', ['softmax', 'sigmoid', 'one class'])
def test_scores_are_those_of_mmseg(kind, result, inside, image):
    model = build(**NORMALISE, num_classes=1 if kind == 'one class' else 4)
    model.decode_head.loss_decode.use_sigmoid = kind != 'softmax'
    segmentor = ImageSegmentor(model)
    loaded = segmentor.reader.from_bgr(image)
    expected = segmentor.scores(loaded, result)
    runtime = eager(SegmentationGraph(model, inside=inside, result=result).eval())
    scores = runtime.scores(image)
    assert scores.dtype == np.float32 and scores.std() > 0.01
    if kind == 'one class' and result == 'logits':
        scores = 1 / (1 + np.exp(-scores))  # as mmseg gives them
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert (runtime.segment(image) == segmentor.segment(loaded)).mean() > 0.999


def test_scores_of_labels():
    segmenter = eager(SegmentationGraph(build(), size=SIZE).eval())
    with pytest.raises(ValueError, match='exported for labels; export with --output'):
        segmenter.scores(np.zeros((*SIZE, 3), np.uint8))


def test_resize_inside_is_close(image):
    model = build(dict(type='Resize', scale=(64, 32)), **NORMALISE)
    expected = segment_image(model, image.copy())
    graph = SegmentationGraph(model, inside=('resize', 'normalise', 'labels'), size=SIZE).eval()
    assert graph.inputs == ('image',)
    assert (eager(graph).segment(image) == expected).mean() > 0.98  # grey levels round otherwise


def test_model_is_left_alone():
    model = build()
    before = deepcopy(model.state_dict())
    SegmentationGraph(model)
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)


def test_tracing_makes_no_constants():
    """LiteRT cannot convert a tensor that is made of numbers while the network runs."""
    graph = SegmentationGraph(build(**NORMALISE), inside=('normalise',), size=SIZE).eval()
    program = torch.export.export(graph, graph.example(SIZE))
    operations = {str(node.target) for node in program.graph.nodes}
    assert 'aten.conv2d.default' in operations
    assert not operations & {'aten.scalar_tensor.default', 'aten.item.default'}


@pytest.mark.parametrize('align_corners', [True, False])
@pytest.mark.parametrize('size', [(31, 57), (9, 12), (4, 1)])
def test_labels_of_logits(align_corners, size):
    logits = torch.randn(5, 9, 12)
    enlarged = F.interpolate(logits[None], size, mode='bilinear', align_corners=align_corners)[0]
    labels = labels_of(logits.numpy(), size, align_corners, None)
    top = enlarged.topk(2, 0).values
    is_clear = (top[0] - top[1] > 1e-5).numpy()  # no tie by rounding
    assert is_clear.mean() > 0.9
    assert np.array_equal(labels[is_clear], enlarged.argmax(0).numpy()[is_clear])


@pytest.mark.parametrize(
    ('transforms', 'message'),
    [
        ([dict(type='RandomFlip', prob=0.5)], 'cannot export .*RandomFlip'),
        ([dict(type='Resize', scale=(8, 8), interpolation='nearest')], 'one bilinear Resize'),
        ([dict(type='Resize', scale=(8, 8))] * 2, 'one bilinear Resize'),
    ],
)
def test_pipelines_that_cannot_be_exported(transforms, message):
    pipeline = [ConfigDict(transform) for transform in (LOAD, *transforms, PACK)]
    with pytest.raises(InputError, match=message):
        find_resize(pipeline)


@pytest.mark.parametrize(
    ('resize', 'inside', 'size', 'message'),
    [
        (None, ('argmax',), None, r"of \('resize', 'normalise', 'labels'\), got \['argmax'\]"),
        (None, ('resize',), (32, 32), 'the test pipeline has none'),
        (dict(scale=(8, 8)), ('resize', 'normalise'), None, 'needs a fixed size'),
        (dict(scale=(8, 8)), ('resize',), (32, 32), 'and normalise inside'),
        (dict(scale=(8, 8), backend='pillow'), ('resize', 'normalise'), (32, 32), 'by pillow'),
    ],
)
def test_parts_that_do_not_go_together(resize, inside, size, message):
    model = build(resize and dict(type='Resize', **resize))
    with pytest.raises(InputError, match=message):
        SegmentationGraph(model, inside=inside, size=size)


def test_output_that_does_not_exist():
    with pytest.raises(InputError, match="one of labels, probabilities, logits, got 'masks'"):
        SegmentationGraph(build(), result='masks')


@pytest.mark.parametrize(
    ('size', 'batch', 'axes'),
    [((8, 8), 1, None), (None, 4, {1, 2}), ((8, 8), None, {0}), (None, None, {0, 1, 2})],
)
def test_free_axes(size, batch, axes):
    graph = SegmentationGraph(build(), size=size, batch=batch)
    assert graph.free_axes is None if axes is None else graph.free_axes[0].keys() == axes
    (image,) = graph.example((8, 8))
    assert image.shape == (2 if batch is None else batch, 8, 8, 3)


def test_the_origin_of_the_weights_is_described():
    origin = dict(weights='hub:x', checkpoint_sha256='0' * 64)
    facts = SegmentationGraph(build(), size=SIZE, origin=origin).describe()
    assert {key: facts[key] for key in origin} == origin
    assert SegmentationGraph(build(), size=SIZE).describe()['weights'] is None
