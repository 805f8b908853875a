"""PASCAL VOC as two classes, for small models that cut objects out of their background."""

from collections.abc import Sequence

from mmseg.datasets import PascalVOCDataset
from mmseg.registry import DATASETS

VOC_OBJECTS = range(1, 21)  # the label values of VOC's 20 object classes


@DATASETS.register_module()
class ForegroundVOCDataset(PascalVOCDataset):
    """VOC's label files with 1 to 20 read as foreground; 255 stays ignored.

    Files that hold 0, 1 and 255 already (``tools/convert_labels.py --classes foreground``) load
    just as well.
    """

    METAINFO = dict(classes=('background', 'foreground'), palette=[[0, 0, 0], [220, 20, 60]])

    @classmethod
    def get_label_map(cls, new_classes: Sequence[str] | None = None) -> dict[int, int]:
        """Old label to new label: every object to 1.

        Raises:
            ValueError: If ``new_classes`` are others than the two of ``METAINFO``.
        """
        classes = cls.METAINFO['classes']
        if new_classes is not None and tuple(new_classes) != classes:
            raise ValueError(f'classes must be {classes}, got {tuple(new_classes)}')
        return dict.fromkeys(VOC_OBJECTS, 1)
