"""How far a network's labels depend on how its images were compressed:

    python benchmarks/compression.py NAME|CONFIG [CHECKPOINT] --images IMAGE... [--labels FOLDER]

Each image becomes a clip of a camera that moves to the right. The clip is labelled as it is and
after JPEG, OpenCV's MPEG-4 and H.264 (extra [video]). Prints the share of pixels whose label is the
same as without compression and, with a folder of label PNGs of the images' names, the mIoU.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

import mmseg_eff
from mmseg_eff.inference.inputs import Source
from mmseg_eff.inference.video import Video
from mmseg_eff.inference.video_writer import Encoder, H264Encoder, MPEG4Encoder

Frames = list[NDArray[np.uint8]]
STEP = 4  # pixels that the camera moves between two frames
RATE = 25.0


def clip_of(image: NDArray, num_frames: int) -> list[NDArray]:
    """Windows of an image (H, W, …) with even sides, each ``STEP`` pixels further right."""
    width = (image.shape[1] - STEP * (num_frames - 1)) // 2 * 2
    height = image.shape[0] // 2 * 2
    return [
        np.ascontiguousarray(image[:height, STEP * i : STEP * i + width]) for i in range(num_frames)
    ]


def jpeg(quality: int) -> Callable[[Frames], Frames]:
    """A function that compresses frames as JPEG."""

    def compress(frames: Frames) -> Frames:
        options = [cv2.IMWRITE_JPEG_QUALITY, quality]
        return [cv2.imdecode(cv2.imencode('.jpg', frame, options)[1], 1) for frame in frames]

    return compress


def video(make: Callable[[Path, tuple[int, int]], Encoder]) -> Callable[[Frames], Frames]:
    """A function that compresses frames as a video."""

    def compress(frames: Frames) -> Frames:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, 'clip.mp4')
            height, width = frames[0].shape[:2]
            encoder = make(path, (width, height))
            for frame in frames:
                encoder.write(frame, None)
            encoder.close()
            with Video(Source(path, 'clip')) as decoded:
                return [*decoded.frames()]

    return compress


KINDS: dict[str, Callable[[Frames], Frames]] = {
    'none (PNG)': lambda frames: frames,
    **{f'JPEG {quality}': jpeg(quality) for quality in (95, 80, 50, 30)},
    'MPEG-4, as OpenCV writes it': video(lambda path, size: MPEG4Encoder(path, RATE, size)),
    'H.264, as we write it': video(lambda path, size: H264Encoder(path, RATE, size, False)),
}


def read(path: Path, width: int | None, interpolation: int, flag: int) -> NDArray:
    """An image or its labels, resized to a width."""
    image = cv2.imread(str(path), flag)
    if image is None:
        raise SystemExit(f'{path}: cannot be read')
    if width is None:
        return image
    height = round(image.shape[0] * width / image.shape[1])
    return cv2.resize(image, (width, height), interpolation=interpolation)


def confusion(label: NDArray, truth: NDArray, num_classes: int) -> NDArray:
    """Pixels (C, C) by true and predicted class."""
    counted = truth < num_classes
    pairs = truth[counted].astype(int) * num_classes + label[counted]
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


def mean_iou(counts: NDArray) -> float:
    """Mean IoU of the classes that occur, in percent."""
    hit = np.diag(counts)
    union = counts.sum(0) + counts.sum(1) - hit
    return float(100 * np.mean(hit[union > 0] / union[union > 0]))


def labels_of(model: object, frames: Sequence[NDArray]) -> Iterator[NDArray]:
    """Labels of frames."""
    for prediction in mmseg_eff.predict(model, iter(frames)):
        yield prediction.labels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', metavar='NAME|CONFIG')
    parser.add_argument('checkpoint', nargs='?')
    parser.add_argument('--images', nargs='+', required=True, type=Path)
    parser.add_argument('--labels', type=Path, help='folder of label PNGs')
    parser.add_argument('--width', type=int, help='resize the images to it first')
    parser.add_argument('--frames', type=int, default=8, help='of a clip')
    args = parser.parse_args()

    model = mmseg_eff.load_model(args.config, args.checkpoint, device='cpu', optimize=True)
    num_classes = len(model.dataset_meta['classes'])
    shares = {kind: [] for kind in KINDS}
    counts = {kind: np.zeros((num_classes, num_classes), int) for kind in KINDS}
    for path in args.images:
        image = read(path, args.width, cv2.INTER_AREA, cv2.IMREAD_COLOR)
        frames = clip_of(image, args.frames)
        truths = None
        if args.labels:
            label_path = args.labels / f'{path.stem}.png'
            truth = read(label_path, args.width, cv2.INTER_NEAREST, cv2.IMREAD_UNCHANGED)
            truths = clip_of(truth, args.frames)
        own = [*labels_of(model, frames)]
        for kind, compress in KINDS.items():
            compressed = compress(frames)
            assert len(compressed) == len(frames)
            found = own if kind == 'none (PNG)' else [*labels_of(model, compressed)]
            shares[kind] += [
                (label == first).mean() for label, first in zip(found, own, strict=True)
            ]
            for label, truth in zip(found, truths or found, strict=True):  # unused without labels
                counts[kind] += confusion(label, truth, num_classes)
    for kind in KINDS:
        score = f'  mIoU {mean_iou(counts[kind]):.2f}' if args.labels else ''
        print(f'{kind:28} {np.mean(shares[kind]):.3f}{score}')


if __name__ == '__main__':
    main()
