import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from helpers import BACKBONE, HEAD, SIGMOID, build_segmentor
from mmengine import load
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmseg.registry import METRICS

from mmseg_eff.apis import evaluation
from mmseg_eff.commands import predict, test
from mmseg_eff.converters import save_checkpoint
from mmseg_eff.evaluation.augmentation import augment
from mmseg_eff.evaluation.evaluators import give_output_dirs, labels_suffice

HEADS = {
    'softmax': dict(num_classes=3),
    'one sigmoid output': dict(num_classes=2, out_channels=1, threshold=0.3, loss_decode=SIGMOID),
    'several sigmoid outputs': dict(num_classes=3, loss_decode=SIGMOID),
}
IDENTITY = dict(type='RandomFlip', prob=0.0)
METRIC = dict(type='CheckedIoUMetric', iou_metrics=['mIoU'])
LOADER = dict(
    batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False)
)  # fmt: skip


class MeanConfidence(BaseMetric):
    """A metric of one's own that reads the logits."""

    def process(self, data_batch, data_samples):
        for sample in data_samples:
            probabilities = sample['seg_logits']['data'].softmax(0)
            self.results.append(float(probabilities.amax(0).mean()))

    def compute_metrics(self, results):
        return dict(confidence=sum(results) / len(results))


class LogitsHook(Hook):
    """A hook of one's own that reads the logits."""

    def after_test_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        assert outputs[0].seg_logits.shape == (40, 56)


@pytest.fixture(autouse=True)
def own_parts(monkeypatch):
    for registry, part in ((METRICS, MeanConfidence), (HOOKS, LogitsHook)):
        monkeypatch.setitem(registry._module_dict, part.__name__, part)


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Test random weights on three images in two folders; returns status and output."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name in ('a/1', 'a/2', 'b/1'):
        for kind, high, shape in (('images', 256, (40, 56, 3)), ('labels', 2, (40, 56))):
            path = tmp_path / 'd' / kind / f'{name}.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), rng.integers(0, high, shape, np.uint8))

    def run_tool(*options, head='softmax', annotated=True, **changes):
        torch.manual_seed(0)
        decode_head = {**HEAD, **HEADS[head]}
        segmentor = build_segmentor(BACKBONE, decode_head)
        torch.nn.init.normal_(segmentor.decode_head.conv_seg.weight)
        save_checkpoint(dict(state_dict=segmentor.state_dict(), meta={}), tmp_path / 'w.pth')
        labels = [dict(type='LoadCheckedAnnotations', num_classes=3)] if annotated else []
        steps = [dict(type='LoadCheckedImage'), *labels, dict(type='PackSegInputs')]
        prefix = dict(img_path='images', seg_map_path='labels')
        names = ['x', 'y', 'z'][: decode_head['num_classes']]
        config = dict(
            default_scope='mmseg',
            work_dir='work',
            model=dict(
                type='EncoderDecoder',
                data_preprocessor=dict(type='SegDataPreProcessor', size_divisor=1),
                backbone=BACKBONE,
                decode_head=decode_head,
                test_cfg=dict(mode='whole'),
            ),
            test_dataloader=dict(
                **LOADER,
                dataset=dict(
                    type='BaseSegDataset',
                    data_root='d',
                    img_suffix='.png',
                    metainfo=dict(classes=names, palette=[[0, 0, i] for i in range(len(names))]),
                    data_prefix=prefix if annotated else dict(img_path='images'),
                    pipeline=steps,
                ),
            ),
            test_cfg=dict(type='TestLoop'),
            test_evaluator=METRIC,
            tta_model=dict(type='SegTTAModel'),
            tta_pipeline=[
                steps[0],
                dict(type='TestTimeAug', transforms=[[IDENTITY], labels, steps[-1:]]),
            ],
        )
        config.update(changes)
        Config(config).dump(tmp_path / 'config.py')
        status = test.main(['config.py', 'w.pth', *options])
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return run_tool


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob('*.*'))


