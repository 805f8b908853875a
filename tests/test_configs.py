"""Every leaf: its name says what is in it, it builds, and official weights load into it."""

import re
from pathlib import Path

import pytest
import torch
import yaml
from mmengine.config import Config
from mmseg.registry import DATASETS, MODELS

from mmseg_eff.apis.convert_weights import convert
from mmseg_eff.converters import load_weights

CONFIGS = Path(__file__).parent.parent / 'configs'
LEAVES = sorted(path for path in CONFIGS.glob('*/*.py') if path.parent.name != '_base_')
NAME = re.compile(
    r'(?P<model>[^_]+)(_(?P<pre>[a-z0-9]+)-pre)?'
    r'_(?P<gpus>\d+)xb(?P<batch>\d+)-(?P<kilo>[\d.]+)k(-lr(?P<lr>[\d.]+))?'
    r'_(?P<dataset>[^_-]+)-(?P<h>\d+)x(?P<w>\d+)'
)
DATASET_TYPES = dict(
    cityscapes='CityscapesDataset',
    camvid='CamVidDataset',
    ade20k='ADE20KDataset',
    mapillary='MapillaryDataset_v1',
    toystreet='ToyStreetDataset',
    voc12aug='PascalVOCDataset',
    voc12augcoco='PascalVOCDataset',
    vocforeground='ForegroundVOCDataset',
)
OFFICIAL = {  # file of the authors -> the leaf that it loads into
    'espnet/espnet_p_2_q_3.pth': 'espnet-p2q3_1xb8-558k_cityscapes-512x1024',
    'espnet/espnet_p_2_q_5.pth': 'espnet-p2q5_1xb8-558k_cityscapes-512x1024',
    'espnet/espnet_p_2_q_8.pth': 'espnet-p2q8_1xb8-558k_cityscapes-512x1024',
    'espnet/espnet_p_2_q_8_camvid.pth': 'espnet-p2q8_1xb8-69k_camvid-360x480',
    'espnet/encoder/espnet_p_2_q_3.pth': 'espnet-c-p2q3_1xb14-319k_cityscapes-512x1024',
    'espnet/encoder/espnet_p_2_q_5.pth': 'espnet-c-p2q5_1xb14-319k_cityscapes-512x1024',
    'espnet/encoder/espnet_p_2_q_8.pth': 'espnet-c-p2q8_1xb14-319k_cityscapes-512x1024',
}
OFFICIAL |= {
    f'espnetv2/espnetv2_s_{s}_{part}.pth': f'espnetv2-s{s}_{training}'
    for s in ('0.5', '1.0', '1.5', '2.0')
    for part, training in (
        ('city_512x256', '1xb25-11.9k_cityscapes-256x512'),
        ('city_1024x512', '1xb6-49.6k_cityscapes-512x1024'),
        ('pascal_256x256', '1xb40-26.5k_voc12aug-256x256'),
        ('pascal_384x384', '1xb32-33.1k_voc12aug-384x384'),
    )
}


def inner_datasets(config):
    return config.datasets if 'datasets' in config else [config]


def start_of(config):
    """Data set of the weights that a training starts from, ``''`` without any."""
    path = Path(config.load_from or '')
    if path.is_relative_to('work_dirs'):
        return NAME.fullmatch(path.parent.name)['dataset']
    return path.stem.rpartition('_')[2]


def eseg_name(config):
    """What the model of an ESeg leaf must be called."""
    backbone, neck = config.model.backbone, config.model.neck
    is_resnet = backbone.type == 'ResNet'
    arch = f'r{backbone.depth}' if is_resnet else backbone.arch.removeprefix('eseg-')
    fpn = '-fpn' if neck.get('neck', neck).type == 'FPN' else ''
    first = backbone.out_indices[0] + (2 if is_resnet else 1)
    last = first + len(config.model.decode_head.in_channels) - 1
    levels = '' if last == 9 and not fpn else f'-p{first}p{last}'
    return f'eseg-{arch}{fpn}{levels}'


def test_there_are_leaves():
    assert len(LEAVES) == len({path.stem for path in LEAVES}) >= 70
    assert len(OFFICIAL) == 7 + 16


