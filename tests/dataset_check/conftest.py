import cv2
import numpy as np
import pytest

CLASSES = ('background', 'a', 'b')


@pytest.fixture
def write(tmp_path):
    """Write a split of labels, each file with some values, and give its dataset's config."""

    def write(*files, name='train', **kwargs):
        for index, values in enumerate(files):
            label = np.full((4, 8), values[0], np.uint8)
            label.flat[: len(values)] = values
            image = np.random.default_rng(index).integers(0, 256, (4, 8, 3), np.uint8)
            for kind, array in (('images', image), ('labels', label)):
                path = tmp_path / name / kind / f'{index}.png'
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), array)
        return dict(
            type='BaseSegDataset',
            data_root=str(tmp_path / name),
            data_prefix=dict(img_path='images', seg_map_path='labels'),
            img_suffix='.png',
            **{'metainfo': dict(classes=CLASSES), **kwargs},
        )

    return write
