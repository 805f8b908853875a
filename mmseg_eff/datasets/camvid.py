"""CamVid, 11 classes as prepared for SegNet (Badrinarayanan et al., TPAMI 2017)."""

from collections.abc import Sequence

from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

VOID = 11  # the value of unlabelled pixels in the label files


@DATASETS.register_module()
class CamVidDataset(BaseSegDataset):
    """CamVid at 480x360; the label value 11 (void) becomes the ignored 255.

    Expects ``{split}/*.png`` and ``{split}annot/*.png`` below ``data_root``.

    Args:
        split: ``'train'``, ``'val'`` or ``'test'``; any other pair of folders works likewise.
        img_suffix: Suffix of the image files.
        kwargs: Further arguments of ``BaseSegDataset``.
    """

    METAINFO = dict(
        classes=(
            'Sky',
            'Building',
            'Pole',
            'Road',
            'Pavement',
            'Tree',
            'SignSymbol',
            'Fence',
            'Car',
            'Pedestrian',
            'Bicyclist',
        ),
        palette=[
            [128, 128, 128],
            [128, 0, 0],
            [192, 192, 128],
            [128, 64, 128],
            [60, 40, 222],
            [128, 128, 0],
            [192, 128, 128],
            [64, 64, 128],
            [64, 0, 128],
            [64, 64, 0],
            [0, 128, 192],
        ],
    )

    def __init__(self, split: str = 'train', img_suffix: str = '.png', **kwargs) -> None:
        prefix = dict(img_path=split, seg_map_path=f'{split}annot')
        super().__init__(**{'img_suffix': img_suffix, 'data_prefix': prefix, **kwargs})

    @classmethod
    def get_label_map(cls, new_classes: Sequence[str] | None = None) -> dict[int, int]:
        """Old label to new label: 255 for void and for classes not in ``new_classes``."""
        return {**(super().get_label_map(new_classes) or {}), VOID: 255}
