from .camvid import CamVidDataset
from .foreground import ForegroundVOCDataset
from .mapillary_as_cityscapes import MapillaryAsCityscapesDataset
from .score_at_input_size import ScoreAtInputSize
from .toy_street import ToyStreetDataset, make_toy_street
from .transforms import LoadCheckedAnnotations, LoadCheckedImage

__all__ = [
    'CamVidDataset',
    'ForegroundVOCDataset',
    'LoadCheckedAnnotations',
    'LoadCheckedImage',
    'MapillaryAsCityscapesDataset',
    'ScoreAtInputSize',
    'ToyStreetDataset',
    'make_toy_street',
]
