from .camvid import CamVidDataset
from .toy_street import ToyStreetDataset, make_toy_street
from .transforms import LoadCheckedAnnotations

__all__ = ['CamVidDataset', 'LoadCheckedAnnotations', 'ToyStreetDataset', 'make_toy_street']
