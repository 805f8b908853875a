import json
import shutil

import cv2
import numpy as np
import pytest
from mmengine.config import ConfigDict
from PIL import Image

from mmseg_eff.commands.check_dataset import SPLITS, main
from mmseg_eff.dataset_check import run
from mmseg_eff.dataset_check.build import build_datasets
from mmseg_eff.dataset_check.sample import check_datasets
from mmseg_eff.datasets import CamVidDataset, ToyStreetDataset
from mmseg_eff.datasets.class_weights import count_pixels, inverse_log_weights
from mmseg_eff.errors import InputError

TOY = 'mmseg_eff::espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'
CAMVID = 'mmseg_eff::espnet/espnet-p2q8_1xb8-69k_camvid-360x480.py'
PALETTE = dict(toy=ToyStreetDataset.METAINFO['palette'], camvid=CamVidDataset.METAINFO['palette'])


@pytest.fixture
def toy(toy_root, tmp_path, monkeypatch):
    """A copy of the toy dataset that a test may break: its folder."""
    shutil.copytree(toy_root / 'toystreet', tmp_path / 'toystreet')
    monkeypatch.setenv('MMSEG_EFF_DATA', str(tmp_path))
    return tmp_path / 'toystreet'


def check(config, out, *options):
    """Exit status and the report's findings by kind: {kind: [path, …]}."""
    status = main([config, '--out', str(out), '--workers', '1', *options])
    kinds = {}
    for finding in json.loads((out / 'report.json').read_text())['findings']:
        kinds.setdefault(finding['kind'], []).append(finding['path'])
    return status, kinds


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def rewrite_label(path, change):
    label = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert cv2.imwrite(str(path), change(label))
    return path


def jpeg(path):
    label = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    path.write_bytes(cv2.imencode('.jpg', label)[1].tobytes())
    return path


def renumber(path, palette):
    """What a reduction of a coloured mask to a palette may do: the classes in another order."""
    order = np.arange(256, dtype=np.uint8)
    order[: len(palette)] = order[: len(palette)][::-1]
    colors = np.zeros((256, 3), np.uint8)
    colors[: len(palette)] = palette[::-1]
    image = Image.fromarray(order[cv2.imread(str(path), cv2.IMREAD_UNCHANGED)])
    image.putpalette(colors.tobytes())
    image.save(path)
    return path


def turn(path):
    with Image.open(path) as image:
        exif = image.getexif()
        exif[274] = 3
        image.save(path, exif=exif, lossless=True, method=0)
    return path


def copy_pair(image, label, to_image, to_label):
    shutil.copy(image, to_image)
    shutil.copy(label, to_label)
    return to_image


def copy_across(image, label):
    """Into the validation folders."""
    other = [str(path.parent).replace('train', 'val') for path in (image, label)]
    return copy_pair(image, label, f'{other[0]}/copy{image.suffix}', f'{other[1]}/copy.png')


def copy_within(image, label):
    return copy_pair(image, label, image.with_stem('z'), label.with_stem('z'))


def remove(path, reported):
    path.unlink()
    return reported


def empty(path):
    path.write_bytes(b'')
    return path


def link(path, target):
    path.symlink_to(target)
    return path


def rename(image, label, name):
    label.rename(label.with_stem(name))
    return image.rename(image.with_stem(name))


def other_case(image):
    return image.rename(image.with_suffix(image.suffix.upper()))


# kind -> what breaks a pair (image, label, palette) so; it returns the path to be reported
FAULTS = {
    'missing file': lambda i, b, p: remove(b, b),
    'label without image': lambda i, b, p: remove(i, b),
    'empty file': lambda i, b, p: empty(i),
    'empty file, label': lambda i, b, p: empty(b),
    'damaged file': lambda i, b, p: truncate(i),
    'damaged file, label': lambda i, b, p: truncate(b),
    'label format, RGB': lambda i, b, p: rewrite_label(b, lambda x: np.dstack([x, x, x])),
    'label format, 16 bit': lambda i, b, p: rewrite_label(b, lambda x: x.astype(np.uint16)),
    'label format, JPEG': lambda i, b, p: jpeg(b),
    'palette': lambda i, b, p: renumber(b, p),
    'other size': lambda i, b, p: rewrite_label(b, lambda x: x[:-1]),
    'label value': lambda i, b, p: rewrite_label(b, lambda x: np.where(x == x[0, 0], 200, x)),
    'all ignored': lambda i, b, p: rewrite_label(b, lambda x: np.full_like(x, 255)),
    'EXIF rotation': lambda i, b, p: turn(i),
    'duplicate': lambda i, b, p: copy_within(i, b),
    'duplicate across splits': lambda i, b, p: copy_across(i, b),
    'broken link': lambda i, b, p: link(i.with_stem('link'), 'nowhere.png'),
    'odd name, space': lambda i, b, p: rename(i, b, 'a b'),
    'odd name, not ASCII': lambda i, b, p: rename(i, b, 'straße'),
    'odd name, case of the suffix': lambda i, b, p: other_case(i),
}
NOTES_ONLY = ['odd name, space', 'odd name, not ASCII']


