"""Write the predictions of files, cameras and streams into a folder, with a progress bar."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..errors import OutputError
from ..utils.image_io import write_png
from ..utils.printing import console
from ..utils.signals import noting_stops
from ..utils.user_errors import line_on
from ..visualization.legend import Legend
from ..visualization.overlay import OverlayStyle
from .inputs import Source
from .predict import predict_source, predict_video
from .segmentor import Segmentor
from .speed import Speed, TimedSegmentor
from .streams import StreamSource
from .tiling import Tiling, save_tiled
from .video import Video
from .video_writer import HINT, VideoWriter, has_h264


class Saved(NamedTuple):
    """What ``save_predictions`` has done.

    Attributes:
        failed: The files, cameras and streams that failed, with the reason.
        speed: How fast it was; ``None`` if no image was segmented.
    """

    failed: dict[Path | str, str]
    speed: Speed | None


def save_predictions(
    sources: Sequence[Source | StreamSource],
    out: Path,
    segmentor: Segmentor,
    *,
    style: OverlayStyle | None = None,
    tiling: Tiling | None = None,
    max_frames: int | None = None,
) -> Saved:
    """Predict sources and write the outputs; a source that fails does not stop the others.

    The progress bar, on stderr, counts images, the frames of videos and tiles.

    Args:
        sources: Images, videos, cameras and streams.
        out: Output folder.
        segmentor: Reads and labels images.
        style: How to draw the overlays.
        tiling: Segment images tile by tile.
        max_frames: Number of frames of each video, camera or stream to end after.

    Raises:
        InputError: If the opacity or the palette is wrong.
        OutputError: If an output cannot be written.
        KeyboardInterrupt: If a signal has ended a camera or a stream; its video is finished.
    """
    style = style or OverlayStyle()
    style.colors(segmentor.palette, segmentor.classes)  # one error, not one for each file
    if any(source.is_video for source in sources) and not has_h264():
        print(HINT, file=sys.stderr)
    columns = (
        TextColumn('{task.description}'),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    failed: dict[Path | str, str] = {}
    total = len(sources)
    timed = TimedSegmentor(segmentor)
    with Progress(*columns, console=console(stderr=True)) as progress:
        task = progress.add_task('segmenting', total=total)
        for source in sources:
            parts = 1
            try:
                for parts in save_source(source, out, timed, style, tiling, max_frames):
                    progress.update(task, total=total + parts - 1, advance=1)
                    if source.is_video:
                        timed.end_image()
            except OutputError:  # as on a full disk; the others would fail, too
                raise
            except Exception as error:
                failed[source.origin] = line_on(source.origin, error)
            timed.end_image()
            total += parts - 1
    return Saved(failed, timed.speed())


def save_source(
    source: Source | StreamSource,
    out: Path,
    segmentor: Segmentor,
    style: OverlayStyle,
    tiling: Tiling | None = None,
    max_frames: int | None = None,
) -> Iterator[int]:
    """Predict a source and write the outputs; arguments as for ``save_predictions``.

    Yields:
        The number of its parts (frames, tiles or the image), once after each part.
    """
    if isinstance(source, StreamSource) or source.is_video:
        yield from save_video(source, out, segmentor, style, max_frames)
    elif tiling:
        yield from save_tiled(source, out, segmentor, style, tiling)
    else:
        for prediction in predict_source(source, segmentor):
            overlay = prediction.draw(style)
            write_png(out / 'labels' / f'{prediction.name}.png', prediction.labels)
            write_png(out / source.overlay, overlay)
            yield 1


def save_video(
    source: Source | StreamSource,
    out: Path,
    segmentor: Segmentor,
    style: OverlayStyle,
    max_frames: int | None = None,
) -> Iterator[int]:
    """Write ``labels/{name}/{frame}.png`` and the video ``overlays/{name}.mp4``, frame by frame.

    A signal that ends the process ends a camera or a stream before its next frame, and is sent
    again when the video is finished. It ends a file at once, and no video of it is kept.

    Args:
        source: The video, camera or stream.
        out: Output folder.
        segmentor: Labels frames.
        style: How to draw the overlay.
        max_frames: Number of frames to end after.

    Yields:
        The number of frames to come according to the container, or those until now if it does not
        say, once after each frame.

    Raises:
        InputError: If the video cannot be decoded to its end; the frames that can are written.
        OutputError: If an output cannot be written.
    """
    target = out / source.overlay
    with Video(source, max_frames) as video, VideoWriter(target, video.rate) as overlays:
        legend = None
        if style.legend:
            colors = style.colors(segmentor.palette, segmentor.classes)
            legend = Legend(segmentor.classes, colors, is_video=True)
        with noting_stops(video.stop, isinstance(source, StreamSource)):
            for prediction in predict_video(video, segmentor, source.name):
                write_png(out / 'labels' / f'{prediction.name}.png', prediction.labels)
                overlays.write(prediction.draw(style, legend), video.time)
                yield max(video.num_read, video.num_frames)
            overlays.finish()
        video.check_complete()
