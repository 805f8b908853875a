"""Look at a folder of images and labels, and write a config that trains on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory
from typing import Any

from ..config.load import load_config
from ..dataset_check.report import DatasetReport
from ..dataset_check.run import check_splits
from ..datasets.label_rules import DROPPED
from ..errors import InputError
from ..label_formats import convert
from ..label_formats.source import naming
from ..utils.atomic_io import replacing
from ..utils.output_folder import output_folder
from .annotations import convert_annotations
from .class_files import find_class_file
from .image_facts import ImageFacts, read_image_facts
from .label_facts import read_labels_facts
from .label_plan import LabelPlan, plan_labels
from .layouts import Layout, Part, enter, find_layout
from .networks import find_network, find_weights
from .pairs import Suffixes
from .sizes import Plan, plan_training
from .write import CLASS_FILE, Content, class_file_text, config_text

SPLITS = ('train', 'val')
METHOD = 'inverse-log'  # of the class weights
DIGITS = 2


@dataclass(frozen=True)
class NewConfig:
    """A config that was written for a dataset.

    Attributes:
        path: The config.
        folder: What it needs beside: split lists, converted labels, classes; report.json and
            contact_sheet.png of the check.
        layout: How the dataset is laid out, in words.
        labels: What the label files hold, and whether they were converted.
        classes: Name of each label, in the order of the labels.
        images: What the images are.
        size: Median height and width of the images.
        pairs: Number of pairs of an image and a label by split.
        network: The network in words.
        load_from: Weights that the training starts from; ``None`` for random ones.
        plan: Sizes and length of the training.
        report: Of the check of the dataset.
        notes: What was left out or decided, and why better weights are not taken.
        commands: To train, to predict and to export, as a shell takes them.
    """

    path: Path
    folder: Path
    layout: str
    labels: str
    classes: tuple[str, ...]
    images: str
    size: tuple[int, int]
    pairs: dict[str, int]
    network: str
    load_from: str | None
    plan: Plan
    report: DatasetReport
    notes: list[str]
    commands: tuple[str, str, str]


@dataclass(frozen=True)
class Labels:
    """Labels that a dataset can read: where they are, and what they mean."""

    layout: Layout
    classes: tuple[str, ...]
    palette: list[list[int]]
    ignore_index: int
    why: str


def make_config(
    data: Path, out: Path, network: str, seed: int = 0, workers: int | None = None
) -> NewConfig:
    """Write a config for the images and labels in a folder; see ``mmseg_eff.init_config``."""
    chosen = find_network(network)
    if not data.is_dir():
        raise InputError(f'{data}: no such folder')
    if out.suffix != '.py':
        raise InputError(f'{out}: the name of a config ends in .py')
    if out.exists():
        raise InputError(f'{out}: exists already; name another file, or remove it')
    data, out = data.resolve(), out.resolve()
    if data in out.parents:
        raise InputError(f'{out}: is in {data}, which stays as it is; name a file elsewhere')
    folder = out.with_name(f'{out.stem}_files')
    with output_folder(folder):
        labels = find_labels(enter(data), folder, seed)
        layout = labels.layout
        train = layout.parts['train']
        count = len(train.listed.names)
        images = read_image_facts([path_of(train, layout, n) for n in train.listed.names])
        plan = plan_training(images.size, count)
        load_from, reasons = find_weights(chosen)
        content = Content(
            title=title_of(labels, images),
            network=chosen,
            images=images,
            plan=plan,
            classes=labels.classes,
            palette=labels.palette,
            class_weight=None,
            root=layout.root,
            folder=folder,
            data=data_arguments(labels),
            load_from=load_from,
            **{split: part_arguments(split, layout, folder) for split in SPLITS},
        )
        report = check(content, out.name, folder, workers)
        rows = report.splits['train'].classes
        if rows:
            weights = [round(row.weights[METHOD], DIGITS) for row in rows]
            content = content._replace(class_weight=weights)
        write(content, out, folder)
    return NewConfig(
        path=out,
        folder=folder,
        layout=layout.name,
        labels=labels.why,
        classes=labels.classes,
        images=images.kind,
        size=images.size,
        pairs={split: len(layout.parts[split].listed.names) for split in SPLITS},
        network=chosen.what,
        load_from=load_from,
        plan=plan,
        report=report,
        notes=[*layout.notes, *reasons],
        commands=next_commands(out, layout),
    )


def find_labels(root: Path, folder: Path, seed: int) -> Labels:
    """Find the labels of a dataset, and convert them into ``folder`` where they are no indices.

    Raises:
        InputError: If there are none, or they cannot be read.
    """
    layout = find_layout(root, seed)
    if layout is None:
        layout, converted = convert_annotations(root, folder / 'labels', seed)
        return Labels(layout, converted.classes, converted.palette, DROPPED, 'converted to indices')
    source = common_folder([part.labels for part in layout.parts.values()])
    named = find_class_file([root, *{part.labels for part in layout.parts.values()}, source])
    paths = [
        part.labels / f'{name}{layout.suffixes.label}'
        for part in layout.parts.values()
        for name in part.listed.names
    ]
    with naming(source):
        plan = plan_labels(read_labels_facts(paths), named, layout.suffixes.label)
    if plan.format is None:
        return Labels(layout, plan.classes, plan.palette, plan.ignore_index, plan.why)
    return convert_masks(layout, plan, source, folder / 'labels')


def convert_masks(layout: Layout, plan: LabelPlan, source: Path, out: Path) -> Labels:
    """Convert the label files of a layout to indices, in folders as they are."""
    ending = layout.suffixes.label
    options = dict(plan.options, ending=ending)
    converted = convert(source, out, plan.format, **options)
    parts = {
        split: part._replace(labels=out / part.labels.relative_to(source))
        for split, part in layout.parts.items()
    }
    suffixes = Suffixes(layout.suffixes.image, f'{ending.rpartition(".")[0]}.png')
    notes = layout.notes + converted.notes
    moved = Layout(layout.name, layout.root, suffixes, parts, notes)
    why = f'{plan.why}, converted to indices'
    return Labels(moved, converted.classes, converted.palette, DROPPED, why)


def common_folder(folders: Sequence[Path]) -> Path:
    """The folder that holds the label files of all splits."""
    first, *others = dict.fromkeys(folders)
    if not others:
        return first
    return next(p for p in first.parents if all(p in other.parents for other in others))


def path_of(part: Part, layout: Layout, name: str) -> Path:
    """The image of a name."""
    return part.images / f'{name}{layout.suffixes.image}'


def data_arguments(labels: Labels) -> dict[str, Any]:
    """Arguments of both datasets but the classes."""
    suffixes = labels.layout.suffixes
    arguments: dict[str, Any] = {}
    if suffixes.image != '.jpg':
        arguments['img_suffix'] = suffixes.image
    if suffixes.label != '.png':
        arguments['seg_map_suffix'] = suffixes.label
    if labels.ignore_index != DROPPED:
        arguments['ignore_index'] = labels.ignore_index
    return arguments


def part_arguments(split: str, layout: Layout, folder: Path) -> dict[str, Any]:
    """Arguments of the dataset of a split; writes its list where it needs one."""
    part, arguments = layout.parts[split], {}
    if not part.is_whole:
        file = part.listed.file or folder / f'{split}.txt'
        if part.listed.file is None:
            with replacing(file) as temporary:
                temporary.write_text('\n'.join(part.listed.names) + '\n', encoding='utf-8')
        arguments['ann_file'] = shown(file, layout.root)
    prefix = dict(
        img_path=shown(part.images, layout.root), seg_map_path=shown(part.labels, layout.root)
    )
    return {**arguments, 'data_prefix': prefix}


def shown(path: Path, root: Path) -> str:
    """A path as a dataset below ``root`` names it."""
    if path == root:
        return ''
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def title_of(labels: Labels, images: ImageFacts) -> str:
    """The first line of a config."""
    train, val = (len(labels.layout.parts[split].listed.names) for split in SPLITS)
    height, width = images.size
    count = f'{train} + {val} images of {height}x{width}, {len(labels.classes)} classes'
    return f'{count}: written by mmseg-eff init, to be edited'


def check(content: Content, name: str, folder: Path, workers: int | None) -> DatasetReport:
    """Check the dataset of a config that is not written yet, into ``folder``."""
    with TemporaryDirectory() as temporary:
        draft = Path(temporary, name)
        draft.write_text(config_text(content, None), encoding='utf-8')
        config = load_config(draft)
    return check_splits(config, name, SPLITS, workers, folder)


def write(content: Content, out: Path, folder: Path) -> None:
    """Write the config, and the classes beside it where their lines are long."""
    class_file, classes = None, class_file_text(content)
    if classes is not None:
        class_file = f'{folder.name}/{CLASS_FILE}'
        with replacing(folder / CLASS_FILE) as temporary:
            temporary.write_text(classes, encoding='utf-8')
    with replacing(out) as temporary:
        temporary.write_text(config_text(content, class_file), encoding='utf-8')


def next_commands(out: Path, layout: Layout) -> tuple[str, str, str]:
    """The commands to train, to predict and to export."""
    part = layout.parts['val']
    config = out.name if out.parent == Path.cwd() else str(out)
    work = Path('work_dirs', out.stem)
    trained = f'{quote(config)} {quote(str(work))}/best_mIoU_iter_*.pth'
    holds_labels = part.images == part.labels or not part.is_whole
    images = path_of(part, layout, part.listed.names[0]) if holds_labels else part.images
    images = images.relative_to(Path.cwd()) if images.is_relative_to(Path.cwd()) else images
    return (
        f'mmseg-eff train {quote(config)}',
        f'mmseg-eff predict {trained} {quote(str(images))} --out {quote(str(work))}/val',
        f'mmseg-eff export {trained} --out {quote(str(work))}/exported',
    )