def test_choices():
    assert run.SPLITS == SPLITS


def test_clean_toy_data(toy, tmp_path, capsys):
    status, kinds = check(TOY, tmp_path / 'out')
    assert status == 0
    assert kinds.keys() <= {'absent class'}  # few images
    assert ': 0 errors, ' in capsys.readouterr().out


@pytest.mark.parametrize('fault', FAULTS)
def test_every_fault_alone(toy, tmp_path, fault, capsys):
    image, label = toy / 'images/train/0001.png', toy / 'labels/train/0001.png'
    path = FAULTS[fault](image, label, PALETTE['toy'])
    status, kinds = check(TOY, tmp_path / 'out')
    kind = fault.split(',')[0]
    assert str(path) in kinds[kind] and (kind == 'odd name' or len(kinds[kind]) == 1)
    severity = 'note' if kind == 'odd name' else 'error'
    assert f'{path}: {severity}: ' in capsys.readouterr().out
    assert status == int(fault not in NOTES_ONLY)
    also = {'label without image'} if fault.endswith('case of the suffix') else set()
    assert kinds.keys() - {'absent class'} == {kind} | also


def test_all_faults_at_once_in_camvid(shared, tmp_path, monkeypatch):
    """One of CamVid's pairs for each fault, and a clean one between; nothing else is reported."""
    monkeypatch.setenv('MMSEG_EFF_DATA', str(tmp_path))
    for split, count in (('train', 2 * len(FAULTS)), ('val', 3)):
        source, target = shared / 'data/camvid', tmp_path / 'camvid'
        (target / split).mkdir(parents=True)
        (target / f'{split}annot').mkdir()
        for image in sorted((source / split).iterdir())[:count]:
            shutil.copy(image, target / split)
            shutil.copy(source / f'{split}annot' / f'{image.stem}.png', target / f'{split}annot')
    suffix = image.suffix
    options = [f'{split}_dataloader.dataset.img_suffix={suffix}' for split in ('train', 'val')]
    options = ['--splits', 'train', 'val', '--cfg-options', *options]
    notes = {'more outputs': [CAMVID]}
    assert check(CAMVID, tmp_path / 'clean', *options) == (0, notes)

    expected = {kind: set(paths) for kind, paths in notes.items()}
    images = sorted((tmp_path / 'camvid/train').iterdir())[: 2 * len(FAULTS) : 2]
    for image, (fault, inject) in zip(images, FAULTS.items(), strict=True):
        label = tmp_path / 'camvid/trainannot' / f'{image.stem}.png'
        kind = fault.split(',')[0]
        expected.setdefault(kind, set()).add(str(inject(image, label, PALETTE['camvid'])))
        if fault.endswith('case of the suffix'):
            expected['label without image'].add(str(label))
    status, kinds = check(CAMVID, tmp_path / 'broken', *options)
    labels = {path for path in kinds['odd name'] if 'annot' in path}  # of the renamed pairs
    expected['odd name'] |= labels
    assert len(labels) == 2
    assert status == 1
    assert {kind: set(paths) for kind, paths in kinds.items()} == expected


@pytest.mark.slow
def test_camvid_without_faults(shared, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('MMSEG_EFF_DATA', str(shared / 'data'))
    suffix = next((shared / 'data/camvid/val').iterdir()).suffix
    options = [f'{split}_dataloader.dataset.img_suffix={suffix}' for split in ('train', 'val')]
    options = ['--splits', 'train', 'val', '--cfg-options', *options]
    assert check(CAMVID, tmp_path, *options) == (0, {'more outputs': [CAMVID]})
    assert 'train 367 pairs, val 101 pairs: 0 errors, 1 notes' in capsys.readouterr().out


def test_frequencies_and_weights(toy, tmp_path, capsys):
    check(TOY, tmp_path / 'out')
    rows = json.loads((tmp_path / 'out/report.json').read_text())['splits']['train']['classes']
    files = sorted((toy / 'labels/train').iterdir())
    labels = [cv2.imread(str(file), cv2.IMREAD_UNCHANGED) for file in files]
    counts, present = count_pixels(labels, 9)
    assert [row['pixels'] for row in rows] == counts.tolist()
    assert [row['images'] for row in rows] == [
        sum(bool((label == index).any()) for label in labels) for index in range(9)
    ]
    weights = [row['weights']['inverse-log'] for row in rows]
    np.testing.assert_allclose(weights, inverse_log_weights(counts, present), atol=1e-4)
    assert f'class_weight={weights}' in capsys.readouterr().out


def test_contact_sheet(toy, tmp_path):
    check(TOY, tmp_path / 'out')
    sheet = cv2.imread(str(tmp_path / 'out/contact_sheet.png'))
    assert sheet.shape == (28 + 4 * (240 + 6) + 28, 3 * (480 + 6), 3)
    image = cv2.imread(str(toy / 'images/train/0000.png'))
    assert sheet[28, 0].tolist() == image[0, 0].tolist()
    sky = PALETTE['toy'][6]
    assert sheet[28, 486].tolist() == sky[::-1]


def test_reduce_zero_label_against_the_files(toy, tmp_path):
    for path in (toy / 'labels/train').iterdir():  # all classes, which four images may not hold
        rewrite_label(path, lambda x: np.vstack([np.arange(x.shape[1])[None] % 9, x[1:]]))
    option = 'train_dataloader.dataset.reduce_zero_label=True'
    status, kinds = check(TOY, tmp_path / 'out', '--cfg-options', option)
    assert status == 1
    assert kinds['reduce_zero_label'] == [str(toy / 'labels/train')]


def test_masks_of_0_and_255(toy, tmp_path, capsys):
    for path in (toy / 'labels/val').iterdir():
        rewrite_label(path, lambda x: np.where(x > 3, 255, 0).astype(np.uint8))
    status, kinds = check(TOY, tmp_path / 'out')
    assert status == 1
    assert kinds['255 as class'] == [str(toy / 'labels/val')]
    assert 'val: error: holds only 0 and 255, which is ignored: no' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('option', 'status', 'message'),
    [
        ('model.decode_head.num_classes=8', 1, 'error: model.decode_head has num_classes=8, too'),
        ('model.decode_head.num_classes=10', 0, 'note: model.decode_head has 10 outputs for 9 cl'),
        ('val_evaluator.ignore_index=3', 1, 'error: val_evaluator.ignore_index is 3, but the da'),
    ],
)
def test_the_config_against_its_data(toy, tmp_path, option, status, message, capsys):
    assert check(TOY, tmp_path / 'out', '--cfg-options', option)[0] == status
    assert f'{TOY}: {message}' in capsys.readouterr().out


