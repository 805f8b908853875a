import json

import numpy as np
import pytest
from label_formats.writers import png, studio_task

from mmseg_eff.errors import InputError
from mmseg_eff.label_formats import read_labels
from mmseg_eff.label_formats.brush_rle import decode_brush, encode_brush
from mmseg_eff.label_formats.label_studio import names_of

MASK = np.array([[0, 1, 1, 0, 0], [1, 1, 0, 0, 1], [0, 0, 0, 1, 1]], bool)
# bytes that label-studio-sdk 2.1.2 makes of MASK: converter.brush.mask2rle(MASK * 255), and
# encode_rle of its pixels in the colour (255, 120, 3) with an alpha of 200, as a person paints
OF_MASK = [
    *(0, 0, 0, 60, 57, 27, 252, 96, 19, 255, 206, 1, 63, 252, 224, 17, 255, 219, 0, 159, 252),
]
OF_PAINT = [
    *(0, 0, 0, 60, 57, 27, 252, 96, 0, 127, 128, 240, 0, 24, 25, 0, 127, 128, 240, 0, 24, 25, 19),
    *(128, 1, 254, 3, 192, 0, 96, 100, 1, 254, 3, 192, 0, 96, 100, 78, 0, 7, 248, 15, 0, 1, 129),
    *(145, 108, 0, 15, 240, 30, 0, 3, 3, 32, 15, 240, 30, 0, 3, 3, 32),
]


def write(path, *tasks):
    path.write_text(json.dumps(tasks))
    return path


def draw(path, **options):
    (item,) = read_labels(path, 'label_studio', **options).items
    return item.draw()


def test_brush_bytes_are_those_of_the_sdk():
    assert encode_brush(MASK) == OF_MASK
    assert np.array_equal(decode_brush(OF_MASK, MASK.shape), MASK)
    assert np.array_equal(decode_brush(OF_PAINT, MASK.shape), MASK)


@pytest.mark.parametrize('size', [(1, 1), (1, 40), (300, 500)])
def test_brush_keeps_masks(size):
    rng = np.random.default_rng(0)
    for mask in (np.zeros(size, bool), np.ones(size, bool), rng.random(size) > 0.5):
        assert np.array_equal(decode_brush(encode_brush(mask), size), mask)


def test_brush_reads_pixels_one_by_one_across_runs():
    """A run of single values may begin and end inside of a pixel."""
    values = np.repeat(MASK.ravel(), 4) * 200
    bits = f'{values.size:032b}00111' + ''.join(f'{width - 1:04b}' for width in (3, 4, 8, 16))
    for start, end in ((0, 5), (5, 6), (6, 21), (21, 60)):
        bits += f'011{end - start - 1:016b}' + ''.join(f'{v:08b}' for v in values[start:end])
    bits += '0' * (-len(bits) % 8)
    data = [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]
    assert np.array_equal(decode_brush(data, MASK.shape), MASK)


@pytest.mark.parametrize(
    ('rle', 'message'),
    [
        (OF_MASK[:-3], 'cut'),
        ([], 'cut'),
        (OF_MASK[:4], 'cut'),
        ([0, 0, 0, 56, *OF_MASK[4:]], 'holds 56 values; an image of 3 x 5 has 60'),
        ([*OF_MASK[:8], 255, 255, 255, 255, 255], 'run up to value 65540 of 60'),
        ([256], 'no list of bytes'),
        (['a'], 'no list of bytes'),
    ],
)
def test_damaged_brushes_are_refused(rle, message):
    with pytest.raises(InputError, match=message):
        decode_brush(rle, MASK.shape)


def test_regions_in_percent_are_drawn_in_their_order(tmp_path):
    regions = [
        ('polygonlabels', dict(points=[[0, 0], [50, 0], [50, 50], [0, 50]], polygonlabels=['a'])),
        (
            'rectanglelabels',
            dict(x=25, y=25, width=50, height=50, rotation=0, rectanglelabels=['b']),
        ),
        (
            'brushlabels',
            dict(format='rle', rle=encode_brush(np.eye(4, 8, dtype=bool)), labels=['c']),
        ),
        (
            'bitmasklabels',
            dict(imageDataURL=f'data:image/png;base64,{png(np.eye(4, 8, 7))}', labels=['a']),
        ),
    ]
    expected = np.array(
        [
            [3, 1, 1, 1, 0, 0, 0, 1],
            [1, 3, 2, 2, 2, 2, 0, 0],
            [0, 0, 3, 2, 2, 2, 0, 0],
            [0, 0, 0, 3, 0, 0, 0, 0],
        ]
    )
    assert np.array_equal(
        draw(write(tmp_path / 'a.json', studio_task('a.jpg', (4, 8), regions))), expected
    )