@pytest.mark.parametrize('path', LEAVES, ids=lambda path: path.stem)
def test_name_says_what_is_in_it(path):
    name = NAME.fullmatch(path.stem)
    assert name, (
        f'{path.name} is not {{model}}_{{gpus}}xb{{batch}}-{{iters}}k_{{dataset}}-{{H}}x{{W}}'
    )
    config = Config.fromfile(path)
    assert config.train_dataloader.batch_size == int(name['batch'])
    assert config.train_cfg.max_iters == round(float(name['kilo']) * 1000)
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        types = {dataset.type for dataset in inner_datasets(loader.dataset)}
        assert types == {DATASET_TYPES[name['dataset']]}
    assert tuple(config.crop_size) == (int(name['h']), int(name['w']))
    start = start_of(config)
    lr = config.optim_wrapper.optimizer.lr
    assert float(name['lr'] or lr) == lr
    backbone, head = config.model.backbone, config.model.decode_head
    family, _, size = name['model'].rpartition('-')
    if family.startswith('eseg'):
        assert eseg_name(config) == name['model']
        weights = (backbone.get('init_cfg') or {}).get('checkpoint', '')
        if name['pre'] == 'imagenet':
            assert weights.endswith(f'-{size}_imagenet.pth') and not start
        else:
            assert name['pre'] == (start or None)
        if start == 'mapillary':
            assert Path(config.load_from).parent.name.startswith(f'{name["model"]}_')
            assert not weights and lr == 0.01
        elif name['dataset'] != 'camvid':
            assert lr == (0.02 if name['lr'] else 0.08)
        return
    assert name['pre'] == (start if start not in ('', 'imagenet', name['dataset']) else None)
    if family == 'espnetv2':
        assert f's{backbone.width_multiplier}' == size
        assert f'espnetv2-{size}' in config.load_from or f'espnetv2_{size}' in config.load_from
    else:
        assert f'p{backbone.num_blocks[0]}q{backbone.num_blocks[1]}' == size
        assert head.type == {'espnet': 'ESPNetHead', 'espnet-c': 'ESPNetCHead'}[family]


@pytest.mark.parametrize('path', LEAVES, ids=lambda path: path.stem)
def test_builds_and_agrees_with_its_data(path):
    config = Config.fromfile(path)
    with torch.device('meta'):  # shapes alone: the largest network is quick, too
        model = MODELS.build(config.model)
    (dataset, *_) = inner_datasets(config.train_dataloader.dataset)
    real = len(DATASETS.get(dataset.type).METAINFO['classes'])
    assert config.num_labels == real
    void = config.model.data_preprocessor.get('ignore_to_class')
    assert void in (None, real)
    num_classes = model.decode_head.num_classes
    weights = model.decode_head.loss_decode.class_weight
    assert weights is None or len(weights) == num_classes
    is_untrained_output = weights is not None and weights[-1] == 0
    assert num_classes == real + (void is not None or is_untrained_output)
    if config.model.get('neck') and hasattr(model.backbone, 'out_channels'):
        given = tuple(model.backbone.out_channels)
        wanted = getattr(model.neck, 'neck', model.neck).in_channels
        assert tuple(wanted)[: len(given)] == given


@pytest.mark.parametrize('path', LEAVES, ids=lambda path: path.stem)
def test_short_and_known_by_name(path):
    lines = [line for line in path.read_text().splitlines() if not line.startswith('#')]
    assert len(lines) <= 40
    index = yaml.safe_load((CONFIGS / path.parent.name / 'metafile.yaml').read_text())
    models = {model['Name']: model['Config'] for model in index['Models']}
    assert models[path.stem] == f'configs/{path.parent.name}/{path.name}'


def test_metafiles_name_existing_configs():
    index = yaml.safe_load((CONFIGS.parent / 'model-index.yml').read_text())
    models = [
        model
        for file in index['Import']
        for model in yaml.safe_load((CONFIGS.parent / file).read_text())['Models']
    ]
    assert {CONFIGS.parent / model['Config'] for model in models} == set(LEAVES)


@pytest.mark.parametrize(('file', 'leaf'), OFFICIAL.items())
def test_official_weights_load_as_they_stand(shared, tmp_path, file, leaf):
    target = tmp_path / 'converted.pth'
    convert(file.partition('/')[0], shared / 'checkpoints' / file, target)
    config = Config.fromfile(next(path for path in LEAVES if path.stem == leaf))
    model = MODELS.build(config.model)
    meta = load_weights(model, target)
    expected, processor = meta['preprocessing'], model.data_preprocessor
    assert processor.mean.flatten().tolist() == pytest.approx(expected['mean'])
    assert processor.std.flatten().tolist() == pytest.approx(expected['std'])
    assert tuple(config.crop_size) == expected.get('size', tuple(config.crop_size))
    image = torch.tensor([[[10.0]], [[20.0]], [[30.0]]])  # as it is read, BGR
    ordered = image.flip(0) if expected['bgr_to_rgb'] else image
    normalised = (ordered - processor.mean) / processor.std
    assert torch.equal(processor(dict(inputs=[image]))['inputs'][0], normalised)


@pytest.mark.parametrize('path', LEAVES, ids=lambda path: path.stem)
def test_nothing_at_the_top_replaces_the_preprocessing(path):
    """The runner would give a ``data_preprocessor`` at the top level to the model of ``--tta``."""
    assert 'data_preprocessor' not in Config.fromfile(path)


def test_data_root_follows_the_environment(monkeypatch):
    path = CONFIGS / f'espnet/{OFFICIAL["espnet/espnet_p_2_q_8_camvid.pth"]}.py'
    monkeypatch.delenv('MMSEG_EFF_DATA', raising=False)
    assert Config.fromfile(path).test_dataloader.dataset.data_root == 'data/camvid'
    monkeypatch.setenv('MMSEG_EFF_DATA', '/elsewhere')
    assert Config.fromfile(path).test_dataloader.dataset.data_root == '/elsewhere/camvid'
