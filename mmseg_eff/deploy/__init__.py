"""Export networks: graph, backends, verification, lower precision, and the runtime."""

from .backends import Backend, check_backend, deploy_package, find_backend
from .dataset_images import DatasetImage, select_images
from .export import export_to_folder
from .graph import PARTS, SegmentationGraph
from .package import fill_folder, new_folder, write_report
from .precision import PrecisionFigures, Reduction, check_precision, reduction_of
from .runtime import Segmenter, load_runtime
from .runtime_checks import OUTPUTS
from .triton import LAYOUTS, check_layout
from .verify import Agreement, Latency

__all__ = [
    'LAYOUTS',
    'OUTPUTS',
    'PARTS',
    'Agreement',
    'Backend',
    'DatasetImage',
    'Latency',
    'PrecisionFigures',
    'Reduction',
    'SegmentationGraph',
    'Segmenter',
    'check_backend',
    'check_layout',
    'check_precision',
    'deploy_package',
    'export_to_folder',
    'fill_folder',
    'find_backend',
    'load_runtime',
    'new_folder',
    'reduction_of',
    'select_images',
    'write_report',
]