def test_rectangles_turn_about_their_corner_and_ellipses_about_their_center(tmp_path):
    regions = [  # of 20 x 10 pixels, turned by 90 degrees: to the left of the corner
        (
            'rectanglelabels',
            dict(x=50, y=25, width=50, height=25, rotation=90, rectanglelabels=['a']),
        ),
    ]
    labels = draw(write(tmp_path / 'a.json', studio_task('a.jpg', (40, 40), regions)))
    assert labels[10:30, 10:20].all() and labels.sum() == 200
    regions = [
        (
            'ellipselabels',
            dict(x=50, y=50, radiusX=40, radiusY=20, rotation=90, ellipselabels=['a']),
        )
    ]
    labels = draw(write(tmp_path / 'a.json', studio_task('a.jpg', (100, 100), regions)))
    rows, columns = np.mgrid[:100, :100] + 0.5
    ellipse = ((columns - 50) / 20) ** 2 + ((rows - 50) / 40) ** 2 < 1
    assert (labels.astype(bool) != ellipse).sum() < 0.02 * ellipse.sum()


def test_the_last_annotation_counts_and_the_rest_is_counted(tmp_path):
    region = ('polygonlabels', dict(points=[[0, 0], [50, 0], [50, 100]], polygonlabels=['a']))
    box = ('rectanglelabels', dict(x=0, y=0, width=100, height=100, rectanglelabels=['b']))
    task = studio_task('x/a.jpg', (8, 8), [region])
    later = studio_task('', (8, 8), [box, ('choices', dict(choices=['good']))])['annotations'][0]
    task['annotations'] += [later, dict(later, was_cancelled=True, result=[])]
    predicted = dict(studio_task('x/b.jpg', (8, 8), [region]), annotations=[])
    empty = studio_task('x/c.jpg', (8, 8), [])
    labels = read_labels(write(tmp_path / 'a.json', task, predicted, empty))
    (item,) = labels.items
    assert item.name == 'a' and (item.draw() == 1).all() and labels.classes == ('background', 'b')
    assert labels.notes() == [
        '1 tasks with several annotations, of which the last counts',
        '1 results that are no labelled area',
        '1 tasks without an annotation',
        '1 tasks without an area, whose size is unknown',
    ]


@pytest.mark.parametrize(
    ('urls', 'names'),
    [
        (['/data/upload/3/0fa81c9b-street%201.jpg', '/data/upload/3/a.png'], ['street 1', 'a']),
        (['/data/local-files/?d=home/me/train/a.jpg'], ['a']),
        (
            ['/data/local-files/?d=home/me/train/a.jpg', '/data/local-files/?d=home/me/val/a.jpg'],
            ['train/a', 'val/a'],
        ),
        (['s3://bucket/x/a.jpg', 's3://bucket/y/b.jpg'], ['x/a', 'y/b']),
        (['https://host/p/a.jpg?token=1'], ['a']),
        (['C:\\photos\\a.jpg'], ['a']),
    ],
)
def test_names_are_those_of_the_images(urls, names):
    assert names_of(urls) == names


