"""Mapillary Vistas v1.2 in the 19 classes of Cityscapes, so that its heads can be reused."""

from collections.abc import Sequence

from mmseg.datasets import CityscapesDataset, MapillaryDataset_v1
from mmseg.registry import DATASETS

# Cityscapes class -> Vistas classes, by Cityscapes' definitions (Cordts et al., CVPR 2016, Table 8)
VISTAS_CLASSES = {
    'road': (  # where cars drive, markings included
        'Road',
        'Service Lane',
        'Crosswalk - Plain',
        'Lane Marking - Crosswalk',
        'Lane Marking - General',
        'Catch Basin',
        'Manhole',
        'Pothole',
    ),
    'sidewalk': ('Sidewalk', 'Curb', 'Curb Cut', 'Pedestrian Area'),  # curbs belong to it
    'building': ('Building',),
    'wall': ('Wall',),
    'fence': ('Fence',),
    'pole': ('Pole', 'Utility Pole'),
    'traffic light': ('Traffic Light',),
    'traffic sign': ('Traffic Sign (Front)',),  # their backs are void
    'vegetation': ('Vegetation',),
    'terrain': ('Terrain', 'Sand'),  # grass, soil, sand
    'sky': ('Sky',),
    'person': ('Person',),
    'rider': ('Bicyclist', 'Motorcyclist', 'Other Rider'),
    'car': ('Car',),
    'truck': ('Truck',),
    'bus': ('Bus',),
    'train': ('On Rails',),
    'motorcycle': ('Motorcycle',),
    'bicycle': ('Bicycle',),
}
VOID = (
    # Classes of Cityscapes that are not trained or scored
    *('Guard Rail', 'Bridge', 'Tunnel', 'Caravan', 'Trailer', 'Ego Vehicle', 'Unlabeled'),
    # Its "ground", "dynamic" and "static"
    *('Snow', 'Water', 'Mountain', 'Bird', 'Ground Animal', 'Boat', 'Other Vehicle'),
    *('Wheeled Slow', 'Trash Can', 'Banner', 'Bench', 'Bike Rack', 'Billboard', 'CCTV Camera'),
    *('Fire Hydrant', 'Junction Box', 'Mailbox', 'Phone Booth', 'Street Light'),
    *('Traffic Sign (Back)', 'Traffic Sign Frame', 'Car Mount'),
    # One class in Vistas, several in Cityscapes
    'Bike Lane',  # road if only marked, sidewalk behind an obstacle
    'Parking',  # road if only marked, else a class that is not trained
    'Rail Track',  # road if trams share it, else a class that is not trained
    'Barrier',  # wall, fence or guard rail
)


@DATASETS.register_module()
class MapillaryAsCityscapesDataset(MapillaryDataset_v1):
    """Vistas' label files with 0 to 65 read as Cityscapes' 0 to 18; the rest becomes 255."""

    METAINFO = CityscapesDataset.METAINFO

    @classmethod
    def get_label_map(cls, new_classes: Sequence[str] | None = None) -> dict[int, int]:
        """Vistas label to Cityscapes label, for all 66.

        Raises:
            ValueError: If ``new_classes`` are others than Cityscapes'.
        """
        classes = cls.METAINFO['classes']
        if new_classes is not None and tuple(new_classes) != classes:
            raise ValueError(f'classes must be {classes}, got {tuple(new_classes)}')
        labels = dict.fromkeys(VOID, 255)
        for name, group in VISTAS_CLASSES.items():
            labels.update(dict.fromkeys(group, classes.index(name)))
        vistas = MapillaryDataset_v1.METAINFO['classes']
        return {value: labels[name] for value, name in enumerate(vistas)}