def test_ignored_label_of_the_dataset(toy, tmp_path, capsys):
    """Label 3 is ignored: it counts nowhere, in no table and as no absent class."""
    for path in toy.glob('labels/*/*'):
        rewrite_label(path, lambda x: np.where(x == 255, 3, x))
    options = [f'{split}_dataloader.dataset.ignore_index=3' for split in ('train', 'val', 'test')]
    status, kinds = check(TOY, tmp_path / 'out', '--cfg-options', *options)
    assert status == 0
    assert kinds.keys() <= {'absent class'}
    rows = json.loads((tmp_path / 'out/report.json').read_text())['splits']['train']['classes']
    assert rows[3]['pixels'] == 0
    assert f'class {rows[3]["class"]!r} never occurs' not in capsys.readouterr().out


def test_many_findings_of_a_kind_are_cut_in_print_only(toy, tmp_path, capsys):
    for index in range(30):
        shutil.copy(toy / 'labels/train/0000.png', toy / f'labels/train/x{index}.png')
    _, kinds = check(TOY, tmp_path / 'out')
    printed = capsys.readouterr().out
    assert printed.count(': error: no image has this label') == 20
    assert "and 10 more of the kind 'label without image'" in printed
    assert len(kinds['label without image']) == 30


@pytest.mark.parametrize('target', ['../..', '.', 'again'])
def test_link_that_loops(toy, target, capsys):
    loop = link(toy / 'images/train/again', target)
    assert main([TOY]) == 1
    assert f'error: {loop}: link that loops' in capsys.readouterr().err


@pytest.mark.parametrize('workers', ['0', '-1'])
def test_wrong_number_of_workers(toy, workers, capsys):
    assert main([TOY, '--workers', workers]) == 1
    assert f'error: --workers must be 1 or more, got {workers}' in capsys.readouterr().err


def test_wrappers_are_opened(toy):
    inner = dict(type='ToyStreetDataset', data_root=str(toy))
    concat = dict(type='ConcatDataset', datasets=[inner, {**inner, 'split': 'val'}])
    datasets = build_datasets(ConfigDict(type='RepeatDataset', times=2, dataset=concat), 'x')
    assert [len(dataset) for dataset in datasets] == [4, 2]


@pytest.mark.parametrize(('suffix', 'images'), [('.png', 4), ('.webp', 0)])
def test_indices_without_images(toy, suffix, images):
    config = dict(type='ToyStreetDataset', data_root=str(toy), img_suffix=suffix, indices=[1, 7])
    message = rf'images/train: holds {images} images \*{suffix}, but the indices in x.*go up to 7'
    with pytest.raises(InputError, match=message):
        build_datasets(ConfigDict(config), 'x')


QUIET = ('label without image', 'duplicate', 'broken link', 'odd name', 'all ignored')


@pytest.mark.parametrize('fault', FAULTS)
def test_fast_part_at_the_start_of_training(toy, fault):
    """It reports what would stop or spoil the training in the pairs by themselves."""
    dataset = dict(type='ToyStreetDataset', data_root=str(toy))
    config = ConfigDict(train_dataloader=dict(dataset=dataset))
    image, label = toy / 'images/train/0001.png', toy / 'labels/train/0001.png'
    path = FAULTS[fault](image, label, PALETTE['toy'])
    if fault.startswith(QUIET):
        check_datasets(config, 'train_dataloader', 'val_dataloader')
    else:
        with pytest.raises(InputError, match=f'^{path}: '):
            check_datasets(config, 'train_dataloader', 'val_dataloader')
