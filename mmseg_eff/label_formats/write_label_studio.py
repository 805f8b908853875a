"""Write label maps as pre-annotations of Label Studio, which a person corrects there."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from ..utils.atomic_io import replacing
from .brush_rle import encode_brush
from .classes import BACKGROUND_NAMES, class_list
from .cvat_masks import IGNORED_NAME, objects_of
from .source import LabelMap, label_name, naming

FROM_NAME, TO_NAME = 'label', 'image'  # tags of the labelling config
LOCAL_FILES = '/data/local-files/?d='  # of a server with LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED


def write_label_studio(
    path: Path,
    predictions: Iterable[tuple[str, LabelMap]],
    classes: Sequence[str],
    palette: Sequence[Sequence[int]] | None = None,
    *,
    image_root: str = LOCAL_FILES,
    model_version: str = 'mmseg_eff',
) -> list[str]:
    """Write one task for each image, with one brush region for each class as its prediction.

        write_label_studio(Path('tasks.json'), [('a.jpg', labels)], ('background', 'crack'))

    Beside ``path``, ``.xml`` holds the labelling config that the project needs.

    Args:
        path: The JSON file to import.
        predictions: Name of each image below ``image_root``, and its labels (H, W). The background
            gets no region; 255 gets one of the label ``ignored``.
        classes: Names of the labels, in their order.
        palette: RGB colour of each class; VOC's without.
        image_root: What stands before the name in the image's address, such as ``s3://bucket/``;
            the name is percent-encoded.
        model_version: Shown beside the predictions.

    Returns:
        The names of the images without suffix.

    Raises:
        InputError: If a name leads out of the images' folder, or a label is no class.
    """
    chosen = class_list(list(classes))
    names: list[str] = []
    with replacing(path) as temporary, open(temporary, 'w', encoding='utf-8') as file:
        for given, labels in predictions:
            file.write(',\n' if names else '[\n')
            names.append(label_name(given))
            with naming(f'image {given!r}'):
                objects = objects_of(labels, classes)
            height, width = labels.shape
            result = [
                dict(
                    id=f'{len(names)}_{index}',
                    type='brushlabels',
                    from_name=FROM_NAME,
                    to_name=TO_NAME,
                    original_width=width,
                    original_height=height,
                    image_rotation=0,
                    value=dict(format='rle', rle=encode_brush(mask), brushlabels=[name]),
                )
                for index, (name, mask) in enumerate(objects)
            ]
            prediction = dict(model_version=model_version, result=result)
            task = dict(data=dict(image=image_root + quote(given)), predictions=[prediction])
            json.dump(task, file, ensure_ascii=False)
        file.write('\n]\n' if names else '[]\n')
    with replacing(path.with_suffix('.xml')) as temporary:
        temporary.write_text(
            label_config(chosen.names, palette or chosen.palette), encoding='utf-8'
        )
    return names


def label_config(classes: Sequence[str], palette: Sequence[Sequence[int]]) -> str:
    """Label Studio's labelling config (XML) for brushes of the classes, without the background."""
    labels = [
        f'    <Label value={quoteattr(name)} background="#{bytes(color).hex()}"/>'
        for name, color in zip(classes, palette, strict=True)
        if name.lower() not in BACKGROUND_NAMES
    ]
    if IGNORED_NAME not in classes:
        labels.append(f'    <Label value="{IGNORED_NAME}" background="#e0e0c0"/>')
    return '\n'.join(
        [
            '<View>',
            f'  <Image name="{TO_NAME}" value="$image" zoom="true"/>',
            f'  <BrushLabels name="{FROM_NAME}" toName="{TO_NAME}">',
            *labels,
            '  </BrushLabels>',
            '</View>\n',
        ]
    )
