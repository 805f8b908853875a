"""Every config: its name says what is in it, it builds, and official weights load into it."""

import re
from pathlib import Path

import pytest
import torch
import yaml
from config_files import CONFIG_FILES, CONFIGS, named, read
from mmengine.optim import build_optim_wrapper
from mmseg.registry import DATASETS, MODELS
from torch import nn

from mmseg_eff.benchmarking.complexity import complexity
from mmseg_eff.converters import load_weights
from mmseg_eff.converters.convert import convert
from mmseg_eff.hub import find, published
from mmseg_eff.utils.names import HUB

RECIPES = [path for path in CONFIG_FILES if path.parent.name != 'mix']  # see test_mix.py
CHAINED = [path for path in RECIPES if "load_from = 'work_dirs/" in path.read_text()]
NAME = re.compile(
    r'(?P<model>[^_]+)(_(?P<pre>[a-z0-9]+)-pre)?(?P<selftrain>[_-]selftrain)?'
    r'_(?P<gpus>\d+)xb(?P<batch>\d+)-(?P<kilo>[\d.]+)k(-lr(?P<lr>[\d.]+))?'
    r'_(?P<dataset>[^_-]+)(-quarter|-drive|-jpeg)?-(?P<h>\d+)x(?P<w>\d+)'
)
DATASET_TYPES = dict(
    cityscapes='CityscapesDataset',
    camvid='CamVidDataset',
    ade20k='ADE20KDataset',
    coco21='PascalVOCDataset',
    mapillary='MapillaryDataset_v1',
    mapillary19='MapillaryAsCityscapesDataset',
    toystreet='ToyStreetDataset',
    voc12aug='PascalVOCDataset',
    voc12augcoco='PascalVOCDataset',
    voc12trainval='PascalVOCDataset',
    vocforeground='ForegroundVOCDataset',
)
MMSEGS = ('https://download.openmmlab.com/', 'open-mmlab://')  # weights of mmseg's backbones
ESEG = dict(s='b1', m='b4', l='b7')  # encoder of each size
BASELINES = {'fast-scnn': 'FastSCNN', 'ddrnet-23-slim': 'DDRNet'}  # of mmseg, to compare with
DEEPLAB = {  # head -> version
    'DeepLabV1Head': 'deeplabv1',
    'DeepLabV2Head': 'deeplabv2',
    'DeepLabV3Head': 'deeplabv3',
    'DeepLabV3PlusHead': 'deeplabv3plus',
}
PUBLISHED_MACS = [  # configs/deeplab; of the authors' model_zoo.md, 1e9 multiply-adds
    ('deeplabv3-mobilenetv2_1xb16-30k_voc12aug-513x513', 2.75),
    ('deeplabv3plus-xception65_1xb16-30k_voc12aug-513x513', 54.17),
    ('deeplabv3-mobilenetv2_1xb16-90k_cityscapes-769x769', 21.27),
    ('deeplabv3plus-xception65_1xb16-90k_cityscapes-769x769', 418.64),
    ('deeplabv3plus-xception71-dpc_1xb16-90k_cityscapes-769x769', 502.07),
]
OFFICIAL = {  # file of the authors -> the config that it loads into
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
    assert not config.load_from or config.load_from.startswith(HUB)  # nobody's own files
    return find(config.load_from).dataset.casefold() if config.load_from else ''


def eseg_name(config):
    """What the model of an ESeg config must be called."""
    backbone, neck = config.model.backbone, config.model.neck
    is_resnet = backbone.type == 'ResNet'
    arch = f'r{backbone.depth}' if is_resnet else backbone.arch.removeprefix('eseg-')
    fpn = '-fpn' if neck.get('neck', neck).type == 'FPN' else ''
    first = backbone.out_indices[0] + (2 if is_resnet else 1)
    last = first + len(config.model.decode_head.in_channels) - 1
    levels = '' if last == 9 and not fpn else f'-p{first}p{last}'
    return f'eseg-{arch}{fpn}{levels}'


def deeplab_names(config):
    """What the model of a DeepLab config may be called: its usual output stride can be left out."""
    backbone, head = config.model.backbone, config.model.decode_head
    version = DEEPLAB[head.type]
    arch = {
        'AtrousVGG': lambda: 'vgg16',
        'AtrousResNet': lambda: f'r{backbone.depth}',
        'AtrousMobileNetV2': lambda: 'mobilenetv2',
        'Xception': lambda: f'xception{backbone.arch}',
        'EfficientNet': lambda: backbone.arch,
    }[backbone.type]()
    name = f'{version}-{arch}{"-dpc" if head.get("cell") else ""}'
    usual = 8 if version in ('deeplabv1', 'deeplabv2') else 16
    return [f'{name}-os{backbone.output_stride}'] + [name] * (backbone.output_stride == usual)


def test_no_two_configs_have_one_name():
    """By which ``--help``'s CONFIG and MMSegInferencer find them."""
    assert CONFIG_FILES and len({path.stem for path in CONFIG_FILES}) == len(CONFIG_FILES)


@pytest.mark.parametrize('path', RECIPES, ids=lambda path: path.stem)
def test_name_says_what_is_in_it(path):
    name = NAME.fullmatch(path.stem)
    assert name, (
        f'{path.name} is not {{model}}_{{gpus}}xb{{batch}}-{{iters}}k_{{dataset}}-{{H}}x{{W}}'
    )
    config = read(path)
    assert config.train_dataloader.batch_size == int(name['batch'])
    assert config.train_cfg.max_iters == round(float(name['kilo']) * 1000)
    sampler = 'MultiSourceSampler' if name['selftrain'] else 'ResumableSampler'
    assert config.train_dataloader.sampler.type == sampler
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        types = {dataset.type for dataset in inner_datasets(loader.dataset)}
        assert types == {DATASET_TYPES[name['dataset']]}
    assert tuple(config.crop_size) == (int(name['h']), int(name['w']))
    start = start_of(config)
    lr = config.optim_wrapper.optimizer.lr
    assert float(name['lr'] or lr) == lr
    backbone, head = config.model.backbone, config.model.decode_head
    if path.parent.name == 'baselines':
        assert backbone.type == BASELINES[name['model']] and not start
        return
    family, _, size = name['model'].rpartition('-')
    if family.startswith('eseg'):
        assert eseg_name(config) == name['model']
        weights = (backbone.get('init_cfg') or {}).get('checkpoint', '')
        if name['pre'] == 'imagenet':
            assert weights.endswith(f'-{size}_imagenet') and not start
        else:
            assert name['pre'] == (start or None)
        if start.startswith('mapillary'):
            assert Path(config.load_from).parent.name.startswith(f'{name["model"]}_')
            assert not weights and lr == (0.16 if name['selftrain'] else 0.01)
        elif name['dataset'] != 'camvid':
            assert lr == (0.16 if name['selftrain'] else 0.02 if name['lr'] else 0.08)
        return
    if family.startswith('deeplab'):
        assert name['model'] in deeplab_names(config)
        weights = (backbone.get('init_cfg') or {}).get('checkpoint', '')
        if name['pre'] == 'imagenet':
            assert weights.endswith('_imagenet') and not start
        else:
            assert name['pre'] == (start or None)
        return
    assert name['pre'] == (start if start not in ('', 'imagenet', name['dataset']) else None)
    if family == 'espnetv2':
        assert f's{backbone.width_multiplier}' == size
        assert f'espnetv2-{size}' in config.load_from or f'espnetv2_{size}' in config.load_from
    else:
        assert f'p{backbone.num_blocks[0]}q{backbone.num_blocks[1]}' == size
        assert head.type == {'espnet': 'ESPNetHead', 'espnet-c': 'ESPNetCHead'}[family]


@pytest.mark.parametrize('path', RECIPES, ids=lambda path: path.stem)
def test_builds_and_agrees_with_its_data(path):
    config = read(path)
    with torch.device('meta'):  # shapes alone: the largest network is quick, too
        model = MODELS.build(config.model)
    (dataset, *_) = inner_datasets(config.train_dataloader.dataset)
    real = len(DATASETS.get(dataset.type).METAINFO['classes'])
    assert config.num_classes == real
    void = config.model.data_preprocessor.get('ignore_to_class')
    assert void in (None, real)
    num_classes = model.decode_head.num_classes
    losses = model.decode_head.loss_decode
    weights = (losses if not isinstance(losses, nn.ModuleList) else losses[0]).class_weight
    assert weights is None or len(weights) == num_classes
    is_untrained_output = weights is not None and weights[-1] == 0
    assert num_classes == real + (void is not None or is_untrained_output)
    if config.model.get('neck') and hasattr(model.backbone, 'out_channels'):
        given = tuple(model.backbone.out_channels)
        wanted = getattr(model.neck, 'neck', model.neck).in_channels
        assert tuple(wanted)[: len(given)] == given


@pytest.mark.parametrize('path', CONFIG_FILES, ids=lambda path: path.stem)
def test_short_and_known_by_name(path):
    lines = [line for line in path.read_text().splitlines() if not line.startswith('#')]
    assert len(lines) <= 40
    index = yaml.safe_load((CONFIGS / path.parent.name / 'metafile.yaml').read_text())
    models = {model['Name']: model['Config'] for model in index['Models']}
    assert models[path.stem] == f'configs/{path.parent.name}/{path.name}'


@pytest.mark.parametrize(('name', 'published'), PUBLISHED_MACS)
def test_deeplab_has_the_published_multiply_adds(name, published):
    config = named(name)
    assert complexity(config, config.test_size)[-1].macs == pytest.approx(published * 1e9, rel=4e-3)


@pytest.mark.parametrize(
    ('name', 'published'),
    [('b1-os16', 91.8), ('b1-os32', 49.9), ('r50-os32', 230.3)],  # r50-os16: 324.3 is a misprint
)
def test_deeplab_of_eseg_has_the_papers_figures(name, published):
    """ESeg's Table 8."""
    config = named(f'deeplabv3plus-{name}_1xb16-90k_cityscapes-512x1024')
    total = complexity(config, (1024, 2048))[-1]
    assert total.paper_macs == pytest.approx(published * 1e9, rel=5e-3)


DEEPLAB_PADDED = [
    path
    for path in CONFIG_FILES
    if path.parent.name == 'deeplab' and 'sgd_poly' in path.read_text()
]


@pytest.mark.parametrize('path', DEEPLAB_PADDED, ids=lambda path: path.stem)
def test_deeplab_aligns_corners(path):
    """Sides of crops and padded images are 16 k + 1, or 8 k + 1 at output stride 8."""
    config = read(path)
    processor = config.model.data_preprocessor
    assert tuple(processor.test_cfg['size']) == tuple(config.test_size)
    assert tuple(processor.size) == tuple(config.crop_size)
    stride = config.model.backbone.output_stride
    assert {side % stride for side in (*config.test_size, *config.crop_size)} == {1}
    with torch.device('meta'):
        assert MODELS.build(config.model).align_corners


@pytest.mark.parametrize(
    ('name', 'expected'),
    [
        (  # Caffe's factors: ten times for the classifiers, twice for biases, those not decayed
            'deeplabv2-r101_1xb10-20k_voc12aug-321x321',
            {
                'backbone.layer4.2.conv3.weight': (2.5e-4, 5e-4),
                'decode_head.conv_seg.3.weight': (2.5e-3, 5e-4),
                'decode_head.conv_seg.3.bias': (5e-3, 0.0),
            },
        ),
        (
            'deeplabv3plus-xception65_1xb16-30k_voc12aug-513x513',
            {
                'backbone.units.0.convs.0.depthwise_conv.conv.weight': (0.007, 0.0),
                'backbone.units.0.convs.0.pointwise_conv.conv.weight': (0.007, 4e-5),
                'backbone.units.0.convs.0.pointwise_conv.bn.weight': (0.007, 0.0),
                'decode_head.conv_seg.bias': (0.014, 0.0),
            },
        ),
    ],
)
def test_deeplab_learning_rates_and_decay(name, expected):
    config = named(name)
    with torch.device('meta'):
        model = MODELS.build(config.model)
    groups = build_optim_wrapper(model, config.optim_wrapper).optimizer.param_groups
    given = {
        id(parameter): (group['lr'], group['weight_decay'])
        for group in groups
        for parameter in group['params']
    }
    parameters = dict(model.named_parameters())
    assert {key: given[id(parameters[key])] for key in expected} == expected


def test_deeplab_second_stage_is_frozen():
    config = named('deeplabv3-r101-os8_voc12aug-pre_1xb16-30k_voc12trainval-513x513')
    with torch.device('meta'):
        model = MODELS.build(config.model)
    norms = [module for module in model.modules() if isinstance(module, torch.nn.SyncBatchNorm)]
    assert len(norms) == 104 + 6
    assert not any(norm.weight.requires_grad for norm in norms)
    assert config.model.decode_head.output_stride == 8
    (hook,) = config.custom_hooks
    assert hook == dict(type='FrozenNormHook', modules=['backbone', 'decode_head'])


def test_comparison_differs_in_the_network_and_the_length():
    """DeepLabv3+ against ESeg on CamVid, in equal time."""
    ours, other = (
        named(f'{name}_camvid-360x480')
        for name in (
            'deeplabv3plus-lite0_imagenet-pre_1xb8-0.8k',
            'eseg-lite0_imagenet-pre_1xb8-1.5k',
        )
    )
    length = {'max_iters', 'train_cfg', 'param_scheduler'}
    assert {key for key in ours if ours[key] != other[key]} == {'model', *length}
    changed = {key for key in other.model if ours.model[key] != other.model[key]}
    assert changed == {'backbone', 'neck', 'decode_head'}
    taken = dict(out_indices=(1, 4), output_stride=16)
    assert ours.model.backbone == {**other.model.backbone, **taken}
    assert ours.model.decode_head.loss_decode == other.model.decode_head.loss_decode


def test_metafiles_name_existing_configs():
    index = yaml.safe_load((CONFIGS.parent / 'model-index.yml').read_text())
    models = [
        model
        for file in index['Import']
        for model in yaml.safe_load((CONFIGS.parent / file).read_text())['Models']
    ]
    assert {CONFIGS.parent / model['Config'] for model in models} == set(CONFIG_FILES)


def test_metafiles_and_the_index_agree_on_the_weights():
    """So ``MMSegInferencer('NAME')`` loads them, with the mIoU that the index has."""
    models = {
        model['Config'].removeprefix('configs/').removesuffix('.py'): model
        for path in CONFIGS.glob('*/metafile.yaml')
        for model in yaml.safe_load(path.read_text())['Models']
    }
    rows = {row.config: row for row in published().values() if row.config}
    given = {config: model['Weights'] for config, model in models.items() if model['Weights']}
    assert given == {config: f'{HUB}{row.name}' for config, row in rows.items()}
    for config, row in rows.items():
        if row.miou is not None:
            assert models[config]['Results'][0]['Metrics']['mIoU'] == row.miou, config


@pytest.mark.parametrize('path', CONFIG_FILES, ids=lambda path: path.stem)
def test_encoders_are_published_and_the_configs_own(path):
    """``init_cfg`` names a row of the index, of the network that the config builds; or mmseg's."""
    backbone = read(path).model.backbone
    init = backbone.get('init_cfg') or {}
    weights = init.get('checkpoint') or ''
    if path.parent.name == 'mix' and not weights.startswith(HUB):
        assert not weights or weights.startswith(MMSEGS)
        return
    if not weights:
        return
    row = find(weights)
    assert row.config is None and row.dataset == 'ImageNet' and init.prefix == 'backbone.'
    kind, _, _ = row.name.partition('_')
    arch = str(backbone.get('arch', '')).removeprefix('eseg-')
    assert kind in {
        'EfficientNet': [f'efficientnet-{ESEG.get(arch, arch)}'],
        'Xception': [f'xception{arch}'],
        'AtrousMobileNetV2': ['mobilenetv2'],
        'MobileNetV2': ['mobilenetv2'],
        'AtrousVGG': ['vgg16'],
    }.get(backbone.type, [f'resnet{backbone.get("depth")}'])


@pytest.mark.parametrize(('file', 'name'), OFFICIAL.items())
def test_official_weights_load_as_they_stand(shared, tmp_path, file, name):
    target = tmp_path / 'converted.pth'
    convert(file.partition('/')[0], shared / 'checkpoints' / file, target)
    config = named(name)
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


@pytest.mark.parametrize('path', CONFIG_FILES, ids=lambda path: path.stem)
def test_nothing_at_the_top_replaces_the_preprocessing(path):
    """The runner would give a ``data_preprocessor`` at the top level to the model of ``--tta``."""
    assert read(path).get('data_preprocessor') is None


def test_data_root_follows_the_environment(monkeypatch):
    path = CONFIGS / f'espnet/{OFFICIAL["espnet/espnet_p_2_q_8_camvid.pth"]}.py'
    monkeypatch.delenv('MMSEG_EFF_DATA', raising=False)
    assert read(path).test_dataloader.dataset.data_root == 'data/camvid'
    monkeypatch.setenv('MMSEG_EFF_DATA', '/elsewhere')
    assert read(path).test_dataloader.dataset.data_root == '/elsewhere/camvid'


@pytest.mark.parametrize('path', CHAINED, ids=lambda path: path.stem)
def test_starts_from_the_end_of_another_config(path):
    """Only the head may be new: of ESeg the classifier, and nothing where the classes are equal."""
    config = read(path)
    source = Path(config.load_from)
    first = named(source.parent.name)
    assert source.name == f'iter_{first.train_cfg.max_iters}.pth'
    with torch.device('meta'):
        given, wanted = (MODELS.build(c.model).state_dict() for c in (first, config))
    new = {
        name.rpartition('.')[0]
        for name in wanted
        if name not in given or given[name].shape != wanted[name].shape
    }
    if start_of(config) == 'mapillary':
        assert new == {'decode_head.conv_seg.1'}
    elif start_of(config) in ('mapillary19', 'coco21', 'voc12aug', 'voc12augcoco'):
        assert not new
    else:
        assert all(name.startswith('decode_head.') for name in new)


def test_averages_of_weights_suit_short_trainings():
    """Users inherit the recipes and train for fewer iterations than they do."""
    averages = [
        (path.name, hook)
        for path in CONFIG_FILES
        for hook in read(path).get('custom_hooks') or []
        if hook.type == 'EMAHook'
    ]
    assert averages
    assert [name for name, hook in averages if hook.get('ema_type') != 'RampedEMA'] == []
