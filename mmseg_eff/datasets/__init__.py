from .camvid import CamVidDataset
from .mapillary_as_cityscapes import MapillaryAsCityscapesDataset
from .random_jpeg import RandomJPEG
from .toy_street import ToyStreetDataset, make_toy_street
from .transforms import LoadCheckedAnnotations, LoadCheckedImage, ScoreAtInputSize
from .voc_foreground import ForegroundVOCDataset

__all__ = [
    'CamVidDataset',
    'ForegroundVOCDataset',
    'LoadCheckedAnnotations',
    'LoadCheckedImage',
    'MapillaryAsCityscapesDataset',
    'RandomJPEG',
    'ScoreAtInputSize',
    'ToyStreetDataset',
    'make_toy_street',
]
