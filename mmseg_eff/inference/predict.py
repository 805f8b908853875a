"""Predict images, videos and arrays one after the other."""

from collections.abc import Iterable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..datasets.image_reader import Loaded, class_name, inference_pipeline, to_display
from ..errors import OutputError
from ..utils.user_errors import line_on
from .inputs import ArraySource, Source
from .prediction import Prediction
from .segmentor import ImageSegmentor, Segmentor
from .streams import StreamSource
from .tiling import Tiling, predict_tiled
from .video import Video


def predict_all(
    sources: Iterable[Source | ArraySource | StreamSource],
    segmentor: Segmentor,
    *,
    probabilities: bool = False,
    tiling: Tiling | None = None,
    max_frames: int | None = None,
    failed: MutableMapping[Any, str] | None = None,
) -> Iterator[Prediction]:
    """Predict sources in their order; arguments and errors as for ``predict_source``.

    Args:
        failed: Takes the files that cannot be predicted, with the reason, and cameras and streams
            by their ``origin``; by default the first one ends the iteration by its error.
    """
    for source in sources:
        predictions = predict_source(
            source, segmentor, probabilities=probabilities, tiling=tiling, max_frames=max_frames
        )
        if failed is None or isinstance(source, ArraySource):
            yield from predictions
            continue
        while True:  # what the consumer raises is not the file's error
            try:
                prediction = next(predictions)
            except StopIteration:
                break
            except OutputError:
                raise
            except Exception as error:
                failed[source.origin] = line_on(source.origin, error)
                break
            yield prediction


def predict_source(
    source: Source | ArraySource | StreamSource,
    segmentor: Segmentor,
    *,
    probabilities: bool = False,
    tiling: Tiling | None = None,
    max_frames: int | None = None,
) -> Iterator[Prediction]:
    """Predict an image or an array, or each frame of a video, a camera or a stream.

    Args:
        source: What to predict.
        segmentor: Reads and labels images.
        probabilities: Predict the probabilities of the classes, too.
        tiling: Segment image files tile by tile, without probabilities.
        max_frames: Number of frames of a video to end after.

    Raises:
        InputError: If the source cannot be read or is not what the network takes; for a video that
            cannot be decoded to its end, after the frames that can.
    """
    if isinstance(source, ArraySource):
        image = segmentor.reader.from_bgr(source.image)
        yield predict_image(image, segmentor, source.name, probabilities=probabilities)
    elif isinstance(source, StreamSource) or source.is_video:
        with Video(source, max_frames) as video:
            yield from predict_video(video, segmentor, source.name, probabilities=probabilities)
            video.check_complete()
    elif tiling:
        yield predict_tiled(source, segmentor, tiling.size, tiling.overlap)
    else:
        image = segmentor.reader.read(source.path)
        yield predict_image(
            image, segmentor, source.name, path=source.path, probabilities=probabilities
        )


def predict_video(
    video: Video, segmentor: Segmentor, name: str, *, probabilities: bool = False
) -> Iterator[Prediction]:
    """Predict each frame of a video, as far as it can be decoded.

    Args:
        video: The video, opened.
        segmentor: Labels frames.
        name: Name of the video; a frame is called ``{name}/000007``.
        probabilities: Predict the probabilities of the classes, too.
    """
    for index, frame in enumerate(video.frames()):
        yield predict_image(
            segmentor.reader.from_bgr(frame, str(video.origin)),
            segmentor,
            f'{name}/{index:06d}',
            path=video.path,
            frame=index,
            probabilities=probabilities,
        )


def predict_image(
    image: Loaded,
    segmentor: Segmentor,
    name: str,
    *,
    path: Path | None = None,
    frame: int | None = None,
    probabilities: bool = False,
) -> Prediction:
    """Predict an image that the segmentor's reader has loaded.

    Args:
        image: The loaded image.
        segmentor: Labels the image.
        name, path, frame: See ``Prediction``.
        probabilities: Predict the probabilities of the classes, too.
    """
    shares = None
    if probabilities:
        assert isinstance(segmentor, ImageSegmentor)  # as prepare() has checked
        labels, shares = segmentor.segment_with_probabilities(image)
    else:
        labels = segmentor.segment(image)
    return Prediction(
        name=name,
        path=path,
        frame=frame,
        labels=labels,
        image=to_display(image['img']),
        classes=segmentor.classes,
        palette=segmentor.palette,
        probabilities=shares,
    )


def without_resize(config: Config) -> list[dict]:
    """Take what resizes the image out of a config's test pipeline, in place, and return it."""
    pipeline = inference_pipeline(config)
    resizes = [step for step in pipeline if class_name(step).startswith('Resize')]
    config.test_pipeline = [step for step in pipeline if step not in resizes]
    return resizes
