"""Export a network to ONNX, OpenVINO or TensorRT, checked against the original on real images."""

import argparse
from pathlib import Path

import torch
from mmengine.config import Config
from numpy.typing import NDArray

from .. import deploy
from ..benchmarking.complexity import check_size
from ..datasets.image_reader import ImageReader, inference_pipeline
from ..deploy.segmentor import ExportedSegmentor
from ..deploy.verify import MIN_AGREEMENT, Sample, check_speed, compare, latencies, read_samples
from ..errors import InputError
from ..inference.inputs import SUFFIXES, collect_sources, suffixes_of
from ..inference.segmentor import ImageSegmentor, load_segmentor
from ..utils.atomic_io import sha256_of
from ._arguments import ToolParser, checkpoint, finite_number, whole_number
from ._cli import add_config_arguments, add_output_stride, command, read_config_of


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


def export(folder: Path, args: argparse.Namespace) -> dict:
    """Fill an empty folder with the network that ``args`` ask for; returns its report.

    Raises:
        InputError: If its labels are not those of the original.
    """
    config = read_config_of(args)
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


def add_arguments(parser: ToolParser) -> None:
    """Add the arguments of ``mmseg-eff export``."""
    add_config_arguments(parser)
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


def check_arguments(args: argparse.Namespace) -> None:
    """Refuse what cannot be exported, before any work."""
    if args.backend == 'openvino-int8' and 'labels' not in args.inside:
        raise InputError(f'openvino-int8 needs labels --inside, got {args.inside}')
    for package in deploy.NEEDS[args.backend]:
        deploy.deploy_package(package)


@command(add_arguments)
def main(args: argparse.Namespace) -> None:
    """Parse the arguments of ``tools/export.py``, export, compare and report."""
    check_arguments(args)
    with deploy.new_folder(args.out) as folder:
        report = export(folder, args)
    times = report['latency_ms'].values()
    print('image to labels: {:.1f} -> {:.1f} ms; '.format(*times) + f'{args.out}/report.json')
