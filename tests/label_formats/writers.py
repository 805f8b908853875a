"""Write label maps in the formats of other tools, as these tools do."""

import base64
import io
import json
from xml.sax.saxutils import quoteattr

import cv2
import numpy as np
import yaml
from PIL import Image

from mmseg_eff.label_formats import write_coco, write_cvat_masks, write_label_studio

IGNORED = 255


def names_of(classes):
    """Name of each label that is an object."""
    names = {label: name for label, name in enumerate(classes) if name != 'background'}
    return names | {IGNORED: 'ignored'}


def components(labels, classes):
    """Name and mask of each connected object, larger ones first."""
    found = []
    for label, name in names_of(classes).items():
        count, parts = cv2.connectedComponents((labels == label).astype(np.uint8), connectivity=4)
        found += [(name, parts == part) for part in range(1, count)]
    return sorted(found, key=lambda item: -int(filled(item[1]).sum()))


def filled(mask):
    """A mask without its holes, which a polygon cannot have."""
    outline, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(np.zeros(mask.shape, np.uint8), outline, -1, 1, -1)


def outline(mask):
    """Corners (x, y) of a connected mask's outer outline, along the edges of the pixels."""
    doubled = np.kron(mask, np.ones((2, 2))).astype(np.uint8)
    (contour,), _ = cv2.findContours(doubled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return (contour[:, 0] + 1) // 2


def through_centers(mask):
    """Corners (x, y) of a connected mask's outer outline, through its outermost pixels."""
    (contour,), _ = cv2.findContours(
        mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    return contour[:, 0]


def png(mask):
    buffer = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8)).save(buffer, 'PNG')
    return base64.b64encode(buffer.getvalue()).decode()


def labelme_file(path, shapes, size):
    path.parent.mkdir(parents=True, exist_ok=True)
    content = dict(
        version='6.3.1',
        flags={},
        shapes=[dict(group_id=None, flags={}, **shape) for shape in shapes],
        imagePath=f'{path.stem}.jpg',
        imageData=None,
        imageHeight=size[0],
        imageWidth=size[1],
    )
    path.write_text(json.dumps(content))


def write_labelme(folder, images, classes, *, as_masks=False):
    for name, labels in images.items():
        shapes = []
        for label, mask in components(labels, classes):
            if as_masks:
                top, left = (int(side.min()) for side in mask.nonzero())
                bottom, right = (int(side.max()) for side in mask.nonzero())
                part = mask[top : bottom + 1, left : right + 1]
                points = [[left, top], [right, bottom]]
                shapes.append(dict(label=label, shape_type='mask', points=points, mask=png(part)))
            else:
                points = through_centers(mask).tolist()
                shapes.append(dict(label=label, shape_type='polygon', points=points))
        labelme_file(folder / f'{name}.json', shapes, labels.shape)
    return folder


def cvat_rle(mask):
    """CVAT's run lengths along the rows, the first of background."""
    flat = mask.ravel()
    runs = np.diff([0, *(np.flatnonzero(np.diff(flat)) + 1).tolist(), flat.size]).tolist()
    return ', '.join(map(str, [0, *runs] if flat[0] else runs))


def cvat_xml(path, images, labels):
    """A file of images ``{name: (size, elements)}`` and label names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = ''.join(
        f'<label><name>{name}</name><color>#ff0000</color><attributes><attribute>'
        '<name>occluded</name></attribute></attributes></label>'
        for name in labels
    )
    body = ''.join(
        f'<image id="{index}" name={quoteattr(name)} width="{size[1]}" height="{size[0]}">'
        f'{"".join(elements)}</image>'
        for index, (name, (size, elements)) in enumerate(images.items())
    )
    path.write_text(
        f'<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version><meta><task>'
        f'<labels>{meta}</labels></task></meta>{body}</annotations>'
    )
    return path


def write_cvat_xml(folder, images, classes, *, as_masks=False):
    written = {}
    for name, labels in images.items():
        elements = []
        for layer, (label, mask) in enumerate(components(labels, classes)):
            if as_masks:
                top, left = (int(side.min()) for side in mask.nonzero())
                bottom, right = (int(side.max()) + 1 for side in mask.nonzero())
                part = mask[top:bottom, left:right]
                elements.append(
                    f'<mask label="{label}" rle="{cvat_rle(part)}" left="{left}" top="{top}" '
                    f'width="{right - left}" height="{bottom - top}" z_order="{layer}"></mask>'
                )
            else:
                points = ';'.join(f'{x:.2f},{y:.2f}' for x, y in outline(mask))
                elements.append(f'<polygon label="{label}" points="{points}" z_order="{layer}"/>')
        written[f'{name}.jpg'] = labels.shape, reversed(elements)
    return cvat_xml(folder / 'annotations.xml', written, [*names_of(classes).values()])


def studio_task(name, size, regions):
    """A task of regions ``(type, value)``."""
    result = [
        dict(
            id=str(index),
            type=kind,
            from_name='label',
            to_name='image',
            original_width=size[1],
            original_height=size[0],
            image_rotation=0,
            value=value,
        )
        for index, (kind, value) in enumerate(regions)
    ]
    return dict(
        id=1, data=dict(image=name), annotations=[dict(id=1, was_cancelled=False, result=result)]
    )


def write_studio_polygons(folder, images, classes):
    tasks = []
    for name, labels in images.items():
        sides = np.array(labels.shape[::-1])
        regions = [
            (
                'polygonlabels',
                dict(points=(outline(mask) / sides * 100).tolist(), polygonlabels=[n]),
            )
            for n, mask in components(labels, classes)
        ]
        tasks.append(studio_task(f's3://bucket/photos/{name}.jpg', labels.shape, regions))
    path = folder / 'project.json'
    path.write_text(json.dumps(tasks))
    return path


def write_studio_brushes(folder, images, classes):
    """The writer's predictions, accepted by a person: they become annotations."""
    path = folder / 'tasks.json'
    write_label_studio(path, ((f'{n}.jpg', labels) for n, labels in images.items()), classes)
    tasks = json.loads(path.read_text())
    for task in tasks:
        task['annotations'] = task.pop('predictions')
    path.write_text(json.dumps(tasks))
    return path


