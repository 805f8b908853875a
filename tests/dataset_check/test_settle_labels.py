"""What a dataset ignores and how many classes it has reaches every part of a config."""

import re
from copy import deepcopy

import numpy as np
import pytest
import torch
from helpers import build_segmentor, samples
from mmengine.config import Config, ConfigDict
from mmseg.registry import METRICS, MODELS

from mmseg_eff.dataset_check.settle_labels import (
    check_num_outputs,
    heads_of,
    ignored_label,
    rules_of,
    settle_labels,
)
from mmseg_eff.errors import InputError
from mmseg_eff.utils.config_parts import argument


class Unchanged(torch.nn.Module):
    """A backbone that gives the image."""

    def forward(self, x):
        return (x,)


LOADERS = ('train_dataloader', 'val_dataloader')
SIGMOID = dict(type='CrossEntropyLoss', use_sigmoid=True)


def dataset(classes=('a', 'b', 'c'), pipeline=(), **kwargs):
    metainfo = None if classes is None else dict(classes=classes)
    return dict(type='BaseSegDataset', metainfo=metainfo, pipeline=list(pipeline), **kwargs)


def make_config(train=None, val=None, **head):
    """A config of every kind of part that names the ignored label."""
    decode_head = dict(type='FCNHead', in_channels=8, channels=8, num_classes=3, **head)
    train = train or dataset()
    return Config(
        dict(
            model=dict(
                type='EncoderDecoder',
                data_preprocessor=dict(type='SegDataPreProcessor', size=(8, 8), seg_pad_val=255),
                decode_head=decode_head,
                auxiliary_head=[
                    dict(decode_head, loss_decode=[dict(type='DiceLoss'), SIGMOID]),
                    dict(type='STDCHead', in_channels=8, channels=8, num_classes=2),
                ],
            ),
            train_dataloader=dict(dataset=train),
            val_dataloader=dict(dataset=val or train),
            val_evaluator=[dict(type='CheckedIoUMetric'), dict(type='ProtocolIoUMetric')],
        )
    )


def test_all_parts_follow_the_dataset():
    steps = [
        dict(type='LoadCheckedAnnotations', num_classes=3),
        dict(type='RandomRotate', prob=1.0, degree=10),
        dict(type='RandomApply', transforms=[dict(type='RandomCrop', crop_size=(4, 4))]),
        dict(type='Pad', size=(8, 8)),
    ]
    inner = dataset(ignore_index=11, pipeline=steps)
    config = make_config(dict(type='RepeatDataset', times=2, dataset=inner), inner)
    assert settle_labels(config, *LOADERS) == []
    model, rotate = config.model, config.train_dataloader.dataset.dataset.pipeline[1]
    assert model.data_preprocessor.seg_pad_val == 11
    assert [head.ignore_index for head in (model.decode_head, *model.auxiliary_head)] == [11] * 3
    assert model.auxiliary_head[0].loss_decode[0].ignore_index == 11
    assert 'ignore_index' not in model.auxiliary_head[0].loss_decode[1]  # the head tells it
    assert rotate.seg_pad_val == 11
    pipeline = config.train_dataloader.dataset.dataset.pipeline
    assert pipeline[2].transforms[0].ignore_index == 11
    assert pipeline[3].pad_val == dict(img=0, seg=11)
    assert [METRICS.build(metric).ignore_index for metric in config.val_evaluator] == [11, 11]
    assert MODELS.build(model.decode_head).ignore_index == 11


def test_what_ignores_255_stays_as_it_is():
    config = make_config()
    before = deepcopy(config.to_dict())
    settle_labels(config, *LOADERS)
    assert config.to_dict() == before


def test_losses_of_masks_ignore_nothing():
    config = make_config(dataset(ignore_index=11), ignore_index=None)
    settle_labels(config, *LOADERS)
    assert config.model.decode_head.ignore_index is None


def test_each_loader_has_its_own_rule():
    config = make_config(dataset(ignore_index=11), dataset(ignore_index=254))
    settle_labels(config, *LOADERS)
    assert config.model.decode_head.ignore_index == 11
    assert config.val_evaluator[0].ignore_index == 254


