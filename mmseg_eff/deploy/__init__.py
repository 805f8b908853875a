"""Export networks: graph, backends, verification, quantization, and the runtime of the result."""

from .backends import Backend, check_backend, deploy_package, find_backend
from .dataset_images import DatasetImage, select_images
from .export import export_to_folder
from .graph import PARTS, SegmentationGraph
from .package import fill_folder, new_folder, write_report
from .quantize import Int8Data, Int8Figures
from .runtime import Segmenter, load_runtime
from .verify import Agreement, Latency

__all__ = [
    'PARTS',
    'Agreement',
    'Backend',
    'DatasetImage',
    'Int8Data',
    'Int8Figures',
    'Latency',
    'SegmentationGraph',
    'Segmenter',
    'check_backend',
    'deploy_package',
    'export_to_folder',
    'fill_folder',
    'find_backend',
    'load_runtime',
    'new_folder',
    'select_images',
    'write_report',
]
