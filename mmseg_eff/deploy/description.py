"""Describe an exported network as plain data: its tensors, preprocessing, config and dataset.

All of it goes into ``report.json`` and, where its format has a place, into the network's file.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from mmengine.config import Config, ConfigDict
from mmseg.models import SegDataPreProcessor

from ..datasets.image_reader import BGR_BACKENDS, ImageReader, class_name, split_pipeline
from ..datasets.wrappers import innermost_datasets
from ..errors import InputError
from .runtime_images import resized_size

if TYPE_CHECKING:
    from .graph import SegmentationGraph

PASSIVE = ('PackSegInputs', 'ScoreAtInputSize')  # leave an image without labels as it is


def describe(graph: 'SegmentationGraph') -> dict:
    """What the runtime must know of a graph, and what a reader wants to."""
    return dict(
        precision='f32',
        inference_precision='f32',  # what to ask an engine for that would choose by the processor
        size=graph.size and list(graph.size),
        batch=graph.batch,
        inside=graph.inside,
        inputs=graph.inputs,
        output=graph.result,
        resize=graph.resize,
        input=dict(channels=graph.channels, dtype=graph.dtype.name),
        num_labels=graph.num_labels,
        normalise=normalization(graph.preprocessor, graph.channels),
        align_corners=graph.model.align_corners,
        threshold=graph.threshold,
        is_sigmoid=graph.is_sigmoid,
        tensors=describe_tensors(graph),
        preprocessing=describe_preprocessing(graph),
        config=describe_config(graph.model.cfg),
        **{'weights': None, **graph.origin},
    )


def describe_tensors(graph: 'SegmentationGraph') -> dict:
    """Name, type, layout and shape of the graph's inputs and output; a free side is ``None``."""
    size = given = graph.size or (None, None)
    if graph.size and graph.resize and 'resize' not in graph.inside:
        given = resized_size(*graph.size, graph.resize)
    is_8_bit = graph.dtype == np.uint8
    dtypes = dict(
        image='uint8' if is_8_bit and 'normalise' in graph.inside else 'float32',
        original='uint8' if is_8_bit else 'float32',
    )
    inputs = [
        dict(
            name=name,
            dtype=dtypes[name],
            layout='NHWC',
            shape=[graph.batch, *(size if name == 'original' else given), graph.channels],
        )
        for name in graph.inputs
    ]
    if graph.output == 'labels':
        dtype = 'uint8' if graph.num_labels <= 256 else 'int32'
        output = dict(name='labels', dtype=dtype, layout='NHW', shape=[graph.batch, *size])
    else:
        sides = size if 'labels' in graph.inside else (None, None)
        is_single = graph.threshold is not None and graph.output == 'logits'
        channels = 1 if is_single else graph.num_labels
        shape = [graph.batch, channels, *sides]
        output = dict(name=graph.output, dtype='float32', layout='NCHW', shape=shape)
    return dict(inputs=inputs, outputs=[output])


def describe_preprocessing(graph: 'SegmentationGraph') -> list[dict]:
    """The steps from a file to the network in their order: which, whether inside, and in words."""
    constants, inside = normalization(graph.preprocessor, graph.channels), graph.inside
    steps = [('load', False, f'load as {channel_order(graph)}, {graph.dtype}')]
    if graph.resize:
        scale, backend = graph.resize['scale'], graph.resize['backend']
        target = f'by {scale}' if isinstance(scale, float) else f'to {scale} (width, height)'
        ratio = ', ratio kept' if graph.resize['keep_ratio'] else ''
        words = f'resize {target}{ratio}, bilinear as by {backend}'
        steps.append(('resize', 'resize' in inside, words))
    words = 'subtract the mean, divide by the std'
    if constants['to_rgb']:
        words = f'BGR to RGB, {words}'
    steps.append(('normalise', 'normalise' in inside, words))
    return [dict(step=step, inside=is_inside, words=words) for step, is_inside, words in steps]


def channel_order(graph: 'SegmentationGraph') -> str:
    """The order of an image's channels in words."""
    if graph.channels == 1:
        return 'grey'
    facts = ImageReader(graph.model.cfg.test_pipeline).facts
    if facts and facts['imdecode_backend'] in BGR_BACKENDS and graph.channels in (3, 4):
        return 'BGR' if graph.channels == 3 else 'BGRA'
    return f'{graph.channels} channels in the order of the file'


def describe_config(config: Config) -> dict:
    """Name, dataset and hash of a config.

    The SHA-256 is that of its network and test pipeline as JSON with sorted keys, on which neither
    folders nor settings of the training have an influence.
    """
    facts = {key: config.get(key) for key in ('model', 'test_pipeline')}
    text = json.dumps(facts, sort_keys=True, default=str)
    file = getattr(config, 'filename', None)
    dataset = (config.get('test_dataloader') or {}).get('dataset')
    dataset = dataset and next(innermost_datasets(dataset), None)
    return dict(
        name=Path(file).stem if file else None,
        dataset=class_name(dataset) if dataset else None,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
    )


def find_resize(pipeline: Sequence[ConfigDict]) -> dict | None:
    """The resize of a test pipeline: scale (W, H) or a factor, keep_ratio and backend.

    Raises:
        InputError: If the pipeline changes images in another way.
    """
    resize = None
    for transform in split_pipeline(pipeline)[1]:
        name = class_name(transform)
        if name in PASSIVE:
            continue
        if name != 'Resize' or resize or transform.get('interpolation', 'bilinear') != 'bilinear':
            raise InputError(
                f'test_pipeline: cannot export {dict(transform)}; one bilinear Resize is allowed'
            )
        scale = transform.get('scale') or transform['scale_factor']
        if isinstance(scale, int):
            scale = (scale, scale)
        resize = dict(
            scale=scale if isinstance(scale, float) else list(scale),
            keep_ratio=transform.get('keep_ratio', False),
            backend=transform.get('backend', 'cv2'),
        )
    return resize


def normalization(preprocessor: SegDataPreProcessor, channels: int) -> dict:
    """Mean, standard deviation and channel order of a data preprocessor, as plain data.

    Args:
        preprocessor: It changes the order of three channels only.
        channels: Of the image.
    """
    is_enabled = preprocessor._enable_normalize
    # the name in mmseg, or in its fork
    to_rgb = getattr(preprocessor, 'channel_conversion', None)
    if to_rgb is None:
        to_rgb = preprocessor._channel_conversion
    return dict(
        mean=preprocessor.mean.flatten().tolist() if is_enabled else [0.0] * channels,
        std=preprocessor.std.flatten().tolist() if is_enabled else [1.0] * channels,
        to_rgb=bool(to_rgb) and channels == 3,
    )
