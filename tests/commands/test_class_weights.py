import json

import cv2
import numpy as np

from mmseg_eff.commands.class_weights import METHODS, main
from mmseg_eff.datasets import class_weights
from mmseg_eff.datasets.class_weights import count_pixels, inverse_log_weights
from mmseg_eff.models import WeightedCrossEntropy

CONFIG = 'mmseg_eff::espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'


def labels(data_root):
    files = sorted((data_root / 'toystreet/labels/train').iterdir())
    return [cv2.imread(str(file), cv2.IMREAD_UNCHANGED) for file in files]


def test_choices():
    assert sorted(class_weights.METHODS) == [*METHODS]


def test_printed_and_written(data_root, tmp_path, capsys):
    out = tmp_path / 'weights.json'
    assert main([CONFIG, '--out', str(out)]) == 0
    written = json.loads(out.read_text())
    counts, present = count_pixels(labels(data_root), 9)
    np.testing.assert_allclose(written, inverse_log_weights(counts, present), atol=1e-4)
    assert f'class_weight={written}' in capsys.readouterr().out
    assert WeightedCrossEntropy(str(out)).class_weight == written


def test_ignored_pixels_as_a_class(data_root, capsys):
    assert main([CONFIG, '--count-ignored', '--method', 'median-frequency']) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    assert len(json.loads(line.removeprefix('class_weight='))) == 10


def test_only_ignored_pixels(data_root, capsys):
    classes = "train_dataloader.dataset.metainfo.classes=('road',)"
    missing = data_root / 'nowhere'
    options = ['--cfg-options', classes, f'train_dataloader.dataset.data_root={missing}']
    assert main([CONFIG, *options]) == 1
    assert f'error: {missing}/images/train: no such folder or file' in capsys.readouterr().err


def test_ignored_label_of_the_dataset(data_root, tmp_path, capsys):
    """The index of a class that is ignored weighs nothing among the others."""
    out, option = tmp_path / 'weights.json', 'train_dataloader.dataset.ignore_index=3'
    files = [np.where(label == 255, 3, label) for label in labels(data_root)]
    folder = tmp_path / 'labels'
    folder.mkdir()
    for index, label in enumerate(files):
        cv2.imwrite(str(folder / f'{index:04d}.png'), label)
    prefix = f'train_dataloader.dataset.data_prefix.seg_map_path={folder}'
    images = data_root / 'toystreet/images/train'
    prefixes = [prefix, f'train_dataloader.dataset.data_prefix.img_path={images}']
    assert main([CONFIG, '--out', str(out), '--cfg-options', option, *prefixes]) == 0
    counts, present = count_pixels([np.where(label == 3, 255, label) for label in files], 9)
    np.testing.assert_allclose(
        json.loads(out.read_text()), inverse_log_weights(counts, present), atol=1e-4
    )


def test_names_are_printed_as_they_are(data_root, tmp_path, root, capsys):
    """In ``[/b]`` rich would see the end of a tag, and raise an error."""
    names = ['[/b]', '[red]', ':smile:', *'abcdef']
    dataset = dict(
        _delete_=True,
        type='BaseSegDataset',
        data_root=str(data_root / 'toystreet'),
        data_prefix=dict(img_path='images/train', seg_map_path='labels/train'),
        img_suffix='.png',
        metainfo=dict(classes=names, palette=[[index] * 3 for index in range(9)]),
    )
    path = tmp_path / 'config.py'
    base = root / 'configs' / CONFIG.partition('::')[2]
    path.write_text(f'_base_ = {str(base)!r}\ntrain_dataloader = dict(dataset={dataset})')
    assert main([str(path)]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in names[:3])


def test_a_config_without_training_data(tmp_path, capsys):
    path = tmp_path / 'config.py'
    path.write_text('train_dataloader = None')
    assert main([str(path)]) == 1
    assert capsys.readouterr().err == 'error: the config has no train_dataloader.dataset\n'
