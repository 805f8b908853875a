"""Export a network to ONNX, OpenVINO or TensorRT, checked against the original on real images."""

import argparse
import statistics
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope
from numpy.typing import NDArray

from .. import deploy
from ..datasets.image_reader import ImageReader, inference_pipeline
from ..datasets.label_checks import class_names
from ..errors import InputError
from ..files import sha256_of
from .arguments import checkpoint, finite_number, whole_number
from .cli import add_output_stride, config_parser, load_config, tool
from .complexity import check_size
from .datasets import build_datasets
from .inference import ExportedSegmentor, ImageSegmentor, load_segmentor
from .sources import SUFFIXES, collect_sources, suffixes_of
from .stages import in_turn, seconds_of

MIN_AGREEMENT = 0.9999  # of the labels, in float32
TIMED_RUNS = 10


class Agreement(NamedTuple):
    images: int
    labels: float  # share of equal ones, over all images
    worst_image: float


class Sample(NamedTuple):
    """An image of a data set, and how its labels are read."""

    info: dict
    load_label: Callable[[dict], dict]

    @property
    def path(self) -> Path:
        return Path(self.info['img_path'])

    def label(self) -> NDArray[np.uint8]:
        label = self.load_label(dict(self.info))['gt_seg_map']
        label[label == self.info['ignore_index']] = deploy.IGNORED
        return label


def read_samples(config: Config, loader: str, count: int) -> list[Sample]:
    """At most ``count`` samples, spread over the data set of a data loader of ``config``."""
    init_default_scope(config.get('default_scope', 'mmseg'))
    datasets = build_datasets(config[loader].dataset, loader)
    infos = [dataset.get_data_info(index) for dataset in datasets for index in range(len(dataset))]
    num_classes = len(class_names(datasets[0]))
    load_label = Compose([dict(type='LoadCheckedAnnotations', num_classes=num_classes)])
    indices = np.linspace(0, len(infos) - 1, min(count, len(infos))).astype(int)
    return [Sample(infos[index], load_label) for index in indices]


def choose_images(args: argparse.Namespace, config: Config) -> list[Path]:
    """The images to compare on: those given, or some of the config's test data set."""
    if not args.images:
        samples = read_samples(config, 'test_dataloader', args.num_images)
        return [sample.path for sample in samples]
    found = collect_sources(args.images, (*SUFFIXES, *suffixes_of(config)))
    sources = [source for source in found if not source.is_video]
    if not sources:
        raise InputError(f'--images {" ".join(args.images)}: holds no image')
    return [source.path for source in sources]


def compare(
    paths: Sequence[Path], original: ImageSegmentor, exported: ExportedSegmentor
) -> Agreement:
    """How many labels of two networks are equal on images, each loaded once by the config."""
    images = map(original.reader.read, paths)
    equal = [original.segment(image) == exported.segment(image) for image in images]
    share = sum(map(np.sum, equal)) / sum(map(np.size, equal))
    return Agreement(len(equal), float(share), float(min(map(np.mean, equal))))


def latencies(*runs: Callable[[], object]) -> list[float]:
    """Median time of each run in milliseconds, taken in turns after one warm-up."""
    calls = {index: partial(seconds_of, run) for index, run in enumerate(runs)}
    seconds = in_turn(calls, TIMED_RUNS)
    return [round(1000 * statistics.median(times), 3) for times in seconds.values()]


def check_speed(times: Sequence[float]) -> None:
    """Raise an ``InputError`` if the second of two times in milliseconds is not the smaller."""
    if times[1] >= times[0]:
        raise InputError(
            f'int8 is not faster than float32: {times[0]:.1f} -> {times[1]:.1f} ms for an image'
        )


