"""Segment files, folders, globs and videos into label-id PNGs and coloured overlays."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from mmengine.config import Config
from numpy.typing import NDArray
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..datasets.image_reader import class_name, inference_pipeline, to_display
from ..errors import InputError, OutputError
from ..models import optimize_for_inference, predict_labels_only
from .arguments import checkpoint, device, finite_number, whole_number
from .cli import add_output_stride, config_parser, load_config, tool
from .dense_crf import add_crf_options, build_crf
from .inference import (
    ImageSegmentor,
    LabelsImages,
    color_table,
    draw_overlay,
    load_export,
    load_segmentor,
)
from .output_folder import output_folder
from .printing import console
from .regions import REGION_SUFFIXES
from .sources import SUFFIXES, Draw, Source, collect_sources, suffixes_of, write_png
from .tiling import Tiling, check_tiling, file_stamp, predict_tiled
from .user_errors import line_on, on_interrupt

DESCRIPTION = __doc__ + """ An exported folder takes the place of config and checkpoint."""
NOT_OF_LABELS = ('checkpoint', 'inputs', 'out', 'device')  # its time and size count


def predict_image(
    source: Source,
    out: Path,
    segmentor: LabelsImages,
    draw: Draw,
    on_images: Callable[[int], None],
    on_image: Callable[[], None],
) -> None:
    """Write ``labels/{name}.png`` and ``overlays/{name}.png``; arguments as ``predict_video``'s."""
    on_images(1)
    image = segmentor.reader.read(source.path)
    label = segmentor.segment(image)
    write_png(out / 'labels' / f'{source.name}.png', label)
    write_png(out / 'overlays' / f'{source.name}.png', draw(to_display(image['img']), label))
    on_image()


def predict_video(
    source: Source,
    out: Path,
    segmentor: LabelsImages,
    draw: Draw,
    on_frames: Callable[[int], None],
    on_frame: Callable[[], None],
) -> None:
    """Write ``labels/{name}/{frame}.png`` and the video ``overlays/{name}.mp4``, frame by frame.

    Args:
        source: The video.
        out: Output folder.
        segmentor: Labels frames.
        draw: Overlay of a frame and its label map.
        on_frames: Told the number of frames that the video says it has.
        on_frame: Called after each frame.

    Raises:
        InputError: If the video cannot be decoded to its end; what could be is written.
        OutputError: If OpenCV could not write all frames, of which it says nothing.
    """
    video = cv2.VideoCapture(str(source.path))
    total = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    on_frames(total)
    target = out / 'overlays' / f'{source.name}.mp4'
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f'.{target.name}.{os.getpid()}.tmp.mp4')
    writer, count = None, 0
    try:
        while (frame := video.read()[1]) is not None:
            label = segmentor.segment(segmentor.reader.from_bgr(frame, str(source.path)))
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
            if cv2.VideoCapture(str(temporary)).get(cv2.CAP_PROP_FRAME_COUNT) < count - 1:
                raise OutputError(f'{target}: cannot be written (is the disk full?)')
            os.replace(temporary, target)
        if count < max(1, 0.99 * total - 1):  # containers may be off by some frames
            raise InputError(f'{source.path}: only {count} of {total} frames could be decoded')
    finally:
        video.release()
        temporary.unlink(missing_ok=True)