@pytest.mark.parametrize(
    ('train', 'change', 'message'),
    [
        (
            dataset(ignore_index=11),
            {'model.decode_head.ignore_index': 7},
            'decode_head.ignore_index is 7, but the dataset ignores 11; set ignore_index=7 in',
        ),
        (
            dataset(),
            {'val_evaluator.0.ignore_index': 0},
            'val_evaluator[0].ignore_index is 0, but the dataset ignores 255',
        ),
        (
            dict(type='ConcatDataset', datasets=[dataset(), dataset(ignore_index=11)]),
            {},
            'ignore different labels, 255 and 11',
        ),
        (dataset(ignore_index=-1), {}, 'ignore_index must be a label of 8 bits, 0 to 255, got -1'),
        (dataset(ignore_index=None), {}, 'got None'),
        (
            dataset(pipeline=[dict(type='LoadCheckedAnnotations', num_classes=2)]),
            {},
            'train_dataloader.dataset.pipeline[0].num_classes is 2, but the dataset has 3',
        ),
        (
            dataset(
                pipeline=[dict(type='LoadAnnotations')], reduce_zero_label=True, ignore_index=9
            ),
            {},
            'LoadAnnotations would write 255 where the dataset ignores 9; use LoadChecked',
        ),
        (dataset(None), {}, 'BaseSegDataset: names no classes; set metainfo=dict(classes='),
        (dataset('nowhere.txt'), {}, 'nowhere.txt: no such file, wanted by BaseSegDataset'),
        (dataset(('a', '', 'c')), {}, 'class 1 of metainfo.classes has a blank name'),
        (dataset(tuple(map(str, range(256)))), {}, 'has 256 classes; label files are of 8 bits'),
        (dataset(('a',)), {}, 'one class cannot be learned if everything else is ignored: name'),
        (dataset(('a', 'b'), ignore_index=0), {}, 'one class cannot be learned'),
        (
            dataset(),
            {'model.auxiliary_head.0.num_classes': 2},
            'model.auxiliary_head[0] has num_classes=2, too few for the 3 classes of train_',
        ),
        (
            dataset(('a', 'b')),
            {'model.decode_head.num_classes': 1},
            ': set num_classes=2, or num_classes=2, out_channels=1, loss_decode=',
        ),
        (
            dataset(('a', 'b')),
            {'model.decode_head.num_classes': 2, 'model.decode_head.out_channels': 1},
            'one output needs a loss with a sigmoid: set num_classes=2, out_channels=1, loss_deco',
        ),
        (
            dataset(),
            {'model.data_preprocessor.ignore_to_class': 3},
            'ignore_to_class is 3, which model.decode_head with num_classes=3 has no output for',
        ),
    ],
)
def test_one_line_where_parts_disagree(train, change, message):
    config = make_config(train)
    config.merge_from_dict(change)
    with pytest.raises(InputError, match=re.escape(message)) as error:
        settle_labels(config, *LOADERS)
    assert '\n' not in str(error.value)


def test_validation_by_itself_has_too_many_classes():
    config = make_config(dataset(), dataset(('a', 'b', 'c', 'd')))
    with pytest.raises(InputError, match='too few for the 4 classes of val_dataloader'):
        settle_labels(config, *LOADERS)


def test_more_outputs_are_a_note():
    config = make_config(dataset(('a', 'b')))
    notes = settle_labels(config, *LOADERS)
    assert notes[0] == 'model.decode_head has 3 outputs for 2 classes: output 2 is no class'
    assert len(notes) == 2  # one a head, not one a loader


def test_256_outputs_at_most():
    config = make_config()
    for count in (256, 257):
        config.model.decode_head.num_classes = count
        if count == 256:
            check_num_outputs(config)
    with pytest.raises(InputError, match='decode_head has 257 outputs; labels are of 8 bits'):
        check_num_outputs(config)
    tta = Config(dict(model=dict(type='SegTTAModel', module=config.model)))
    with pytest.raises(InputError, match=r'model\.module\.decode_head has 257'):
        check_num_outputs(tta)
    check_num_outputs(Config())


def test_heads_inside_heads():
    """K-Net's head is built of another one, which gets the arguments of mmseg's base."""
    inner = dict(type='FCNHead', in_channels=8, channels=8, num_classes=3)
    knet = dict(type='IterativeDecodeHead', num_stages=1, kernel_generate_head=inner)
    config = make_config(dataset(ignore_index=11))
    config.model = dict(type='EncoderDecoder', decode_head=knet)
    assert [where for where, *_ in heads_of(config)] == ['model.decode_head.kernel_generate_head']
    settle_labels(config, *LOADERS)
    assert config.model.decode_head.kernel_generate_head.ignore_index == 11
    assert 'ignore_index' not in config.model.decode_head


def test_label_of_unsure_pixels():
    assert ignored_label(make_config(dataset(ignore_index=11))) == 11
    assert ignored_label(Config()) == 255
    assert rules_of(ConfigDict(dataset(ignore_index=11)), 'x').ignore_index == 11


def test_arguments_of_a_class_instead_of_a_name():
    part = ConfigDict(type=MODELS.get('FCNHead'), num_classes=3)
    assert argument(part, 'ignore_index') == 255


def test_advice_for_one_class_works():
    """Two classes by one output and a sigmoid learn an object on its background."""
    torch.manual_seed(0)
    head = dict(type='FCNHead', in_channels=3, channels=8, num_convs=1, in_index=0)
    advised = dict(num_classes=2, out_channels=1, loss_decode=SIGMOID, norm_cfg=dict(type='BN'))
    model = build_segmentor(dict(type=Unchanged), {**head, **advised})
    labels = torch.zeros(2, 16, 16, dtype=torch.long)
    labels[:, 4:12, 4:12] = 1
    images = torch.randn(2, 3, 16, 16) * 0.1 + labels[:, None]
    optimizer = torch.optim.Adam(model.parameters(), 0.05)
    for _ in range(30):
        loss, _ = model.parse_losses(model.loss(images, samples(labels)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        found = model.predict(images, samples(labels))
    for sample, label in zip(found, labels, strict=True):
        predicted = sample.pred_sem_seg.data[0].numpy().astype(bool)
        overlap = (
            np.logical_and(predicted, label == 1).sum() / np.logical_or(predicted, label == 1).sum()
        )
        assert overlap > 0.8
