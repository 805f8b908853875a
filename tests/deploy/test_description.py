"""What an export says of itself, for programs and in words."""

import hashlib
import json

import numpy as np
import pytest
from mmengine.config import Config
from small_segmentor import LOAD, NORMALISE, build

from mmseg_eff.deploy import SegmentationGraph
from mmseg_eff.deploy.description import describe_config
from mmseg_eff.deploy.runtime_checks import RULES

RESIZE = dict(resize=dict(type='Resize', scale=(64, 32)))


def tensors(settings, **options):
    """Shapes by name and types by name of a graph's inputs and output."""
    graph = SegmentationGraph(build(**NORMALISE, **settings), **options)
    found = graph.describe()['tensors']
    assert [tensor['name'] for tensor in found['inputs']] == list(graph.inputs)
    both = found['inputs'] + found['outputs']
    return [(tensor['name'], tensor['dtype'], tensor['shape']) for tensor in both]


@pytest.mark.parametrize(
    ('settings', 'options', 'expected'),
    [
        pytest.param(
            {},
            dict(size=(48, 64)),
            [('image', 'uint8', [1, 48, 64, 3]), ('labels', 'uint8', [1, 48, 64])],
            id='labels',
        ),
        pytest.param(
            {},
            dict(size=(48, 64), batch=2, result='probabilities', inside=('labels',)),
            [('image', 'float32', [2, 48, 64, 3]), ('probabilities', 'float32', [2, 4, 48, 64])],
            id='probabilities of normalised images',
        ),
        pytest.param(
            RESIZE,
            dict(size=(48, 64)),
            [('image', 'uint8', [1, 32, 64, 3]), ('labels', 'uint8', [1, 48, 64])],
            id='resized before',
        ),
        pytest.param(
            RESIZE,
            dict(batch=None, inside=('normalise', 'labels')),
            [
                ('image', 'uint8', [None, None, None, 3]),
                ('original', 'uint8', [None, None, None, 3]),
                ('labels', 'uint8', [None, None, None]),
            ],
            id='anything',
        ),
        pytest.param(
            dict(num_classes=1),
            dict(size=(48, 64), result='logits'),
            [('image', 'uint8', [1, 48, 64, 3]), ('logits', 'float32', [1, 1, 48, 64])],
            id='one logit',
        ),
        pytest.param(
            dict(num_classes=300),
            dict(size=(48, 64)),
            [('image', 'uint8', [1, 48, 64, 3]), ('labels', 'int32', [1, 48, 64])],
            id='many classes',
        ),
        pytest.param(
            {},
            dict(size=(48, 64), inside=('normalise',)),
            [('image', 'uint8', [1, 48, 64, 3]), ('logits', 'float32', [1, 4, None, None])],
            id='labels outside',
        ),
    ],
)
def test_tensors(settings, options, expected):
    assert tensors(settings, **options) == expected


def test_depth_of_the_images():
    image = np.zeros((8, 8, 3), np.uint16)
    assert tensors({}, image=image)[0] == ('image', 'float32', [1, None, None, 3])


def test_preprocessing_in_words():
    graph = SegmentationGraph(build(**NORMALISE, **RESIZE), size=(48, 64))
    assert graph.describe()['preprocessing'] == [
        dict(step='load', inside=False, words='load as BGR, uint8'),
        dict(
            step='resize',
            inside=False,
            words='resize to [64, 32] (width, height), bilinear as by cv2',
        ),
        dict(
            step='normalise',
            inside=True,
            words='BGR to RGB, subtract the mean, divide by the std',
        ),
    ]


def test_config_is_named_and_hashed_without_folders_and_training(tmp_path):
    facts = dict(model=dict(type='A', channels=3), test_pipeline=[LOAD])
    dataset = dict(type='ConcatDataset', datasets=[dict(type='CityscapesDataset', data_root='x')])
    config = Config(dict(facts, test_dataloader=dict(dataset=dataset), train_cfg=dict(iters=1)))
    described = describe_config(config)
    text = json.dumps(facts, sort_keys=True).encode()
    assert described == dict(
        name=None, dataset='CityscapesDataset', sha256=hashlib.sha256(text).hexdigest()
    )
    config.dump(tmp_path / 'net.py')
    assert describe_config(Config.fromfile(tmp_path / 'net.py'))['name'] == 'net'
    config.model.channels = 4
    assert describe_config(config)['sha256'] != described['sha256']


def test_the_runtime_takes_all_of_it():
    origin = dict(
        weights=dict(name='a', licence='MIT', dataset='Cityscapes'), checkpoint_sha256='0' * 64
    )
    graph = SegmentationGraph(build(**NORMALISE, **RESIZE), batch=None, origin=origin)
    facts = json.loads(json.dumps(graph.describe()))
    for key, value in facts.items():
        words, is_allowed = RULES[key]
        assert is_allowed(value), f'{key} must be {words}'
    assert facts['weights']['licence'] == 'MIT'
    graph.model.dataset_meta = dict(classes=('road', 'sky'), palette=[[0, 0, 0], [1, 1, 1]])
    metadata = {key: json.loads(text) for key, text in graph.metadata.items()}
    assert metadata == {**facts, 'classes': ['road', 'sky'], 'palette': [[0, 0, 0], [1, 1, 1]]}
