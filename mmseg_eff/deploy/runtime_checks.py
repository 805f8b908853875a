"""Check an exported folder before its network is loaded: what report.json says, and the files.

The export puts a copy of this file beside ``runtime.py``.
"""

import hashlib
import json
import re
import reprlib
from collections.abc import Callable, Mapping
from pathlib import Path

REPORT = 'report.json'
BGR = dict(channels=3, dtype='uint8')
OUTPUTS = ('labels', 'probabilities', 'logits')
DEFAULTS = dict(  # of keys that older exports lack
    loading={},
    input=BGR,
    num_labels=256,
    batch=1,
    output='labels',
    is_sigmoid=False,
    tensors=None,
    preprocessing=None,
    config=None,
    weights=None,
    checkpoint_sha256=None,
    inference_precision='f32',
)
LONGEST_REPORT = 2**23  # bytes; 65536 classes take half of that
LARGEST_FILE = 2**31  # bytes, as ONNX allows
MOST_LABELS = 2**16
MOST_IMAGES = 2**10  # at once
COLOR_TYPES = tuple(
    kind + exif for kind in ('color', 'grayscale') for exif in ('', '_ignore_orientation')
)
DECODERS = (None, 'cv2', 'turbojpeg', 'pillow', 'tifffile')
DTYPES = (
    *(f'{kind}{bits}' for kind in ('uint', 'int') for bits in (8, 16, 32, 64)),
    *(f'float{bits}' for bits in (16, 32, 64)),
)

Check = Callable[[object], bool]


def one_of(*values: object) -> Check:
    """A check for being one of some values, of its type: ``True`` is not 1."""
    return lambda value: any(type(value) is type(known) and value == known for known in values)


def is_whole(value: object, least: int = 0, most: int = 2**31) -> bool:
    return type(value) is int and least <= value <= most


def is_number(value: object) -> bool:
    """Whether a value is a finite number of float32."""
    return isinstance(value, int | float) and not is_flag(value) and abs(value) < 3e38


def is_list(value: object, is_item: Check, least: int, most: int) -> bool:
    return isinstance(value, list) and least <= len(value) <= most and all(map(is_item, value))


def is_record(value: object, **fields: Check) -> bool:
    """Whether a value is a dict of just these keys, each allowed by its function."""
    return (
        isinstance(value, dict)
        and value.keys() == fields.keys()
        and all(is_allowed(value[key]) for key, is_allowed in fields.items())
    )


def is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= 1000


def is_flag(value: object) -> bool:
    return isinstance(value, bool)


def is_file_name(value: object) -> bool:
    """Whether a value names a file in the folder, at most three folders deep."""
    name = r'\w[\w.-]{0,99}'
    return isinstance(value, str) and bool(re.fullmatch(f'{name}(/{name}){{0,3}}', value, re.ASCII))


def is_backend(value: object) -> bool:
    return isinstance(value, str) and bool(re.fullmatch('[a-z][a-z0-9-]{0,30}', value))


def is_color(value: object) -> bool:
    return is_list(value, lambda level: is_whole(level, 0, 255), 3, 3)


def is_size(value: object) -> bool:
    return is_list(value, lambda side: is_whole(side, 1, 2**20), 2, 2)


def is_loading(value: object) -> bool:
    return value in (None, {}) or is_record(
        value,
        color_type=one_of('unchanged', *COLOR_TYPES),
        imdecode_backend=one_of(*DECODERS),
        to_float32=is_flag,
    )


def is_resize(value: object) -> bool:
    def is_scale(scale: object) -> bool:
        return is_size(scale) or (isinstance(scale, float) and 0 < scale <= 1000)

    backend = one_of('cv2', 'pillow')
    return value is None or is_record(value, scale=is_scale, keep_ratio=is_flag, backend=backend)


def is_input(value: object) -> bool:
    return is_record(value, channels=lambda count: is_whole(count, 1, 2**12), dtype=one_of(*DTYPES))


def is_normalization(value: object) -> bool:
    return is_record(
        value,
        mean=lambda means: is_list(means, is_number, 1, 2**12),
        std=lambda stds: is_list(stds, lambda std: is_number(std) and std != 0, 1, 2**12),
        to_rgb=is_flag,
    )


def is_tensor(value: object) -> bool:
    def is_side(side: object) -> bool:
        return side is None or is_whole(side, 1)

    return is_record(
        value,
        name=is_text,
        dtype=one_of('uint8', 'int32', 'float32'),
        layout=one_of('NHWC', 'NHW', 'NCHW'),
        shape=lambda sides: is_list(sides, is_side, 3, 4),
    )


def are_tensors(value: object) -> bool:
    def is_side(tensors: object) -> bool:
        return is_list(tensors, is_tensor, 1, 2)

    return value is None or is_record(value, inputs=is_side, outputs=is_side)


def is_preprocessing(value: object) -> bool:
    def is_step(step: object) -> bool:
        return is_record(
            step, step=one_of('load', 'resize', 'normalise'), inside=is_flag, words=is_text
        )

    return value is None or is_list(value, is_step, 1, 3)


def is_config(value: object) -> bool:
    return value is None or is_record(
        value, name=is_text_or_null, dataset=is_text_or_null, sha256=is_sha256
    )


def are_weights(value: object) -> bool:
    texts = dict.fromkeys(('name', 'licence', 'dataset'), is_text_or_null)
    return value is None or is_record(value, **texts)


def is_text_or_null(value: object) -> bool:
    return value is None or is_text(value)


def is_sha256(value: object) -> bool:
    return isinstance(value, str) and bool(re.fullmatch('[0-9a-f]{64}', value))


