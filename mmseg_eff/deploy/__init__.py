"""Exported networks: the graph, its conversion, quantisation, and the runtime of the result."""

from .backends import NEEDS, deploy_package, export_onnx, export_openvino, save_openvino
from .graph import PARTS, SegmentationGraph
from .package import fill_folder, new_folder, versions, write_report
from .quantize import IGNORED, class_areas, mean_iou, quantise, quantise_all
from .runtime import Segmenter, load_runtime

__all__ = [
    'IGNORED',
    'NEEDS',
    'PARTS',
    'SegmentationGraph',
    'Segmenter',
    'class_areas',
    'deploy_package',
    'export_onnx',
    'export_openvino',
    'fill_folder',
    'load_runtime',
    'mean_iou',
    'new_folder',
    'quantise',
    'quantise_all',
    'save_openvino',
    'versions',
    'write_report',
]