def write_yolo(folder, images, classes, *, digits=6):
    names = names_of(classes)
    for name, labels in images.items():
        image, text = folder / f'images/train/{name}.png', folder / f'labels/train/{name}.txt'
        for path in (image, text):
            path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((*labels.shape, 3), np.uint8)).save(image)
        rows = [
            ' '.join(
                [str([*names.values()].index(label))]
                + [f'{v:.{digits}f}' for v in (outline(mask) / labels.shape[::-1]).ravel()]
            )
            for label, mask in components(labels, classes)
        ]
        text.write_text('\n'.join(rows) + '\n')
    config = dict(path='/content/elsewhere', train='images/train', names=[*names.values()])
    (folder / 'data.yaml').write_text(yaml.safe_dump(config))
    return folder


def write_voc(folder, images, classes):
    palette = [
        value for color in np.random.default_rng(0).integers(0, 256, (256, 3)) for value in color
    ]
    for name, labels in images.items():
        image = Image.fromarray(labels)
        image.putpalette(palette)
        save(image, folder / f'{name}.png')
    return folder


def write_colors(folder, images, classes):
    colors = np.zeros((256, 3), np.uint8)
    colors[: len(classes)] = [[40 * i, 255 - i, 7] for i in range(len(classes))]
    colors[IGNORED] = 255
    for name, labels in images.items():
        save(Image.fromarray(colors[labels]), folder / f'masks/{name}.png')
    lines = [f'{name},{",".join(map(str, colors[i]))}' for i, name in enumerate(classes)]
    (folder / 'class_dict.csv').write_text('\n'.join(['name,r,g,b', *lines, 'void,255,255,255']))
    return folder / 'masks'


def write_values(folder, images, classes):
    """Values with gaps."""
    values = np.arange(256, dtype=np.uint8)
    values[: len(classes)] = 7 + 20 * np.arange(len(classes))
    for name, labels in images.items():
        save(Image.fromarray(values[labels]), folder / f'{name}.png')
    return folder


def save(image, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def write_coco_file(folder, images, classes):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / 'instances.json'
    write_coco(path, ((f'{name}.jpg', labels) for name, labels in images.items()), classes)
    return path


def write_cvat_folder(folder, images, classes):
    write_cvat_masks(folder, ((f'{name}.jpg', labels) for name, labels in images.items()), classes)
    return folder


MASK_WRITERS = {  # name -> format, writer: these keep every pixel
    'coco': ('coco', write_coco_file),
    'cvat masks in XML': ('cvat', lambda *args: write_cvat_xml(*args, as_masks=True)),
    'cvat_masks': ('cvat_masks', write_cvat_folder),
    'label_studio brushes': ('label_studio', write_studio_brushes),
    'labelme masks': ('labelme', lambda *args: write_labelme(*args, as_masks=True)),
    'voc': ('voc', write_voc),
    'colors': ('colors', write_colors),
    'values': ('values', write_values),
}
POLYGON_WRITERS = {
    'cvat': ('cvat', write_cvat_xml),
    'label_studio polygons': ('label_studio', write_studio_polygons),
    'labelme': ('labelme', write_labelme),
    'yolo': ('yolo', write_yolo),
}
