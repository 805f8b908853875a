import json

import numpy as np
import pytest
import torch
from helpers import build_segmentor
from mmengine.config import ConfigDict
from mmseg.registry import MODELS
from small_segmentor import NORMALISE, build
from torch import Tensor, nn
from torch.export import Dim
from torch.nn import functional as F

from mmseg_eff.deploy import SegmentationGraph
from mmseg_eff.deploy.backends import onnx
from mmseg_eff.deploy.trace_ops import PlainOperations, quiet_resize
from mmseg_eff.errors import InputError
from mmseg_eff.models.layers import PooledDepthwise
from mmseg_eff.models.necks.epp import EfficientPyramidPool

BACKBONE = dict(type='ESPNet', arch='C', num_blocks=(1, 1))
HEAD = dict(
    type='FCNHead', in_channels=256, channels=256, num_convs=0, num_classes=4, concat_input=False
)


class DoubledAndPooled(nn.Module):
    """A branch of a folded pyramid."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = PooledDepthwise(torch.randn(3, 1, 3, 3), torch.randn(3))

    def forward(self, x: Tensor) -> Tensor:
        size = x.shape[2:]
        return self.layer(F.interpolate(x, [2 * side for side in size]), size)


class HalfImage(nn.Module):
    """The image at a scale of 0.5, as a segmentor of several scales resizes it."""

    def __init__(self) -> None:
        super().__init__()
        config = dict(type='MultiScaleEncoderDecoder', backbone=BACKBONE)
        self.model = MODELS.build(dict(config, decode_head=dict(HEAD, align_corners=True)))

    def forward(self, x: Tensor) -> Tensor:
        return self.model.resize(x, 0.5)


class Predicted(nn.Module):
    """Logits that mmseg's head enlarges with aligned corners."""

    def __init__(self) -> None:
        super().__init__()
        self.head = build_segmentor(BACKBONE, dict(HEAD, align_corners=True)).decode_head

    def forward(self, x: Tensor) -> Tensor:
        size = [2 * side for side in x.shape[2:]]
        return self.head.predict_by_feat(x, [dict(img_shape=size)])


@pytest.mark.parametrize(
    'build',
    [
        DoubledAndPooled,
        lambda: EfficientPyramidPool(3, 4, scales=(2.0, 1.5, 1.0, 0.1)),
        HalfImage,
        Predicted,
    ],
    ids=['pooled', 'pyramid', 'scales', 'head'],
)
def test_sizes_stay_free(build):
    layer = build().eval()
    sides = {2: Dim.DYNAMIC, 3: Dim.DYNAMIC}
    with torch.no_grad(), PlainOperations(), quiet_resize():
        example = torch.randn(1, 3, 24, 36)
        program = torch.export.export(layer, (example,), dynamic_shapes=(sides,)).module()
    for size in ((24, 36), (33, 70), (51, 16)):
        x = torch.randn(1, 3, *size)
        torch.testing.assert_close(program(x), layer(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ('size', 'message'),
    [
        (None, 'violated: image.size[1] was specialized to 360; a fixed --size may work'),
        ((64, 128), 'violated: image.size[1] was specialized to 360'),
    ],
)
def test_what_cannot_be_exported_is_refused_in_one_line(tmp_path, monkeypatch, size, message):
    def fail(*args, **kwargs):
        reason = ValueError('Constraints violated:\n  image.size[1] was specialized to 360\n')
        raise torch.onnx.errors.OnnxExporterError('failed in step 1 of 3') from reason

    monkeypatch.setattr(torch.onnx, 'export', fail)
    model = build_segmentor(BACKBONE, HEAD).eval()
    model.cfg = ConfigDict(test_pipeline=[])
    with pytest.raises(InputError) as info:
        onnx.convert(SegmentationGraph(model, size=size), tmp_path)
    assert str(info.value) == f'torch cannot export this network to ONNX: Constraints {message}'


def test_the_file_describes_itself(tmp_path):
    package = pytest.importorskip('onnx', reason='needs the extra [deploy]')
    pytest.importorskip('onnxscript', reason='needs the extra [deploy]')
    graph = SegmentationGraph(build(**NORMALISE), size=(32, 32), batch=None)
    graph.model.dataset_meta = dict(classes=('road', 'sky'), palette=[[0, 0, 0], [9, 9, 9]])
    onnx.convert(graph, tmp_path)
    model = package.load(tmp_path / 'model.onnx')
    metadata = {entry.key: json.loads(entry.value) for entry in model.metadata_props}
    assert metadata['classes'] == ['road', 'sky'] and metadata['batch'] is None
    (image,) = model.graph.input
    sides = [side.dim_value or None for side in image.type.tensor_type.shape.dim]
    (described,) = metadata['tensors']['inputs']
    assert described == dict(name=image.name, dtype='uint8', layout='NHWC', shape=sides)
    assert sides == [None, 32, 32, 3]


@pytest.mark.parametrize('precision', ['f16', 'int8'])
def test_a_lower_precision_of_any_size(reduce_exported, precision):
    """Each loses little beside float32's own labels; shapes and types of image and labels stay."""
    folder, network, figures = reduce_exported('onnx', precision)
    assert [path.name for path in folder.iterdir()] == [f'{precision}.onnx']
    assert network.report['model'] == f'{precision}.onnx'
    assert figures.miou[0] == 100 and 70 < figures.miou[1] < 100
    props = pytest.importorskip('onnx').load(folder / f'{precision}.onnx').metadata_props
    assert {x.key: x.value for x in props} == dict(note='kept', precision=f'"{precision}"')
    for size in ((40, 60), (33, 50)):
        assert network.segment(np.zeros((*size, 3), np.uint8)).shape == size


def test_a_broken_network_of_lower_precision_is_refused(reduce_exported):
    """The outputs of the last convolution are in another order."""

    def roll(path):
        package = pytest.importorskip('onnx')
        network = package.load(path)
        (tensor,) = (x for x in network.graph.initializer if x.name.startswith('wide'))
        weight = package.numpy_helper.to_array(tensor)
        tensor.CopyFrom(package.numpy_helper.from_array(np.roll(weight, 1, axis=0), tensor.name))
        package.save(network, path)

    with pytest.raises(InputError, match=r'^f16 loses more than 30 mIoU: mIoU 100\.00 -> \d\.'):
        reduce_exported('onnx', 'f16', spoil=roll)
