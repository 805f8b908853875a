"""Segment files, folders, globs and videos into label-id PNGs and coloured overlays."""

import glob
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..errors import InputError
from ..files import replacing
from .cli import add_output_stride, config_parser, load_config, one_line, tool
from .dense_crf import add_crf_options, build_crf
from .inference import color_table, draw_overlay, load_segmentor, segment_image

IMAGE_SUFFIXES = ('.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp')
VIDEO_SUFFIXES = ('.avi', '.m4v', '.mkv', '.mov', '.mp4', '.mpeg', '.mpg', '.webm')

Segment = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]  # BGR image (H, W, 3) -> labels (H, W)
Draw = Callable[[NDArray[np.uint8], NDArray[np.uint8]], NDArray[np.uint8]]  # and labels -> overlay


class Source(NamedTuple):
    path: Path
    name: str  # of the outputs, without suffix, relative to their folder

    @property
    def is_video(self) -> bool:
        return self.path.suffix.lower() in VIDEO_SUFFIXES


def collect_sources(inputs: Sequence[str]) -> list[Source]:
    """Images and videos named by files, folders (with all below them) and globs.

    Outputs keep the folders below an input folder. Two sources of one name keep their suffix in it.

    Raises:
        InputError: If an input does not exist or holds nothing to segment.
    """
    suffixes = IMAGE_SUFFIXES + VIDEO_SUFFIXES
    paths: dict[Path, Path] = {}  # source -> its path below the output folder
    for given in inputs:
        root = Path(given)
        if root.is_dir():
            found = {path: path.relative_to(root) for path in sorted(root.rglob('*'))}
        elif root.is_file():
            found = {root: Path(root.name)}
        else:
            found = {Path(path): Path(Path(path).name) for path in sorted(glob.glob(given))}
            if not found:
                raise InputError(f'{given}: no such file or folder, and no match as a glob')
        found = {
            path: name
            for path, name in found.items()
            if path.is_file() and path.suffix.lower() in suffixes
        }
        if not found:
            raise InputError(
                f'{given}: holds no image or video; known suffixes are {" ".join(suffixes)}'
            )
        paths.update(found)
    stems = Counter(name.with_suffix('') for name in paths.values())
    sources = []
    for path, name in paths.items():
        is_unique = stems[name.with_suffix('')] == 1
        sources.append(Source(path, str(name.with_suffix('') if is_unique else name)))
    clash = [
        name for name, count in Counter(source.name for source in sources).items() if count > 1
    ]
    if clash:
        raise InputError(f'{clash[0]}: two inputs have this name; give their common folder instead')
    return sources


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read an image as BGR (H, W, 3).

    Raises:
        InputError: If it cannot be decoded as a whole.
    """
    data = np.fromfile(path, np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if image is None:
        raise InputError(f'{path}: cannot be decoded as an image ({data.size} bytes)')
    return image


def write_png(path: Path, image: NDArray[np.uint8]) -> None:
    """Write a PNG to a temporary name beside ``path`` and rename it."""
    with replacing(path) as temporary:
        temporary.write_bytes(cv2.imencode('.png', image)[1].tobytes())


def predict_image(source: Source, out: Path, segment: Segment, draw: Draw) -> None:
    """Write ``labels/{name}.png`` and ``overlays/{name}.png``."""
    image = read_image(source.path)
    label = segment(image)
    write_png(out / 'labels' / f'{source.name}.png', label)
    write_png(out / 'overlays' / f'{source.name}.png', draw(image, label))


def predict_video(
    source: Source,
    out: Path,
    segment: Segment,
    draw: Draw,
    on_frames: Callable[[int], None],
    on_frame: Callable[[], None],
) -> None:
    """Write ``labels/{name}/{frame}.png`` and the video ``overlays/{name}.mp4``, frame by frame.

    Args:
        source: The video.
        out: Output folder.
        segment: Label map of a frame.
        draw: Overlay of a frame and its label map.
        on_frames: Told the number of frames that the video says it has.
        on_frame: Called behind each frame.

    Raises:
        InputError: If the video cannot be decoded to its end; what could be is written.
    """
    video = cv2.VideoCapture(str(source.path))
    total = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    on_frames(total)
    target = out / 'overlays' / f'{source.name}.mp4'
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f'.{target.name}.tmp.mp4')
    writer, count = None, 0
    try:
        while (frame := video.read()[1]) is not None:
            label = segment(frame)
            write_png(out / 'labels' / source.name / f'{count:06d}.png', label)
            if writer is None:
                rate = video.get(cv2.CAP_PROP_FPS) or 25
                codec = cv2.VideoWriter_fourcc(*'mp4v')
                writer = cv2.VideoWriter(str(temporary), codec, rate, frame.shape[1::-1])
            writer.write(draw(frame, label))
            count += 1
            on_frame()
        if writer is not None:
            writer.release()
            os.replace(temporary, target)
        if count < max(1, 0.99 * total - 1):  # containers may be off by some frames
            raise InputError(f'{source.path}: only {count} of {total} frames could be decoded')
    finally:
        video.release()
        temporary.unlink(missing_ok=True)


def predict(sources: Sequence[Source], out: Path, segment: Segment, draw: Draw) -> dict[Path, str]:
    """Segment every source, with a progress bar; a bad file does not stop the others.

    Returns:
        The sources that failed, with the reason.
    """
    columns = (
        TextColumn('{task.description}'),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    failed = {}
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task('segmenting', total=len(sources))

        def advance() -> None:
            progress.advance(task)

        def count_frames(total: int) -> None:  # a video counts as its frames
            progress.update(task, total=progress.tasks[task].total - 1 + total)

        for source in sources:
            try:
                if source.is_video:
                    predict_video(source, out, segment, draw, count_frames, advance)
                else:
                    predict_image(source, out, segment, draw)
                    advance()
            except (InputError, OSError, cv2.error) as error:
                failed[source.path] = one_line(error)
    return failed


@tool
def main(argv: list[str] | None = None) -> int:
    """Parse the arguments of ``tools/predict.py`` and predict; 1 if a file failed."""
    parser = config_parser(__doc__)
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('inputs', nargs='+', metavar='INPUT', help='file, folder, glob or video')
    parser.add_argument('--out', required=True, help='folder for labels/ and overlays/')
    parser.add_argument('--opacity', type=float, default=0.5, help='of the colours, 0 to 1')
    parser.add_argument('--device', help='cpu, cuda:0, …; the first GPU if there is one')
    add_output_stride(parser)
    add_crf_options(parser)
    args = parser.parse_args(argv)
    if not 0 <= args.opacity <= 1:
        raise InputError(f'--opacity must be between 0 and 1, got {args.opacity}')
    crf = build_crf(args)

    sources = collect_sources(args.inputs)
    model = load_segmentor(load_config(args), args.checkpoint, args.device)
    colors = color_table(model.dataset_meta['palette'])
    out = Path(args.out)

    def draw(image: NDArray[np.uint8], label: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return draw_overlay(image, label, colors, args.opacity)

    failed = predict(sources, out, partial(segment_image, model, crf=crf), draw)
    print(f'{len(sources) - len(failed)} of {len(sources)} inputs: {out}/labels, {out}/overlays')
    if crf:
        print(crf.timing())
    for reason in failed.values():
        print(f'error: {reason}', file=sys.stderr)
    return 1 if failed else 0
