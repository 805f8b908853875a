"""Load a network with its weights, and label images, arrays, folders and videos with it."""

from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmseg.models import BaseSegmentor

from ..config.load import as_config
from ..errors import InputError
from ..hub import resolve
from ..inference.dense_crf import Refine
from ..inference.inputs import SUFFIXES, ArraySource, Input, read_inputs, suffixes_of
from ..inference.predict import predict_all
from ..inference.prediction import Prediction
from ..inference.prepare import Model, identify, prepare
from ..inference.published import checkpoint_of, config_of
from ..inference.region_readers import REGION_SUFFIXES
from ..inference.save import save_predictions
from ..inference.segmentor import ImageSegmentor, Segmentor, load_segmentor
from ..inference.speed import Speed
from ..inference.tile_grid import check_tiling
from ..inference.tiling import Tiling
from ..models import optimize_for_inference
from ..utils.output_folder import output_folder
from ..visualization.overlay import OverlayStyle, check_opacity
from ..visualization.palettes import Palette

__all__ = ['PredictedFolder', 'Prediction', 'load_model', 'predict', 'predict_to_folder']


def load_model(
    config: str | Path | Config,
    checkpoint: str | Path | None = None,
    *,
    device: str | None = None,
    options: Mapping[str, object] | None = None,
    optimize: bool = False,
) -> BaseSegmentor:
    """Build a network and load its weights, for ``predict`` and for mmseg's ``inference_model``.

        model = load_model('espnetv2-s2.0_cityscapes')
        model = load_model('my_config.py', 'work_dirs/my_config/iter_80000.pth', device='cpu')

    Args:
        config: Config file, ``mmseg_eff::espnet/….py``, bare name of a config of the package,
            ``Config``, or name of published weights, with or without ``hub:``.
        checkpoint: Checkpoint of exactly this network: a file or ``hub:NAME``. By default the
            published weights, which are fetched and converted once.
        device: Device of torch, such as ``cpu`` or ``cuda:1``; the first GPU or the CPU by default.
        options: Settings of the config to override, by dotted key.
        optimize: Rewrite the network for inference, such as norms into convolutions: it is faster,
            equal but for rounding, and cannot be trained or loaded into afterwards.

    Returns:
        The segmentor in evaluation mode, with ``cfg`` and ``dataset_meta`` (classes and palette).

    Raises:
        InputError: If the config cannot be read, the checkpoint is damaged or does not fit the
            network, or there is no checkpoint and no weights are published for the config.
    """
    if isinstance(config, str | Path) and Path(config).is_dir():
        raise InputError(f'{config}: is a folder; give an exported folder to predict() itself')
    read = as_config(config_of(config), options)
    found = str(checkpoint) if checkpoint is not None else checkpoint_of(read, config)
    model = load_segmentor(read, resolve(found), device)
    return optimize_for_inference(model) if optimize else model


def predict(
    model: Model,
    inputs: Input | Iterable[Input],
    *,
    probabilities: bool = False,
    crf: Refine | None = None,
    tile: int | None = None,
    overlap: int = 128,
    max_frames: int | None = None,
    failed: MutableMapping[Any, str] | None = None,
) -> Iterator[Prediction]:
    """Predict images, arrays, folders, videos, cameras and streams, one after the other.

        for prediction in predict(model, ['street.png', 'folder/', 'clip.mp4']):
            prediction.save('segmented')
        labels = next(predict(model, image)).labels  # of a BGR array (H, W, 3)
        for prediction in predict(model, 'camera:0'):  # until you stop, the latest frame each time
            show(prediction.overlay(legend=True))

    The model and the test pipeline are prepared once a call. Images are read as the config's test
    pipeline reads them.

    Args:
        model: What ``load_model`` gives, or an exported folder (its path, or what ``load_export``
            gives).
        inputs: One input or several: an image or video file, a folder (searched recursively), a
            glob, a camera (``'camera:0'`` or ``'0'``), the URL of a stream (``rtsp://…``,
            ``http://….m3u8``), or a BGR array (H, W, 3) of uint8. An iterator is consumed as the
            predictions are. Frames of a camera and of RTSP that come while the network is busy are
            dropped.
        probabilities: Predict the probabilities (C, H, W) of the classes, too.
        crf: ``mmseg_eff.inference.dense_crf.DenseCRF``, to refine the labels; the probabilities
            stay the network's.
        tile: Segment image files by square tiles of this many pixels, a multiple of 32, at their
            own resolution: whole slides and ``.npy`` arrays (H, W, 3) of RGB bytes, too.
        overlap: Margin of a tile towards its neighbours in pixels, a multiple of 32.
        max_frames: Number of frames of each video, camera or stream to end after.
        failed: A dict that takes the files that cannot be predicted, with the reason; a camera or a
            stream is a key as text. Without it the first one ends the iteration by an
            ``InputError``.

    Returns:
        An iterator of predictions in the order of the inputs, one for each frame of a video.

    Raises:
        InputError: If the model, an option or an input is wrong, or the network cannot do what is
            asked for.
    """
    tiling = None
    if tile is not None:
        check_tiling(tile, overlap)
        tiling = Tiling(tile, overlap, {})
        if probabilities:
            raise InputError('tile and probabilities exclude each other')
    segmentor, _ = prepare(
        model, crf=crf, probabilities=probabilities, keep_size=tiling is not None
    )
    sources = read_inputs(inputs, known_suffixes(segmentor, tiling))
    if not isinstance(inputs, Iterator):
        sources = iter([*sources])  # a wrong input is an error of this call
    return predict_all(
        sources,
        segmentor,
        probabilities=probabilities,
        tiling=tiling,
        max_frames=max_frames,
        failed=failed,
    )


