"""Segment images and videos into label PNGs and overlays."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import cv2
from mmengine.config import Config
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..datasets.image_reader import LabelsImages, class_name, inference_pipeline, to_display
from ..errors import InputError, OutputError
from ..utils.image_io import write_png
from ..utils.printing import console
from ..utils.user_errors import line_on
from .inputs import Draw, Source
from .tiling import Tiling, predict_tiled


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
