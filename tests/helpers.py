"""What several tests share."""

from collections.abc import Sequence

import numpy as np
import torch
from mmengine.config import ConfigDict
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn
from torch.utils.data import Dataset

from mmseg_eff.commands._arguments import ToolParser
from mmseg_eff.commands._cli import add_config_arguments
from mmseg_eff.datasets.image_reader import ImageReader
from mmseg_eff.models.backbones.xception import Unit

# Options that make the demo's config run on the tiny data set of the fixture ``data_root``.
TINY = [
    'train_dataloader.batch_size=2',
    'train_dataloader.num_workers=0',
    'train_dataloader.persistent_workers=False',
    'val_dataloader.num_workers=0',
    'val_dataloader.persistent_workers=False',
    'test_dataloader.num_workers=0',
    'test_dataloader.persistent_workers=False',
    'crop_size=(64,128)',
    'train_dataloader.dataset.pipeline.2.scale=(128,64)',
    'train_dataloader.dataset.pipeline.3.crop_size=(64,128)',
    'model.backbone.num_blocks=(1,1)',
    'train_cfg.max_iters=2',
    'train_cfg.val_interval=2',
    'default_hooks.checkpoint.interval=2',
    'default_hooks.checkpoint.max_keep_ckpts=3',
    'default_hooks.logger.interval=1',
]
TINY_XCEPTION = (  # few channels, every kind of unit
    Unit((4, 6, 8), 2, 'conv'),
    Unit((10, 12, 16), 2, 'conv'),
    Unit((16, 20, 24), 2, 'conv'),
    Unit((24, 24, 24), 1, 'sum'),
    Unit((24, 28, 32), 2, 'conv'),
    Unit((32, 36, 40), 1, 'none'),
)
# a segmentor of mmseg's parts with few channels, and the loss of sigmoid outputs
BACKBONE = dict(type='ResNet', depth=18, base_channels=8, norm_cfg=dict(type='BN'))
HEAD = dict(type='FCNHead', in_channels=8, in_index=0, channels=8, num_convs=0, concat_input=False)
SIGMOID = dict(type='CrossEntropyLoss', use_sigmoid=True)
NORM_KEYS = ('weight', 'bias', 'running_mean', 'running_var')


def read_image(path):
    """An image file as 8-bit BGR (H, W, 3)."""
    return ImageReader().read(path)['img']


class FunctionSegmentor:
    """A function of the pixels in the place of a network, for what predicts with one."""

    palette = [[index, index, index] for index in range(4)]
    classes = ('night', 'dusk', 'dawn', 'day')
    label_dtype = np.dtype(np.uint8)

    def __init__(self, function, reader=None):
        self.function, self.reader = function, reader or ImageReader()

    def segment(self, image):
        return self.function(image['img'])

    def segment_batch(self, images):
        return [self.segment(image) for image in images]


