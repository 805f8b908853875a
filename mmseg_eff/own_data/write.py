"""Write a config of at most 25 lines that names a dataset and the sizes of its training."""

from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from tokenize import OP, generate_tokens
from typing import Any, NamedTuple

from .image_facts import ImageFacts
from .networks import Network
from .sizes import Plan

BASES = 'mmseg_eff::_base_/own'
MOST_LINES = 25
WIDTH = 100  # characters of a line, where the lines suffice
LONGEST = 120  # characters of a line of classes, colours or weights within the config
CLASS_FILE = 'classes.py'


class Content(NamedTuple):
    """What a config says.

    Attributes:
        title: Its first line, a comment.
        network: Of the config.
        images: What the images are.
        plan: Sizes of the training.
        classes: Name of each label.
        palette: RGB colour of each class.
        class_weight: Of each class; ``None`` for equal ones.
        root: Folder of the dataset.
        folder: Folder of what was written for it.
        data: Arguments of both datasets.
        train: Those of the dataset of the training.
        val: Those of the validation.
        load_from: Weights to start from.
    """

    title: str
    network: Network
    images: ImageFacts
    plan: Plan
    classes: Sequence[str]
    palette: Sequence[Sequence[int]]
    class_weight: Sequence[float] | None
    root: Path
    folder: Path
    data: dict[str, Any]
    train: dict[str, Any]
    val: dict[str, Any]
    load_from: str | None


def class_lines(content: Content) -> list[str]:
    """The lines of classes, colours and weights."""
    return [
        f'classes = {tuple(content.classes)}',
        f'palette = {[list(map(int, color)) for color in content.palette]}',
        f'class_weight = {None if content.class_weight is None else [*content.class_weight]}',
    ]


def class_file_text(content: Content) -> str | None:
    """The text of a base config of the classes, ``None`` where they are short."""
    lines = class_lines(content)
    return '\n'.join(lines) + '\n' if max(map(len, lines)) > LONGEST else None


def config_text(content: Content, class_file: str | None) -> str:
    """The text of the config.

    Args:
        content: What it says.
        class_file: Base config with the lines of ``class_lines``; without, the config has them.
    """
    parts = 'photos' if content.images.is_photo else 'bands'
    bases = [f'{BASES}/{content.network.base}.py', f'{BASES}/{parts}.py']
    known = '' if class_file is None else '_base_.'
    plan = content.plan
    lines = [
        f'# {content.title}',
        f'_base_ = {bases if class_file is None else [*bases, class_file]}',
        *(class_lines(content) if class_file is None else []),
        *size_lines(plan),
        *data_lines(content, known),
        f'head = {head(content, known)}',
        f'model = {model(content)}',
        'param_scheduler = [_base_.warmup, dict(_base_.decay, end=max_iters)]',
        f'train_cfg = dict(max_iters=max_iters, val_interval={plan.val_interval})',
    ]
    if content.load_from:
        lines.append(f'load_from = {content.load_from!r}')
    return wrapped(lines)


def size_lines(plan: Plan) -> list[str]:
    """Sizes, and the pipelines that need them."""
    scale = 'crop_size[::-1]' if plan.crop == plan.scale else repr(plan.scale[::-1])
    resize = f"type='RandomResize', scale={scale}, ratio_range=(0.75, 1.5), keep_ratio=True"
    lines = [
        f'crop_size = {plan.crop}  # height, width',
        f'max_iters = {plan.max_iters}',
        f'resize = dict({resize})',
        "crop = dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75)",
        'train_pipeline = [*_base_.load, resize, crop, *_base_.augment]',
    ]
    if plan.is_resized:
        whole = f"dict(type='Resize', scale={plan.scale[::-1]}, keep_ratio=True)"
        steps = f"_base_.load[0], {whole}, _base_.load[1], dict(type='PackSegInputs')"
        lines.append(f'test_pipeline = [{steps}]')
    return lines


def data_lines(content: Content, known: str) -> list[str]:
    """The datasets and their loaders."""
    train, val = (call(part, content.folder) for part in (content.train, content.val))
    others = ''.join(f', {key}={value!r}' for key, value in content.data.items())
    metainfo = f'dict(classes={known}classes, palette={known}palette)'
    pipeline = ', pipeline=test_pipeline' if content.plan.is_resized else ''
    own = [f'files = {str(content.folder)!r}'] if 'files +' in train + val else []
    whole = 'dict(**data, **train, pipeline=train_pipeline)'
    return [
        f'root = {str(content.root)!r}',
        *own,
        f'data = dict(data_root=root, metainfo={metainfo}{others})',
        f'train = {train}',
        f'val = {val}',
        f'train_dataloader = dict(batch_size={content.plan.batch_size}, dataset={whole})',
        f'val_dataloader = dict(dataset=dict(**data, **val{pipeline}))',
        'test_dataloader = val_dataloader',
    ]


def call(arguments: dict[str, Any], folder: Path) -> str:
    """``dict(a=1, …)`` of arguments, dicts alike; paths in ``folder`` begin with ``files``."""

    def show(value: object) -> str:
        if isinstance(value, dict):
            return call(value, folder)
        start = f'{folder}/'
        if isinstance(value, str) and value.startswith(start):
            return f'files + {value[len(start) - 1 :]!r}'
        return repr(value)

    return f'dict({", ".join(f"{key}={show(value)}" for key, value in arguments.items())})'


def head(content: Content, known: str) -> str:
    """The decode head."""
    inputs, images = '', content.images
    if not images.is_photo and content.network.base == 'espnet':  # which joins maps and the image
        inputs = f'in_channels=(16, {128 + images.channels}, 256), '
    loss = f'loss_decode=dict(class_weight={known}class_weight)'
    return f'dict({inputs}num_classes=len({known}classes), {loss})'


def model(content: Content) -> str:
    """The network, with the channels, mean and std of images that are no photos."""
    images = content.images
    if images.is_photo:
        return 'dict(data_preprocessor=dict(size=crop_size), decode_head=head)'
    pixels = f'size=crop_size, mean=[{images.mean}], std=[{images.std}]'
    channels = f'backbone=dict(in_channels={images.channels})'
    return f'dict(data_preprocessor=dict({pixels}), {channels}, decode_head=head)'


def wrapped(lines: Sequence[str]) -> str:
    """Text of the lines, the longest ones above 100 characters in two while 25 are not reached."""
    spare = MOST_LINES - len(lines)
    long = sorted((line for line in lines if len(line) > WIDTH), key=len, reverse=True)
    broken = {*long[: max(spare, 0)]}
    return '\n'.join(in_two(line) if line in broken else line for line in lines) + '\n'


def in_two(line: str) -> str:
    """A line, broken after the last comma of its outermost brackets that is early enough."""
    depth = place = 0
    for token in generate_tokens(StringIO(line).readline):
        if token.type == OP:
            depth += (token.string in '([{') - (token.string in ')]}')
            if token.string == ',' and depth == 1 and token.end[1] <= WIDTH:
                place = token.end[1]
    return f'{line[:place]}\n    {line[place:].lstrip()}' if place else line
