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
    r'_(?P<gpus>\d+)xb(?P<batch>\d+)-(?P<kilo>[\d.]+)k_(?P<dataset>[^_-]+)-(?P<h>\d+)x(?P<w>\d+)'
)
DATASET_TYPES = dict(
    cityscapes='CityscapesDataset', camvid='CamVidDataset', toystreet='ToyStreetDataset'
)
OFFICIAL = {  # file of the authors -> the leaf that it loads into
    'espnet_p_2_q_3.pth': 'espnet-p2q3_1xb8-558k_cityscapes-512x1024',
    'espnet_p_2_q_5.pth': 'espnet-p2q5_1xb8-558k_cityscapes-512x1024',
    'espnet_p_2_q_8.pth': 'espnet-p2q8_1xb8-558k_cityscapes-512x1024',
    'espnet_p_2_q_8_camvid.pth': 'espnet-p2q8_1xb8-69k_camvid-360x480',
    'encoder/espnet_p_2_q_3.pth': 'espnet-c-p2q3_1xb14-319k_cityscapes-512x1024',
    'encoder/espnet_p_2_q_5.pth': 'espnet-c-p2q5_1xb14-319k_cityscapes-512x1024',
    'encoder/espnet_p_2_q_8.pth': 'espnet-c-p2q8_1xb14-319k_cityscapes-512x1024',
}


def test_there_are_leaves():
    assert len(LEAVES) == len({path.stem for path in LEAVES}) >= 10


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
        assert loader.dataset.type == DATASET_TYPES[name['dataset']]
    assert tuple(config.crop_size) == (int(name['h']), int(name['w']))
    assert bool(name['pre']) == ('checkpoints/' in (config.load_from or ''))
    if name['pre']:
        assert name['pre'] in config.load_from
    backbone, head = config.model.backbone, config.model.decode_head
    family, _, blocks = name['model'].rpartition('-')
    assert f'p{backbone.num_blocks[0]}q{backbone.num_blocks[1]}' == blocks
    assert head.type == {'espnet': 'ESPNetHead', 'espnet-c': 'ESPNetCHead'}[family]


@pytest.mark.parametrize('path', LEAVES, ids=lambda path: path.stem)
def test_builds_and_agrees_with_its_data(path):
    config = Config.fromfile(path)
    model = MODELS.build(config.model)
    dataset = DATASETS.get(config.train_dataloader.dataset.type)
    real = len(dataset.METAINFO['classes'])
    assert config.num_labels == real
    void = config.model.data_preprocessor.get('ignore_to_class')
    assert model.decode_head.num_classes == real + (void is not None)
    assert void in (None, real)
    weights = model.decode_head.loss_decode.class_weight
    assert weights is None or len(weights) == model.decode_head.num_classes


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
    convert('espnet', shared / 'checkpoints/espnet' / file, target)
    config = Config.fromfile(CONFIGS / f'espnet/{leaf}.py')
    model = MODELS.build(config.model)
    meta = load_weights(model, target)
    expected, processor = meta['preprocessing'], model.data_preprocessor
    assert processor.mean.flatten().tolist() == pytest.approx(expected['mean'])
    assert processor.std.flatten().tolist() == pytest.approx(expected['std'])
    assert tuple(config.crop_size) == expected['size']
    bgr = torch.tensor([[[10.0]], [[20.0]], [[30.0]]])
    normalised = (bgr - processor.mean) / processor.std  # the order of the channels stays
    assert not expected['bgr_to_rgb']
    assert torch.equal(processor(dict(inputs=[bgr]))['inputs'][0], normalised)


def test_data_root_follows_the_environment(monkeypatch):
    path = CONFIGS / f'espnet/{OFFICIAL["espnet_p_2_q_8_camvid.pth"]}.py'
    monkeypatch.delenv('MMSEG_EFF_DATA', raising=False)
    assert Config.fromfile(path).test_dataloader.dataset.data_root == 'data/camvid'
    monkeypatch.setenv('MMSEG_EFF_DATA', '/elsewhere')
    assert Config.fromfile(path).test_dataloader.dataset.data_root == '/elsewhere/camvid'
