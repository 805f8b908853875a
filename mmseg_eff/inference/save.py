"""Write the predictions of files into a folder, with a progress bar."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..errors import OutputError
from ..utils.image_io import write_png
from ..utils.printing import console
from ..utils.user_errors import line_on
from ..visualization.overlay import check_opacity, color_table
from .inputs import Source
from .predict import predict_source, predict_video
from .segmentor import Segmentor
from .tiling import Tiling, save_tiled
from .video import Video, VideoWriter


def save_predictions(
    sources: Sequence[Source],
    out: Path,
    segmentor: Segmentor,
    *,
    opacity: float = 0.5,
    tiling: Tiling | None = None,
) -> dict[Path, str]:
    """Predict sources and write the outputs; a source that fails does not stop the others.

    The progress bar, on stderr, counts images, the frames of videos and tiles.

    Args:
        sources: Images and videos.
        out: Output folder.
        segmentor: Reads and labels images.
        opacity: Share of the colours in the overlays, 0 to 1.
        tiling: Segment images tile by tile.

    Returns:
        The files that failed, with the reason.

    Raises:
        InputError: If the opacity or the palette is wrong.
        OutputError: If an output cannot be written.
    """
    check_opacity(opacity)
    color_table(segmentor.palette)  # a wrong palette is one error, not one for each file
    columns = (
        TextColumn('{task.description}'),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    failed = {}
    total = len(sources)
    with Progress(*columns, console=console(stderr=True)) as progress:
        task = progress.add_task('segmenting', total=total)
        for source in sources:
            parts = 1
            try:
                for parts in save_source(source, out, segmentor, opacity, tiling):
                    progress.update(task, total=total + parts - 1, advance=1)
            except OutputError:  # as on a full disk; the others would fail, too
                raise
            except Exception as error:
                failed[source.path] = line_on(source.path, error)
            total += parts - 1
    return failed


def save_source(
    source: Source, out: Path, segmentor: Segmentor, opacity: float, tiling: Tiling | None
) -> Iterator[int]:
    """Predict a source and write the outputs; arguments as for ``save_predictions``.

    Yields:
        The number of its parts (frames, tiles or the image), once after each part.
    """
    if source.is_video:
        yield from save_video(source, out, segmentor, opacity)
    elif tiling:
        yield from save_tiled(source, out, segmentor, opacity, tiling)
    else:
        for prediction in predict_source(source, segmentor):
            prediction.save(out, opacity=opacity)
            yield 1


def save_video(source: Source, out: Path, segmentor: Segmentor, opacity: float) -> Iterator[int]:
    """Write ``labels/{name}/{frame}.png`` and the video ``overlays/{name}.mp4``, frame by frame.

    Args:
        source: The video.
        out: Output folder.
        segmentor: Labels frames.
        opacity: Share of the colours in the overlay, 0 to 1.

    Yields:
        The number of frames that the container states, once after each frame.

    Raises:
        InputError: If the video cannot be decoded to its end; the frames that can are written.
        OutputError: If an output cannot be written.
    """
    target = out / 'overlays' / f'{source.name}.mp4'
    with Video(source.path) as video, VideoWriter(target, video.rate) as overlays:
        for prediction in predict_video(video, segmentor, source.name):
            write_png(out / 'labels' / f'{prediction.name}.png', prediction.labels)
            overlays.write(prediction.overlay(opacity))
            yield max(1, video.num_frames)
        overlays.finish()
        video.check_complete()
