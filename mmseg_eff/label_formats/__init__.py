"""Read the labels of other tools, and write predictions as files that these tools import."""

from .convert import ConvertedLabels, convert
from .cvat_masks import write_cvat_masks
from .formats import FORMATS, Reader, detect, read_labels
from .source import LabelItem, LabelSource
from .write_coco import write_coco
from .write_label_studio import write_label_studio

__all__ = [
    'FORMATS',
    'ConvertedLabels',
    'LabelItem',
    'LabelSource',
    'Reader',
    'convert',
    'detect',
    'read_labels',
    'write_coco',
    'write_cvat_masks',
    'write_label_studio',
]