@dataclass(frozen=True)
class PredictedFolder:
    """What ``predict_to_folder`` has done.

    Attributes:
        folder: The output folder.
        num_inputs: Number of images, videos, cameras and streams.
        failed: The files that could not be predicted, with the reason; a camera or a stream is a
            key as text.
        left_out: Types of the transforms of the test pipeline that were left out because tiles keep
            the resolution of the image.
        speed: Number of images, seconds, and the median of the network's seconds; ``None`` if no
            image was segmented.
    """

    folder: Path
    num_inputs: int
    failed: Mapping[Path | str, str]
    left_out: Sequence[str]
    speed: Speed | None = None


def predict_to_folder(
    model: Model,
    inputs: str | Path | Iterable[str | Path],
    out: str | Path,
    *,
    opacity: float = 0.5,
    legend: bool = False,
    outline: bool = False,
    palette: str | Palette | None = None,
    crf: Refine | None = None,
    tile: int | None = None,
    overlap: int = 128,
    max_frames: int | None = None,
) -> PredictedFolder:
    """Predict files into a folder of label PNGs and overlays, as ``mmseg-eff predict`` does.

        result = predict_to_folder(model, 'images/', 'segmented', legend=True)
        print(result.num_inputs, result.failed, result.speed)

    It writes ``labels/{name}.png`` and ``overlays/{name}.png`` for an image,
    ``labels/{name}/{frame}.png`` and ``overlays/{name}.mp4`` for a video, a camera or a stream. The
    videos are H.264 if PyAV is installed (extra ``video``), else OpenCV's MPEG-4. A file that fails
    does not stop the others. Ctrl-C ends a camera or a stream, whose video is kept. Memory stays
    small for images of any size, and after a stop the same call goes on with the missing tiles. The
    progress bar is on stderr.

    Args:
        model: See ``predict``.
        inputs: Files, folders, globs, cameras and streams, see ``predict``.
        out: Output folder; it is made, and held against other processes.
        opacity: Share of the colours in the overlays, 0 to 1.
        legend, outline, palette: See ``Prediction.overlay``.
        crf, tile, overlap, max_frames: See ``predict``.

    Returns:
        The number of inputs, those that failed, and the speed.

    Raises:
        InputError: If the model, an option or an input is wrong, or another process holds ``out``.
        OutputError: If an output cannot be written.
    """
    style = OverlayStyle(opacity, legend, outline, palette)
    check_opacity(opacity)
    if tile is not None:
        check_tiling(tile, overlap)
    segmentor, left_out = prepare(model, crf=crf, keep_size=tile is not None)
    style.colors(segmentor.palette, segmentor.classes)
    tiling = None
    if tile is not None:
        tiling = Tiling(tile, overlap, {**identify(segmentor), **style.settings()})
    sources = []
    for source in read_inputs(inputs, known_suffixes(segmentor, tiling)):
        if isinstance(source, ArraySource):
            raise InputError('predict_to_folder takes paths; give arrays to predict()')
        sources.append(source)
    out = Path(out)
    with output_folder(out):
        saved = save_predictions(
            sources, out, segmentor, style=style, tiling=tiling, max_frames=max_frames
        )
    return PredictedFolder(out, len(sources), saved.failed, left_out, saved.speed)


def known_suffixes(segmentor: Segmentor, tiling: Tiling | None) -> tuple[str, ...]:
    """Suffixes of the files that are taken as images and videos."""
    of_config = suffixes_of(segmentor.model.cfg) if isinstance(segmentor, ImageSegmentor) else ()
    return (*(REGION_SUFFIXES if tiling else SUFFIXES), *of_config)