def are_files(value: object) -> bool:
    def are_facts(facts: object) -> bool:
        return is_record(
            facts,
            bytes=lambda size: is_whole(size, 0, LARGEST_FILE),
            sha256=is_sha256,
        )

    return (
        isinstance(value, dict)
        and all(map(is_file_name, value))
        and all(map(are_facts, value.values()))
    )


RULES: dict[str, tuple[str, Check]] = {  # key -> what it must be, in words and as a check
    'backend': ('the name of a backend', is_backend),
    'precision': ('one of f32, bf16, f16, int8', one_of('f32', 'bf16', 'f16', 'int8')),
    'inference_precision': ('one of f32, bf16, f16', one_of('f32', 'bf16', 'f16')),
    'model': ('the name of a file in the folder', is_file_name),
    'classes': ('a list of names', lambda value: is_list(value, is_text, 1, MOST_LABELS)),
    'palette': (
        'a list of colours [R, G, B] of 0 to 255',
        lambda value: is_list(value, is_color, 1, MOST_LABELS),
    ),
    'loading': ('the arguments of a loader, or null', is_loading),
    'size': ('[height, width], or null', lambda value: value is None or is_size(value)),
    'inside': (
        'a list of resize, normalise, labels',
        lambda value: is_list(value, one_of('resize', 'normalise', 'labels'), 0, 3),
    ),
    'inputs': ('[image] or [image, original]', one_of(['image'], ['image', 'original'])),
    'resize': ('scale, keep_ratio and backend, or null', is_resize),
    'input': ('channels and dtype', is_input),
    'num_labels': (f'1 to {MOST_LABELS}', lambda value: is_whole(value, 1, MOST_LABELS)),
    'normalise': ('mean, std and to_rgb', is_normalization),
    'align_corners': ('true or false', is_flag),
    'threshold': ('a number, or null', lambda value: value is None or is_number(value)),
    'batch': (
        f'1 to {MOST_IMAGES}, or null',
        lambda value: value is None or is_whole(value, 1, MOST_IMAGES),
    ),
    'output': (f'one of {", ".join(OUTPUTS)}', one_of(*OUTPUTS)),
    'is_sigmoid': ('true or false', is_flag),
    'tensors': ('name, dtype, layout and shape of inputs and outputs, or null', are_tensors),
    'preprocessing': ('a list of step, inside and words, or null', is_preprocessing),
    'config': ('name, dataset and sha256, or null', is_config),
    'weights': ('name, licence and dataset, or null', are_weights),
    'checkpoint_sha256': ('a SHA-256, or null', lambda value: value is None or is_sha256(value)),
    'files': ('the bytes and the sha256 of each file, by its name', are_files),
}


def read_report(path: Path) -> dict:
    """Read what the export says of a network, and check all that is used of it.

    Raises:
        ValueError: If it is no such file; the message names the key that is wrong.
    """
    if not path.is_file():
        raise ValueError(f'{path.parent}: no exported network (it has no {path.name})')
    with path.open('rb') as file:
        text = file.read(LONGEST_REPORT + 1)
    where = f'{path}: no report of an export'
    if len(text) > LONGEST_REPORT:
        raise ValueError(f'{where}: it is longer than {LONGEST_REPORT} bytes')
    try:
        report = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f'{where}: {error}') from error
    if not isinstance(report, dict):
        raise ValueError(f'{where}: it is a {type(report).__name__}')
    return check_report(report, where)


def check_report(report: dict, where: str) -> dict:
    """A report with the defaults of older exports, once all that is used of it is checked.

    Args:
        report: What the export says of a network.
        where: What an error begins with.

    Raises:
        ValueError: If a key is missing or wrong; the message names it.
    """
    precision = 'int8' if report.get('backend') == 'openvino-int8' else 'f32'
    known = {**DEFAULTS, 'precision': precision}
    report = {**report, **{key: known[key] for key in known if key not in report}}
    for key, (allowed, is_allowed) in RULES.items():
        if key not in report:
            raise ValueError(f'{where}: it has no {key}')
        if not is_allowed(report[key]):
            raise ValueError(f'{where}: {key} must be {allowed}, got {reprlib.repr(report[key])}')
    if fault := fault_of(report):
        raise ValueError(f'{where}: {fault}')
    return report


def fault_of(report: Mapping) -> str | None:
    """What is wrong with values that are allowed each, but do not fit each other."""
    if len(report['palette']) != len(report['classes']):
        return f'palette must have {len(report["classes"])} colours, one for each of the classes'
    mean, std = (report['normalise'][key] for key in ('mean', 'std'))
    channels = report['input']['channels']
    if len(mean) != len(std) or (channels > 1 and len(mean) not in (1, channels)):
        return 'normalise must have a mean and a std for each channel of input'
    return None


def check_file(folder: Path, name: str, facts: Mapping) -> None:
    """Raise a ``ValueError`` if a file is not as it was exported.

    Args:
        folder: The exported folder.
        name: The file's name in it.
        facts: Its ``bytes`` and ``sha256``.
    """
    path = folder / name
    if not path.is_file():
        raise ValueError(f'{path}: no such file, but {REPORT} lists it')
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f'{path}: is a link out of the folder')
    digest = hashlib.sha256()
    if path.stat().st_size == facts['bytes']:
        with path.open('rb') as file:
            while block := file.read(2**20):
                digest.update(block)
    if digest.hexdigest() != facts['sha256']:
        raise ValueError(f'{path}: is not the file exported: {REPORT} has another size or SHA-256')
