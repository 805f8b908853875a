"""Label images in one or several processes, resumable, and compare the settings of both runs."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import torch
from mmengine.dist import get_dist_info
from rich.progress import track
from torch import distributed

from ..datasets.image_reader import Loaded
from ..errors import InputError, OutputError
from ..inference.inputs import Source, own_share
from ..utils.atomic_io import replacing, sha256_of
from ..utils.file_limit import check_file
from ..utils.json_files import read_json
from ..utils.printing import console
from ..utils.user_errors import line_on
from .label_files import LabelWriter, read_record
from .teacher import PseudoLabel

LAUNCHERS = ('none', 'pytorch')

Teach = Callable[[Loaded], PseudoLabel]


def join_processes(launcher: str) -> str | None:
    """Join the processes that torchrun started, unless this one has joined them before.

    Args:
        launcher: ``'none'`` for a single process, ``'pytorch'`` for those of torchrun.

    Returns:
        The GPU of this process; ``None`` without torchrun or without a GPU.

    Raises:
        InputError: If there is no such launcher.
    """
    if launcher not in LAUNCHERS:
        raise InputError(f'launcher must be one of {", ".join(LAUNCHERS)}, got {launcher!r}')
    if launcher == 'none':
        return None
    if not distributed.is_initialized():
        # gloo even with GPUs: only small objects are exchanged, mostly at the end
        distributed.init_process_group('gloo', timeout=timedelta(days=7))
    count = torch.cuda.device_count()
    return f'cuda:{int(os.environ["LOCAL_RANK"]) % count}' if count else None


def check_settings(out: Path, settings: Mapping[str, object]) -> None:
    """Write ``settings.json``, or compare with the one that is there.

    Args:
        out: Output folder.
        settings: What the labels depend on, as JSON has it.

    Raises:
        InputError: If a setting differs, or there are labels without settings.
    """
    path = out / 'settings.json'
    if path.is_file():
        old = read_json(path)
        differing = [name for name in settings if settings[name] != old.get(name)]
        if differing:
            values = '; '.join(f'{n} {old.get(n)}, now {settings[n]}' for n in differing)
            raise InputError(f'{path}: the labels there have {values}; choose another folder')
        return
    if any(file.is_file() for file in (out / 'labels').rglob('*')):
        raise InputError(f'{out}/labels: holds files of something else; choose another folder')
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(settings, indent=1) + '\n')


def label_images(sources: Sequence[Source], writer: LabelWriter, teach: Teach) -> dict[str, str]:
    """Label this process's share of the images; a bad one does not stop the others.

    Images that are labelled already, and have not changed since, are left as they are.

    Args:
        sources: The images of all processes.
        writer: Writes the files, and reads the images.
        teach: Gives the pseudo label of a loaded image.

    Returns:
        The path of each image that failed, with the reason in one line.
    """
    failed = {}
    own, is_hidden = own_share(sources), get_dist_info()[0] > 0
    bar = track(own, 'labelling', console=console(stderr=True), disable=is_hidden)
    for index, source in bar:
        try:
            check_file(source.path)
            digest = sha256_of(source.path)
            record = read_record(writer.label_path(source))
            if record is not None and record.image == digest:
                continue
            image = writer.reader.read(source.path)
            writer.write(index, source, teach(image), digest, image)
        except OutputError:  # as on a full disk; the others would fail, too
            raise
        except Exception as error:
            failed[str(source.path)] = line_on(source.path, error)
    return failed