def count_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def assert_denser(
    strided: nn.Module, dense: nn.Module, image: Tensor, strides: Sequence[int], output_stride: int
) -> None:
    """Every map of ``strided``, of the given strides, is every n-th value of ``dense``'s."""
    with torch.no_grad():
        pairs = list(zip(strided(image), dense(image), strides, strict=True))
    for x, y, stride in pairs:
        step = max(1, stride // output_stride)
        assert y.shape[-1] == -(-image.shape[-1] // min(stride, output_stride))
        assert x.std() > 0.1  # or the values would say nothing
        torch.testing.assert_close(y[..., ::step, ::step], x)


def samples(labels: Tensor) -> list[SegDataSample]:
    """Data samples of labels (N, H, W)."""
    size = tuple(labels.shape[1:])
    meta = dict(img_shape=size, ori_shape=size, pad_shape=size)
    return [
        SegDataSample(gt_sem_seg=PixelData(data=label[None]), metainfo=meta) for label in labels
    ]


def build_segmentor(backbone: dict, decode_head: dict, **kwargs) -> nn.Module:
    return MODELS.build(
        ConfigDict(
            type='EncoderDecoder',
            backbone=backbone,
            decode_head=decode_head,
            train_cfg=dict(),
            **{
                'data_preprocessor': dict(type='SegDataPreProcessor', size_divisor=1),
                'test_cfg': dict(mode='whole'),
                **kwargs,
            },
        )
    )


def with_trained_norms(model: nn.Module) -> nn.Module:
    """A model whose norms have statistics and weights as after a training, drawn at random."""
    for norm in model.modules():
        if isinstance(norm, nn.modules.batchnorm._BatchNorm):
            if norm.running_mean is not None:
                norm.running_mean.normal_(0, 0.1)
                norm.running_var.uniform_(0.5, 1.5)
            if norm.weight is not None:
                nn.init.uniform_(norm.weight, 0.5, 1.5)
                nn.init.normal_(norm.bias, 0, 0.1)
    return model


def train_step(
    backbone: dict, decode_head: dict, size: tuple[int, int] = (45, 71)
) -> dict[str, Tensor]:
    """One forward and backward pass of a segmentor; its log, with ``loss``."""
    model = build_segmentor(backbone, decode_head)
    labels = torch.randint(decode_head['num_classes'], (2, *size))
    losses = model.loss(torch.randn(2, 3, *size), samples(labels))
    loss, log = model.parse_losses(losses)
    loss.backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
    return log


def official_shapes(q: int, classes: int, skip_channels: int | None) -> dict[str, tuple[int, ...]]:
    """Names and shapes in the authors' files for p = 2, written from their layout."""
    shapes = {}

    def norm_act(name: str, channels: int) -> None:
        shapes.update({f'{name}.bn.{key}': (channels,) for key in NORM_KEYS})
        shapes[f'{name}.act.weight'] = (channels,)

    def block(name: str, inputs: int, outputs: int, stride: int) -> None:
        n = outputs // 5
        size = 3 if stride == 2 else 1
        shapes[f'{name}.c1.conv.weight'] = (n, inputs, size, size)
        for dilation in (1, 2, 4, 8, 16):
            width = outputs - 4 * n if dilation == 1 else n
            shapes[f'{name}.d{dilation}.conv.weight'] = (width, n, 3, 3)
        norm_act(name if stride == 2 else f'{name}.bn', outputs)

    encoder = '' if skip_channels is None else 'encoder.'
    shapes[f'{encoder}level1.conv.weight'] = (16, 3, 3, 3)
    norm_act(f'{encoder}level1', 16)
    for level, channels in ((1, 19), (2, 131), (3, 256)):
        norm_act(f'{encoder}b{level}', channels)
    block(f'{encoder}level2_0', 19, 64, 2)
    block(f'{encoder}level3_0', 131, 128, 2)
    for index in range(2):
        block(f'{encoder}level2.{index}', 64, 64, 1)
    for index in range(q):
        block(f'{encoder}level3.{index}', 128, 128, 1)
    shapes[f'{encoder}classifier.conv.weight'] = (classes, 256, 1, 1)
    if skip_channels is not None:
        shapes['level3_C.conv.weight'] = (classes, 131, 1, 1)
        shapes.update({f'br.{key}': (classes,) for key in NORM_KEYS})
        shapes['conv.conv.weight'] = (classes, classes + skip_channels, 3, 3)
        norm_act('conv', classes)
        norm_act('combine_l2_l3.0', 2 * classes)
        block('combine_l2_l3.1', 2 * classes, classes, 1)
        norm_act('up_l2.1', classes)
        for name in ('up_l3.0', 'up_l2.0', 'classifier'):
            shapes[f'{name}.weight'] = (classes, classes, 2, 2)
    return shapes


def official(*args) -> dict[str, torch.Tensor]:
    return {name: torch.rand(shape) for name, shape in official_shapes(*args).items()}


def parsed(argv, *adders):
    """Arguments of a command that takes a config, or to whose parser ``adders`` add theirs."""
    parser = ToolParser()
    for add in adders or (add_config_arguments,):
        add(parser)
    return parser.parse_args(argv)


class Numbers(Dataset):
    """Each sample: its index and a random number of each generator; counts what it gave."""

    loaded = 0

    def __len__(self):
        return 5

    def __getitem__(self, index):
        self.loaded += 1
        return index, np.random.rand(), torch.rand(()).item(), np.random.randint(1000)