def quantise(folder: Path, report: dict, config: Config, args: argparse.Namespace) -> dict:
    """Replace the OpenVINO network in a folder by one of 8 bits, if that is worth it.

    Returns:
        Mean IoU in percent and milliseconds of the network, before and after.

    Raises:
        InputError: If it loses more than ``args.max_drop`` or is not faster.
    """
    openvino = deploy.deploy_package('openvino')
    samples = read_samples(config, 'test_dataloader', args.validation)
    calibration = read_samples(config, 'train_dataloader', args.calibration)
    num_classes = len(report['classes'])
    read = ImageReader(inference_pipeline(config)).read
    before = deploy.load_runtime(folder, args.threads)
    inputs = before.prepare(read(samples[0].path)['img'])
    original = openvino.Core().read_model(folder / report['model'])
    report['model'] = 'int8.xml'

    def prepare(sample: Sample) -> dict[str, NDArray]:
        return before.prepare(read(sample.path)['img'])

    def load(model: 'openvino.Model') -> deploy.Segmenter:
        deploy.save_openvino(model, folder / report['model'])
        deploy.write_report(folder, report)
        return deploy.load_runtime(folder, args.threads)

    # before the search for what to keep in float32, which takes minutes and makes it no faster
    after = load(deploy.quantise_all(original, calibration, prepare))
    check_speed(latencies(lambda: before.run(inputs), lambda: after.run(inputs)))
    after = load(
        deploy.quantise(
            original,
            calibration,
            samples,
            prepare,
            Sample.label,
            num_classes=num_classes,
            max_drop=args.max_drop,
        )
    )

    miou = [
        deploy.mean_iou(
            deploy.class_areas(
                segmenter.segment(read(sample.path)['img']), sample.label(), num_classes
            )
            for sample in samples
        )
        for segmenter in (before, after)
    ]
    times = latencies(lambda: before.run(inputs), lambda: after.run(inputs))
    figures = f'mIoU {miou[0]:.2f} -> {miou[1]:.2f}, {times[0]:.1f} -> {times[1]:.1f} ms'
    print(f'float32 -> int8 on {len(samples)} images: {figures}')
    if miou[0] - miou[1] > args.max_drop:
        raise InputError(f'int8 loses more than {args.max_drop} mIoU: {figures}')
    check_speed(times)
    for suffix in ('.xml', '.bin'):
        (folder / f'model{suffix}').unlink()
    deploy.write_report(folder, report)
    return dict(images=len(samples), miou=miou, network_ms=times)


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = config_parser(__doc__)
    parser.add_argument('checkpoint', type=checkpoint, help='checkpoint file or hub:NAME')
    parser.add_argument('--out', type=Path, required=True, help='folder to make')
    parser.add_argument('--backend', choices=sorted(deploy.NEEDS), default='onnx')
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument(
        '--size', nargs=2, metavar=('H', 'W'), help="of all images; the first image's without"
    )
    sizes.add_argument('--any-size', action='store_true', help='images of any size; not all can')
    parser.add_argument(
        '--inside',
        nargs='*',
        choices=deploy.PARTS,
        default=['normalise', 'labels'],
        help='what the graph does itself, not the runtime (normalise labels)',
    )
    parser.add_argument('--images', nargs='+', metavar='INPUT', help='to compare the labels on')
    parser.add_argument(
        '--num-images', type=whole_number(1), default=8, help='or so many of the test data (8)'
    )
    parser.add_argument(
        '--threads', type=whole_number(0), default=0, help='CPU threads; the engine chooses'
    )
    int8 = parser.add_argument_group('openvino-int8')
    int8.add_argument(
        '--calibration', type=whole_number(1), default=100, help='training images (100)'
    )
    int8.add_argument(
        '--validation', type=whole_number(1), default=100, help='test images with labels (100)'
    )
    int8.add_argument('--max-drop', type=finite_number, default=0.5, help='mIoU it may lose (0.5)')
    add_output_stride(parser)
    args = parser.parse_args(argv)
    if args.backend == 'openvino-int8' and 'labels' not in args.inside:
        raise InputError(f'openvino-int8 needs labels --inside, got {args.inside}')
    for package in deploy.NEEDS[args.backend]:
        deploy.deploy_package(package)
    return args


def export(folder: Path, args: argparse.Namespace) -> dict:
    """Fill an empty folder with the network that ``args`` ask for; returns its report.

    Raises:
        InputError: If its labels are not those of the original.
    """
    config = load_config(args)
    paths = choose_images(args, config)
    if args.threads:
        torch.set_num_threads(args.threads)
    model = load_segmentor(config, args.checkpoint, 'cpu')
    original = ImageSegmentor(model)
    image = original.reader.read(paths[0])
    size = None
    if not args.any_size:
        size = check_size(args.size) if args.size else image['img'].shape[:2]
    graph = deploy.SegmentationGraph(model, inside=args.inside, size=size, image=image['img'])
    report = deploy.fill_folder(model, graph, args.backend, folder, loading=original.reader.facts)
    exported = ExportedSegmentor(deploy.load_runtime(folder, args.threads), original.reader)
    agreement = compare(paths, original, exported)
    print(f'{agreement.labels:.4%} of the labels on {agreement.images} images are equal')
    if agreement.labels < MIN_AGREEMENT:
        raise InputError(
            f'{args.backend}: {agreement.labels:.4%} of the labels are those of the original, '
            f'{MIN_AGREEMENT:.2%} must be; nothing was written'
        )
    report['agreement'] = agreement._asdict()
    if args.backend == 'openvino-int8':
        report['int8'] = quantise(folder, report, config, args)
        exported = ExportedSegmentor(deploy.load_runtime(folder, args.threads), original.reader)
        report['int8']['agreement'] = compare(paths, original, exported)._asdict()
    times = latencies(lambda: original.segment(image), lambda: exported.segment(image))
    report['latency_ms'] = dict(zip(('original', 'export'), times, strict=True))
    report['versions'] = deploy.versions()
    report['checkpoint_sha256'] = sha256_of(args.checkpoint)
    deploy.write_report(folder, report)
    return report


@tool
def main(argv: list[str] | None = None) -> None:
    """Parse the arguments of ``tools/export.py``, export, compare and report."""
    args = parse(argv)
    with deploy.new_folder(args.out) as folder:
        report = export(folder, args)
    times = report['latency_ms'].values()
    print('image to labels: {:.1f} -> {:.1f} ms; '.format(*times) + f'{args.out}/report.json')
