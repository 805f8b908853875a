import ast
from pathlib import Path

import pytest

from mmseg_eff.own_data.image_facts import ImageFacts
from mmseg_eff.own_data.networks import NETWORKS
from mmseg_eff.own_data.sizes import plan_training
from mmseg_eff.own_data.write import MOST_LINES, Content, class_file_text, config_text, in_two

FOLDER = Path("/a folder's/x, (1)_files")


PHOTOS = ImageFacts((64, 96), 3, 'uint8', True)


def content(count=3, images=PHOTOS, network='eseg', **kwargs):
    paths = dict(img_path='images', seg_map_path=f'{FOLDER}/labels')
    return Content(
        **{
            'title': 'title',
            'network': NETWORKS[network],
            'images': images,
            'plan': plan_training(images.size, 20),
            'classes': [f'class_{i}' for i in range(count)],
            'palette': [[i, i, i] for i in range(count)],
            'class_weight': [1.25] * count,
            'root': Path("/a folder's/x, (1)"),
            'folder': FOLDER,
            'data': dict(img_suffix='_image.tiff', seg_map_suffix='_label.png', ignore_index=3),
            'train': dict(ann_file=f'{FOLDER}/train.txt', data_prefix=paths),
            'val': dict(ann_file=f'{FOLDER}/val.txt', data_prefix=paths),
            'load_from': 'hub:camvid',
            **kwargs,
        }
    )


@pytest.mark.parametrize('network', NETWORKS)
@pytest.mark.parametrize('size', [(64, 96), (3000, 4000)])
@pytest.mark.parametrize('is_photo', [True, False])
@pytest.mark.parametrize('is_long', [True, False])
def test_at_most_25_lines_of_python(network, size, is_photo, is_long):
    images = ImageFacts(size, 3, 'uint8', True)
    if not is_photo:
        images = ImageFacts(size, 12, 'float32', False, 1234.0, 56.78)
    text = config_text(content(3, images, network), 'x_files/classes.py' if is_long else None)
    assert len(text.splitlines()) <= MOST_LINES
    assert ast.parse(text)
    assert ('in_channels=12' in text) == (not is_photo)
    assert ('(16, 140, 256)' in text) == (network == 'espnet' and not is_photo)
    assert ('_base_.classes' in text) == is_long


def test_many_classes_go_into_a_file():
    assert class_file_text(content(3)) is None
    names = {}
    exec(class_file_text(content(40)), names)
    assert len(names['classes']) == len(names['palette']) == len(names['class_weight']) == 40


def test_a_line_is_broken_between_arguments_only():
    line = f"a = dict(path='{'x, (' * 20}', b=dict(c=1, d=2), e=3, f='{'y' * 40}')"
    first, second = in_two(line).split('\n')
    assert first.endswith(',') and len(first) <= 100
    assert ast.dump(ast.parse(line)) == ast.dump(ast.parse(f'{first}\n{second}'))
    assert in_two('# ' + 'word, ' * 30) == '# ' + 'word, ' * 30