@pytest.mark.parametrize(
    'url',
    [
        '/data/local-files/?d=../../etc/passwd',
        's3://b/%2e%2e/x.jpg',
        'http://[bad/a.jpg',
        'a\0b.jpg',
    ],
)
def test_names_stay_below_the_folder(url):
    with pytest.raises(InputError, match='image'):
        names_of(['s3://b/a/b/c.jpg', url, '/z'])


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(image_rotation=90), 'image_rotation 90'),
        (dict(original_width=0), 'size 8 x 0'),
        (dict(original_width='9' * 5000), r"size 8 x '9"),
        (dict(value=dict(points=[[0, 0], [1, 'x'], [2, 2]], labels=['a'])), "points is 'x'"),
        (dict(value=dict(points=[[0, 0], [1e400, 1], [2, 2]], labels=['a'])), 'points is inf'),
        (dict(value=dict(points=[[0, 0]], labels=['a'])), 'at least 3'),
        (dict(value=dict(points=[[0, 0]] * 3, labels='a')), "labels 'a'"),
        (dict(value=dict(points=[[0, 0]] * 3, labels=['a\nb'])), 'class name'),
        (dict(value=dict(rle='abc', labels=['a'])), 'rle is no list'),
        (dict(value=dict(rle=[0] * 20, labels=['a'])), 'holds 0 values'),
        (dict(value=dict(imageDataURL='http://host/x.png', labels=['a'])), 'imageDataURL'),
        (dict(value=dict(imageDataURL='data:image/png;base64,#', labels=['a'])), 'base64'),
        (dict(value=dict(imageDataURL='data:image/png;base64,AAAA', labels=['a'])), 'decoded'),
        (dict(value=dict(x=0, y=0, radiusX=-1, radiusY=1, labels=['a'])), 'radii'),
    ],
)
def test_damaged_regions_are_refused(tmp_path, change, message):
    region = ('polygonlabels', dict(points=[[0, 0], [50, 0], [50, 50]], labels=['a']))
    task = studio_task('a.jpg', (8, 8), [region])
    task['annotations'][0]['result'][0].update(change)
    path = write(tmp_path / 'a.json', task)
    with pytest.raises(InputError, match=message) as caught:
        draw(path)
    assert str(caught.value).startswith(f'{path}: task [0]') and '\n' not in str(caught.value)


@pytest.mark.parametrize(
    'content',
    [
        '[]',
        '{}',
        '[1]',
        '[{"data": {}, "annotations": 3}]',
        '[{"image": "a.jpg", "label": []}]',
        '[',
    ],
)
def test_other_json_is_refused(tmp_path, content):
    path = tmp_path / 'a.json'
    path.write_text(content)
    with pytest.raises(InputError, match=r'a\.json'):
        read_labels(path, 'label_studio')


def min_record(task):
    """A task as label-studio-sdk 2.1.2's ``convert_to_json_min`` writes it."""
    regions = [
        dict(r['value'], original_width=r['original_width'], original_height=r['original_height'])
        for r in task['annotations'][0]['result']
    ]
    return dict(
        **task['data'],
        id=task['id'],
        label=regions,
        annotator=1,
        annotation_id=7,
        created_at='2026-01-01T00:00:00Z',
        updated_at='2026-01-01T00:00:00Z',
        lead_time=3.2,
    )


def test_json_min_has_the_labels_of_json(tmp_path):
    points = dict(points=[[0, 0], [50, 0], [50, 50]], polygonlabels=['a'])
    brush = dict(format='rle', rle=encode_brush(MASK), brushlabels=['b'])
    tasks = [
        studio_task('/data/upload/1/0fa81c9b-x.jpg', (9, 12), [('polygonlabels', points)]),
        dict(studio_task('/data/upload/1/0fa81c9c-y.jpg', MASK.shape, [('', brush)]), id=2),
    ]
    json_labels = read_labels(write(tmp_path / 'a.json', *tasks))
    older = min_record(dict(studio_task('y.jpg', MASK.shape, [('', points)]), id=2))
    records = [*map(min_record, tasks), older]  # a task's newest annotation comes first
    min_labels = read_labels(write(tmp_path / 'b.json', *records))
    assert min_labels.classes == json_labels.classes == ('background', 'a', 'b')
    for a, b in zip(json_labels.items, min_labels.items, strict=True):
        assert a.name == b.name and np.array_equal(a.draw(), b.draw())
    assert min_labels.notes() == ['1 tasks with several annotations, of which the last counts']


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(label='a'), 'holds no labelled area'),
        (dict(label=[]), 'holds no labelled area'),
        (dict(label=[1, dict(points=[[0, 0]] * 3, polygonlabels=['a'])]), 'size None x None'),
        (dict(image=None), 'no address of an image'),
        (dict(id=[1]), None),
    ],
)
def test_damaged_json_min(tmp_path, change, message):
    region = ('polygonlabels', dict(points=[[0, 0], [50, 0], [50, 50]], polygonlabels=['a']))
    record = min_record(studio_task('a.jpg', (8, 8), [region])) | change
    path = write(tmp_path / 'a.json', record)
    if message is None:
        assert draw(path).any()
        return
    with pytest.raises(InputError, match=message) as caught:
        draw(path)
    assert str(caught.value).startswith(f'{path}: ')


def test_records_of_json_min_among_others_are_refused(tmp_path):
    record = min_record(studio_task('a.jpg', (8, 8), []))
    with pytest.raises(InputError, match=r'task \[1\]: no record of JSON-MIN'):
        read_labels(write(tmp_path / 'a.json', record, dict(data={})))