def test_labels_of_a_list_of_evaluators_keep_the_folders(run, tmp_path):
    evaluators = [METRIC, dict(type='DumpResults', out_file_path='dump.pkl')]
    status, output = run('--out', 'out', test_evaluator=evaluators)
    assert status == 0 and 'mIoU' in output
    assert files(tmp_path / 'out') == ['a/1.png', 'a/2.png', 'b/1.png']
    dumped = load('dump.pkl')
    assert len(dumped) == 3
    for sample in dumped:
        name = sample['img_path'].partition('images/')[2]
        written = cv2.imread(str(tmp_path / 'out' / name), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(written, sample['pred_sem_seg']['data'][0])
        assert sample['seg_logits']['data'].shape == (3, 40, 56)


@pytest.mark.parametrize('wrapped', [False, True])
def test_metrics_of_ones_own_get_the_logits(run, wrapped):
    evaluator = [METRIC, dict(type='MeanConfidence')]
    if wrapped:
        evaluator = dict(type='Evaluator', metrics=evaluator)
    status, output = run(test_evaluator=evaluator)
    assert status == 0 and 'confidence: 0.' in output


def test_metrics_with_a_file_format_get_a_folder_below():
    own = dict(type='CityscapesMetric', output_dir='own')
    configs = [METRIC, dict(type='CityscapesMetric'), dict(type='MeanConfidence'), own]
    evaluator = Config(dict(metrics=configs))
    give_output_dirs(evaluator, Path('out'))
    folder = dict(output_dir='out/CityscapesMetric', keep_results=True)
    assert evaluator.metrics == [METRIC, {**configs[1], **folder}, configs[2], own]


def test_a_hook_of_ones_own_gets_the_logits(run):
    assert run(custom_hooks=[dict(type='LogitsHook')])[0] == 0


def test_known_metrics_leave_the_logits_out(run, monkeypatch):
    answers = []

    def ask(runner):
        answers.append(labels_suffice(runner))
        return answers[-1]

    monkeypatch.setattr(evaluation, 'labels_suffice', ask)
    run('--out', 'out', '--confusion-matrix', 'out')
    assert answers == [True]


def test_labels_are_those_of_predict_with_reduce_zero_label(run, tmp_path):
    dataset = dict(
        type='BaseSegDataset', data_root='d', img_suffix='.png', reduce_zero_label=True,
        data_prefix=dict(img_path='images', seg_map_path='labels'),
        metainfo=dict(classes=['x', 'y', 'z'], palette=[[0, 0, i] for i in range(3)]),
        pipeline=[
            dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', reduce_zero_label=True),
            dict(type='PackSegInputs', meta_keys=(
                'img_path', 'ori_shape', 'img_shape', 'reduce_zero_label')),
        ],
    )  # fmt: skip
    loader = dict(**LOADER, dataset=dataset)
    for path in (tmp_path / 'd/labels').rglob('*.png'):
        label = np.random.default_rng(0).integers(0, 4, (40, 56), np.uint8)
        cv2.imwrite(str(path), label)
    status, output = run(
        '--out', 'out', test_dataloader=loader, test_pipeline=dataset['pipeline'],
        test_evaluator=dict(type='IoUMetric', output_dir='mmseg'),
    )  # fmt: skip
    assert status == 0, output
    assert predict.main(['config.py', 'w.pth', 'd/images', '--out', 'predicted']) == 0
    for name in files(tmp_path / 'out'):
        tested, predicted = (
            cv2.imread(str(tmp_path / folder / name), cv2.IMREAD_UNCHANGED)
            for folder in ('out', 'predicted/labels')
        )
        assert np.array_equal(tested, predicted)
    served = cv2.imread(str(tmp_path / 'mmseg/2.png'), cv2.IMREAD_UNCHANGED)
    tested = cv2.imread(str(tmp_path / 'out/a/2.png'), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(served, tested + 1)  # as the server of ADE20K wants them


def test_several_datasets_keep_their_folders(run, tmp_path):
    dataset = dict(
        type='BaseSegDataset',
        data_root='d',
        img_suffix='.png',
        metainfo=dict(classes=['x', 'y', 'z']),
        pipeline=[
            dict(type='LoadCheckedImage'),
            dict(type='LoadCheckedAnnotations', num_classes=3),
            dict(type='PackSegInputs'),
        ],
    )
    inner = [
        dict(**dataset, data_prefix=dict(img_path=f'images/{part}', seg_map_path=f'labels/{part}'))
        for part in 'ab'
    ]
    loader = dict(**LOADER, dataset=dict(type='ConcatDataset', datasets=inner))
    for options in ([], ['--tta']):
        status, output = run('--out', 'out', *options, test_dataloader=loader)
        assert status == 0, output
        assert files(tmp_path / 'out') == ['a/1.png', 'a/2.png', 'b/1.png']


def test_clashing_names_are_refused(run):
    status, output = run('--out', 'out', test_evaluator=dict(METRIC, output_dir='flat'))
    assert status == 1
    line = output.splitlines()[-1]
    assert line.startswith('error: flat/1.png: d/images/a/1.png and d/images/b/1.png would both')


@pytest.mark.parametrize('kind', ['CheckedIoUMetric', 'IoUMetric'])
def test_images_without_labels(run, tmp_path, kind):
    evaluator = dict(type=kind, format_only=True)
    status, output = run('--out', 'out', annotated=False, test_evaluator=evaluator)
    assert status == 0 and len(files(tmp_path / 'out')) == 3
    status, output = run(annotated=False, test_evaluator=evaluator)
    assert status == 1
    assert output.splitlines()[-1].startswith(f'error: {kind} with format_only=True writes nothing')
    status, output = run(annotated=False)
    assert status == 1
    assert 'error: d/images/a/1.png: no ground truth to compare with' in output


def test_confusion_matrix(run, tmp_path):
    status, output = run('--confusion-matrix', 'matrix', '--out', 'out')
    assert status == 0 and 'matrix/confusion_matrix.json' in output
    report = json.loads((tmp_path / 'matrix/confusion_matrix.json').read_text())
    assert report['classes'] == report['predictions'] == ['x', 'y', 'z']
    expected = np.zeros((3, 3), int)
    for name in files(tmp_path / 'out'):
        label, found = (cv2.imread(str(tmp_path / d / name), 0) for d in ('d/labels', 'out'))
        np.add.at(expected, (label, found), 1)
    assert np.array_equal(report['pixels'], expected) and expected.sum() == 3 * 40 * 56
    shares = expected[:2] / expected[:2].sum(1, keepdims=True)
    np.testing.assert_allclose(report['normalised'][:2], shares, atol=1e-6)
    assert report['normalised'][2] is None  # z does not occur
    picture = cv2.imread(str(tmp_path / 'matrix/confusion_matrix.png'))
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 10


@pytest.mark.parametrize('head', HEADS)
def test_tta_with_the_identity_alone_is_plain(run, tmp_path, head):
    labels = []
    for options in ([], ['--tta']):
        status, output = run('--out', 'out', *options, head=head)
        assert status == 0, output
        paths = [tmp_path / 'out' / name for name in files(tmp_path / 'out')]
        labels.append([cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in paths])
    assert all(np.array_equal(*pair) for pair in zip(*labels, strict=True))
    assert len(np.unique(labels)) > 1


@pytest.mark.parametrize('missing', ['test_evaluator', 'test_cfg', 'tta_pipeline'])
def test_what_the_config_lacks_is_named(run, missing):
    status, output = run('--tta', **{missing: None})
    assert status == 1
    assert output.splitlines()[-1].startswith(f'error: config.py: has no {missing}')


def test_augmentation_loads_images_as_the_test_does():
    """By all loading transforms, wherever the labels are loaded; those of the augmentation stay."""
    grey = dict(type='LoadCheckedImage', color_type='grayscale')
    labels, pack = dict(type='LoadAnnotations'), dict(type='PackSegInputs')
    views = dict(type='TestTimeAug', transforms=[[pack]])
    dataset = dict(type='BaseSegDataset', pipeline=[labels, grey, pack])
    config = Config(
        dict(
            model=dict(type='EncoderDecoder'),
            tta_pipeline=[dict(type='LoadImageFromFile'), labels, views],
            test_dataloader=dict(dataset=dict(type='ConcatDataset', datasets=[dataset])),
        )
    )
    augment(config, 'config.py')
    assert config.test_dataloader.dataset.datasets[0].pipeline == [grey, labels, views]
