"""Label images by a teacher, in one or several processes."""

import json
import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
from mmengine.dist import get_dist_info
from numpy.typing import NDArray
from rich.progress import track
from torch import distributed

from ..datasets.image_reader import ImageReader, Loaded, to_display
from ..errors import InputError, OutputError
from ..inference.inputs import Source, own_share
from ..utils.atomic_io import replacing, sha256_of
from ..utils.file_limit import check_file
from ..utils.image_io import write_png
from ..utils.json_files import read_json
from ..utils.printing import console
from ..utils.user_errors import line_on
from ..visualization.overlay import draw_overlay
from .label_files import read_record, write_label
from .teacher import PseudoLabel

KEEP_ALL = -1.0  # a threshold that every probability exceeds

ALL = 'all'  # folder of what is labelled before the surest pixels of each class are known

Teach = Callable[[Loaded], PseudoLabel]

Digits = Callable[[NDArray[np.float32]], NDArray[np.uint8] | NDArray[np.uint16]]


def join_processes(launcher: str) -> str | None:
    """Join the processes that torchrun started, and give this one's GPU, if there are any."""
    if launcher == 'none':
        return None
    # gloo with GPUs, too: nothing is exchanged but which images failed, when all are done
    distributed.init_process_group('gloo', timeout=timedelta(days=7))
    count = torch.cuda.device_count()
    return f'cuda:{int(os.environ["LOCAL_RANK"]) % count}' if count else None


def check_settings(out: Path, settings: dict) -> None:
    """Write ``settings.json``, or compare with the one that is there.

    Raises:
        InputError: If a setting differs, or there are labels without settings.
    """
    path = out / 'settings.json'
    if path.is_file():
        old = read_json(path)
        differing = [name for name in settings if settings[name] != old.get(name)]
        if differing:
            values = '; '.join(f'{n} {old.get(n)}, now {settings[n]}' for n in differing)
            raise InputError(f'{path}: the labels there have {values}; choose another --out')
        return
    if any(file.is_file() for file in (out / 'labels').rglob('*')):
        raise InputError(f'{out}/labels: holds files of something else; choose another --out')
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(settings, indent=1) + '\n')


def label_images(
    sources: Sequence[Source],
    out: Path,
    reader: ImageReader,
    teach: Teach,
    colors: NDArray[np.uint8],
    num_overlays: int,
    digits: Digits | None,
) -> dict[str, str]:
    """Label this process's share of the images; a bad one does not stop the others.

    Images that are labelled already, and have not changed since, are left as they are.

    Args:
        sources: The images of all processes.
        out: Output folder.
        reader: Of the images.
        teach: Pseudo label of an image.
        colors: Table of ``color_table``, for the overlays.
        num_overlays: How many of the first images to draw.
        digits: Write the confidences, too, as these numbers.

    Returns:
        The images that failed, with the reason.
    """
    failed = {}
    own, is_hidden = own_share(sources), get_dist_info()[0] > 0
    bar = track(own, 'labelling', console=console(stderr=True), disable=is_hidden)
    for index, source in bar:
        path = out / 'labels' / f'{source.name}.png'
        try:
            check_file(source.path)
            digest = sha256_of(source.path)
            if (read_record(path) or {}).get('image') == digest:
                continue
            image = reader.read(source.path)
            made = teach(image)
            if digits:
                confidence = digits(made.confidence)
                write_png(out / 'confidence' / f'{source.name}.png', confidence)
            if index < num_overlays:
                drawn = draw_overlay(to_display(image['img']), made.label, colors)
                write_png(out / 'overlays' / f'{source.name}.png', drawn)
            write_label(path, made, digest)  # last: with it the image is done
        except OutputError:  # as on a full disk; the others would fail, too
            raise
        except Exception as error:
            failed[str(source.path)] = line_on(source.path, error)
    return failed