def predict(
    sources: Sequence[Source],
    out: Path,
    segmentor: LabelsImages,
    draw: Draw,
    tiling: Tiling | None = None,
) -> dict[Path, str]:
    """Segment every source, with a progress bar; a bad file does not stop the others.

    Args:
        sources: Images and videos.
        out: Output folder.
        segmentor: Reads and labels images.
        draw: Overlay of an 8-bit BGR image and its label map.
        tiling: Do images tile by tile.

    Returns:
        The sources that failed, with the reason.

    Raises:
        OutputError: If the outputs cannot be written.
    """
    columns = (
        TextColumn('{task.description}'),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    of_image = partial(predict_tiled, tiling=tiling) if tiling else predict_image
    failed = {}
    with Progress(*columns, console=console(stderr=True)) as progress:
        task = progress.add_task('segmenting', total=len(sources))

        def advance() -> None:
            progress.advance(task)

        def count_parts(total: int) -> None:  # a video counts as its frames, an image as its tiles
            progress.update(task, total=progress.tasks[task].total - 1 + total)

        for source in sources:
            run = predict_video if source.is_video else of_image
            try:
                run(source, out, segmentor, draw, count_parts, advance)
            except OutputError:  # as on a full disk; the others would fail, too
                raise
            except Exception as error:
                failed[source.path] = line_on(source.path, error)
    return failed


def without_resize(config: Config) -> list[dict]:
    """Take what resizes the image out of a config's test pipeline, in place, and return it."""
    pipeline = inference_pipeline(config)
    resizes = [step for step in pipeline if class_name(step).startswith('Resize')]
    config.test_pipeline = [step for step in pipeline if step not in resizes]
    return resizes


def check_export_options(args: argparse.Namespace) -> None:
    """Refuse options that need a config where ``args.config`` is an exported folder."""
    for name in ('cfg_options', 'output_stride', 'crf', 'crf_options', 'device'):
        if getattr(args, name):
            option = name.replace('_', '-')
            raise InputError(f'--{option} is for a config; {args.config} is an exported folder')


@tool
def main(argv: list[str] | None = None) -> int:
    """Parse the arguments of ``tools/predict.py`` and predict; 1 if a file failed."""
    parser = config_parser(DESCRIPTION)
    parser.add_argument(
        'checkpoint',
        type=checkpoint,
        help='checkpoint file or hub:NAME; none after an exported folder',
    )
    parser.add_argument('inputs', nargs='*', metavar='INPUT', help='file, folder, glob or video')
    parser.add_argument('--out', required=True, help='folder for labels/ and overlays/')
    parser.add_argument('--opacity', type=finite_number, default=0.5, help='of the colours, 0 to 1')
    parser.add_argument(
        '--device', type=device, help='cpu, cuda:0, …; the first GPU if there is one'
    )
    parser.add_argument(
        '--tile',
        type=whole_number(1),
        metavar='PIXELS',
        help='segment images of any size by square tiles, at their own resolution; resumable',
    )
    parser.add_argument(
        '--overlap',
        type=whole_number(0),
        default=128,
        help='margin of a tile towards its neighbours (128)',
    )
    add_output_stride(parser)
    add_crf_options(parser)
    args = parser.parse_intermixed_args(argv)  # inputs may be none before --out and some behind
    if not 0 <= args.opacity <= 1:
        raise InputError(f'--opacity must be between 0 and 1, got {args.opacity}')
    if args.tile is not None:
        check_tiling(args.tile, args.overlap)
    crf = build_crf(args)

    is_export = Path(args.config).is_dir()
    inputs = [args.checkpoint, *args.inputs] if is_export else args.inputs
    if not inputs:
        raise InputError(f'no INPUT behind checkpoint ({args.config} is no exported folder)')
    suffixes = REGION_SUFFIXES if args.tile else SUFFIXES
    if is_export:
        check_export_options(args)
        segmentor = load_export(args.config)
        sources = collect_sources(inputs, suffixes)
        if args.tile and segmentor.runtime.report['resize']:
            raise InputError(f'--tile needs an export that does not resize; {args.config} does')
    else:
        config = load_config(args)
        sources = collect_sources(inputs, (*suffixes, *suffixes_of(config)))
        for step in without_resize(config) if args.tile else []:
            print(f'tiles keep the resolution of the image: no {step["type"]} of the test pipeline')
        model = load_segmentor(config, args.checkpoint, args.device)
        model = optimize_for_inference(model)
        model = model if crf else predict_labels_only(model)
        segmentor = ImageSegmentor(model, crf)
    colors = color_table(segmentor.palette)
    out = Path(args.out)

    def draw(image: NDArray[np.uint8], label: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return draw_overlay(image, label, colors, args.opacity)

    tiling = None
    if args.tile:
        settings = {name: value for name, value in vars(args).items() if name not in NOT_OF_LABELS}
        settings['weights'] = file_stamp(Path(args.config if is_export else args.checkpoint))
        tiling = Tiling(args.tile, args.overlap, settings)
    again = 'goes on with the tiles that are missing' if tiling else 'begins anew'
    kept = f'what is finished is kept in {out}; the same command {again}'
    with output_folder(out), on_interrupt(kept):
        failed = predict(sources, out, segmentor, draw, tiling)
    print(f'{len(sources) - len(failed)} of {len(sources)} inputs: {out}/labels, {out}/overlays')
    if crf:
        print(crf.timing())
    for reason in failed.values():
        print(f'error: {reason}', file=sys.stderr)
    return 1 if failed else 0
