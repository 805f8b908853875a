"""Pseudo labels and self-training, called from Python as a user does."""

import ast
import inspect
import json
import re
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from PIL import Image

import mmseg_eff
from mmseg_eff.commands import pseudo_label as command
from mmseg_eff.config.load import load_config
from mmseg_eff.converters import save_checkpoint
from mmseg_eff.datasets import ToyStreetDataset
from mmseg_eff.errors import InputError
from mmseg_eff.self_training import pipeline
from mmseg_eff.self_training.class_balance import confidence_of
from mmseg_eff.self_training.label_images import check_settings, join_processes

CONFIG = 'mmseg_eff::espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'
OPTIONS = {'model.backbone.num_blocks': (1, 1)}
CLASSES = list(ToyStreetDataset.METAINFO['classes'])
LABELS = 'anywhere/labels'
PAGE = Path(__file__).parents[2] / 'docs/self_training.md'


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    """Weights of a small network that is sure of some pixels and not of others."""
    init_default_scope('mmseg')
    torch.manual_seed(0)
    model = MODELS.build(load_config(CONFIG, OPTIONS).model)
    with torch.no_grad():
        model.decode_head.conv_seg.weight.mul_(60)
    path = tmp_path_factory.mktemp('weights') / 'weights.pth'
    save_checkpoint(dict(state_dict=model.state_dict(), meta={}), path)
    return path


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / 'images'
    folder.mkdir()
    generator = np.random.default_rng(0)
    for index in range(3):
        coarse = Image.fromarray(generator.integers(0, 256, (4, 6, 3), np.uint8))
        coarse.resize((64 + index, 33)).save(folder / f'{index}.png')
    return folder


@pytest.fixture
def label(checkpoint, images, tmp_path):
    """``pseudo_label`` of these images in one view."""

    def run(config=CONFIG, inputs=images, out=tmp_path / 'out', **arguments):
        common = dict(scales=[1], flip=False, device='cpu', options=OPTIONS)
        return mmseg_eff.pseudo_label(config, checkpoint, inputs, out, **{**common, **arguments})

    return run


def labels_in(folder):
    return [np.array(Image.open(path)) for path in sorted(folder.glob('*.png'))]


def test_labels_are_those_of_the_command(label, checkpoint, images, tmp_path, capsys):
    (images / 'bad.png').write_bytes(b'bad')
    made = label(class_confidence={'road': 0.6}, overlays=1)
    assert capsys.readouterr().out == ''
    assert made.folder == tmp_path / 'out'
    assert made.thresholds == dict.fromkeys(CLASSES, 0.5) | {'road': 0.6}
    assert list(made.failed) == [str(images / 'bad.png')]
    assert 'cannot be decoded as an image' in made.failed[str(images / 'bad.png')]

    argv = [CONFIG, str(checkpoint), str(images), '--out', str(tmp_path / 'other'), '--no-flip']
    argv += ['--scales', '1', '--class-confidence', 'road=0.6', '--overlays', '1']
    argv += ['--device', 'cpu', '--cfg-options', 'model.backbone.num_blocks=(1,1)']
    assert command.main(argv) == 1
    names = sorted(path.relative_to(made.folder) for path in made.folder.rglob('*.*'))
    assert len(names) == 3 + 1 + 2  # labels, overlay, report and settings
    for name in names:
        assert (made.folder / name).read_bytes() == (tmp_path / 'other' / name).read_bytes()


def test_summary_counts_the_labels(label):
    made = label()
    found = np.concatenate([pixels.ravel() for pixels in labels_in(made.folder / 'labels')])
    kept = np.bincount(found, minlength=256)[:9]
    assert 0.1 < made.summary.kept == kept.sum() / found.size < 0.95
    assert (made.summary.images, made.summary.pixels) == (3, found.size)
    assert [row.name for row in made.summary.classes] == CLASSES
    assert [row.kept_pixels for row in made.summary.classes] == kept.tolist()
    report = json.loads((made.folder / 'report.json').read_text())
    assert report.items() >= asdict(made.summary).items()
    assert report['config'] == CONFIG
    before = {path: path.stat().st_mtime_ns for path in made.folder.glob('labels/*')}
    assert label() == made  # resumes, and finds all done
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_thresholds_that_a_share_leads_to(label):
    made = label(class_share=0.4)
    kept, ranks = (
        np.concatenate([image.ravel() for image in labels_in(made.folder / name)])
        for name in ('labels', 'all/confidence')
    )
    predicted = [row.name for row in made.summary.classes if row.predicted_pixels]
    assert len(predicted) > 2
    for index, name in enumerate(CLASSES):
        lowest = ranks[kept == index].min(initial=65535).astype(np.uint16)
        expected = float(confidence_of(lowest)) if name in predicted else None
        assert made.thresholds[name] == expected


def test_images_of_a_training_that_is_a_config(label, images, tmp_path):
    other = dict(
        type='ToyStreetDataset',
        data_prefix=dict(img_path=str(images), seg_map_path=f'{tmp_path}/out/labels/below'),
        ignore_index=254,
    )
    training = Config(dict(train_dataloader=dict(dataset=other)))
    teacher = load_config(CONFIG, OPTIONS)
    before = teacher.pretty_text
    made = label(teacher, None, images_of=training, options=None)
    assert teacher.pretty_text == before
    assert sorted(path.name for path in (made.folder / 'labels/below').iterdir()) == [
        '0.png',
        '1.png',
        '2.png',
    ]
    assert {255, 254} & set(np.unique(labels_in(made.folder / 'labels/below')[0])) == {254}


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(scales=[]), 'scales must be numbers above 0, got []'),
        (dict(scales=[1, 0]), 'scales must be numbers above 0, got [1.0, 0.0]'),
        (dict(inputs=None), 'give either images or images_of'),
        (dict(images_of=CONFIG), 'give either images or images_of'),
        (dict(confidence=1.5), 'confidence must be a number from 0 to 1, got 1.5'),
        (dict(class_confidence={'road': None}), 'of road must be a number from 0 to 1, got None'),
        (dict(class_confidence={'rod': 0.3}), "expected classes of road, sidewalk, .*; got 'rod'"),
        (dict(class_share=0), 'class_share must be above 0, at most 1, got 0'),
        (dict(class_share=1, confidence=0), 'give either class_share or confidence and'),
        (dict(launcher='slurm'), "launcher must be one of none, pytorch, got 'slurm'"),
        (dict(options={'model.nowhere': 1}), 'model.nowhere'),
    ],
)
def test_wrong_arguments_write_nothing(label, tmp_path, arguments, message):
    pattern = message if '.*' in message else re.escape(message)
    with pytest.raises(InputError, match=pattern):
        label(**arguments)
    assert not (tmp_path / 'out').exists()


def test_processes_are_joined_once(monkeypatch):
    """Two calls in one process of torchrun."""
    joined = []
    monkeypatch.setattr('torch.distributed.is_initialized', lambda: bool(joined))
    monkeypatch.setattr('torch.distributed.init_process_group', lambda *a, **k: joined.append(a))
    monkeypatch.setattr('torch.cuda.device_count', lambda: 2)
    monkeypatch.setenv('LOCAL_RANK', '3')
    assert join_processes('none') is None and not joined
    assert [join_processes('pytorch') for _ in range(2)] == ['cuda:1'] * 2
    assert joined == [('gloo',)]


def test_settings_of_an_earlier_run(tmp_path):
    check_settings(tmp_path, dict(scales=[1.0]))
    check_settings(tmp_path, dict(scales=[1.0]))
    with pytest.raises(InputError, match=r'scales \[1.0\], now \[2.0\]; choose another folder'):
        check_settings(tmp_path, dict(scales=[2.0]))


@pytest.fixture
def configs(tmp_path):
    """As much of the configs of a teacher and a student as the chain reads."""
    Config(dict(train_dataloader=dict(dataset=dict()))).dump(tmp_path / 'teacher.py')
    prefix = dict(img_path='images', seg_map_path=f'{LABELS}/below')
    dataset = dict(type='ConcatDataset', datasets=[dict(), dict(data_prefix=prefix)])
    content = dict(pseudo_labels=LABELS, train_dataloader=dict(dataset=dataset))
    Config(content).dump(tmp_path / 'student.py')
    return [Config.fromfile(tmp_path / name) for name in ('teacher.py', 'student.py')]


@pytest.fixture
def commands(monkeypatch):
    """The commands of the stages; they are not run, but write what the chain reads."""
    commands = []

    def start(words):
        commands.append(words)
        is_training = '--work-dir' in words
        out = Path(words[words.index('--work-dir' if is_training else '--out') + 1])
        (out / '0/vis_data').mkdir(parents=True)
        (out / 'report.json').write_text(json.dumps(dict(kept=0.75)))
        score = 40 if out.name == '1_finetune' else 45
        lines = [dict(loss=1.5, step=5), dict(mIoU=score, step=10)]
        (out / '0/vis_data/scalars.json').write_text('\n'.join(map(json.dumps, lines)))
        (out / 'last_checkpoint').write_text(str(out / 'iter_10.pth'))
        return 0

    monkeypatch.setattr(pipeline, 'start', start)
    return commands


def test_self_training(configs, commands, tmp_path, capsys):
    before = [config.pretty_text for config in configs]
    lines = []
    chain = mmseg_eff.self_train(
        *configs, tmp_path / 'chain', rounds=2, pretrain=configs[0], on_stage=lines.append
    )
    assert capsys.readouterr().out == ''
    assert [config.pretty_text for config in configs] == before
    assert chain.folder == tmp_path / 'chain'
    assert chain.checkpoint == chain.folder / '5_self_train/iter_10.pth'
    assert [row.stage for row in chain.rows] == [line.partition(':')[0] for line in lines]
    assert [row.kept for row in chain.rows] == [None, None, 0.75, None, 0.75, None]
    assert [row.gain for row in chain.rows] == [None, None, None, 5, None, 5]
    assert [row.config for row in chain.rows[:4]] == ['teacher', 'teacher', None, 'student']
    student = Config.fromfile(chain.folder / '3_self_train.py')
    assert student.load_from == str(chain.folder / '0_pretrain/iter_10.pth')
    assert student.pseudo_labels == str(chain.folder / '2_pseudo_label/labels')
    assert len(commands) == 6
    again = mmseg_eff.self_train(
        *configs, tmp_path / 'chain', rounds=2, pretrain=configs[0], on_stage=lines.append
    )
    assert again == chain and len(commands) == 6
    assert lines[6:] == [f'{row.stage}: finished' for row in chain.rows]


def test_labels_are_made_with_the_options_given(configs, commands, tmp_path):
    """By name, or as on the command line: a chain begun with one goes on with the other."""
    named = dict(class_confidence={'road': 0.9, 'sky': 0.3}, flip=False, scales=(0.5, 1))
    mmseg_eff.self_train(*configs, tmp_path, pseudo_options=named)
    words = ['--class-confidence', 'road=0.9', 'sky=0.3', '--no-flip', '--scales', '0.5', '1']
    assert commands[1][-len(words) :] == words
    mmseg_eff.self_train(*configs, tmp_path, pseudo_options=words)
    with pytest.raises(InputError, match=r"began with pseudo_options='--class.*; choose another"):
        mmseg_eff.self_train(*configs, tmp_path)


def test_a_chain_of_an_earlier_version_goes_on(configs, commands, tmp_path):
    """Its state as it was written before ``from_teacher``."""
    options = dict(pretrain=False, best=False, processes=1, pseudo_options='')
    record = dict(finished=True, seconds=60.0, cpu_seconds=120.0)
    state = dict(options=options, stages={'1_finetune': record})
    (tmp_path / 'state.json').write_text(json.dumps(state))
    (tmp_path / '1_finetune').mkdir()
    (tmp_path / '1_finetune/last_checkpoint').write_text('teacher.pth')
    (tmp_path / '1_finetune/0/vis_data').mkdir(parents=True)
    (tmp_path / '1_finetune/0/vis_data/scalars.json').write_text('{"loss": 1, "step": 1}')
    chain = mmseg_eff.self_train(*configs, tmp_path)
    assert [Path(words[1]).name for words in commands] == ['pseudo_label.py', 'train.py']
    assert commands[0][3] == 'teacher.pth'
    assert (chain.rows[0].minutes, chain.rows[0].cpu_minutes) == (1, 2)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(rounds=0), 'rounds must be 1 or more, got 0'),
        (dict(processes=0), 'processes must be 1 or more, got 0'),
        (dict(pseudo_options=dict(scale=1)), "pseudo_options: no 'scale'; allowed are scales, con"),
    ],
)
def test_wrong_arguments_of_self_training(configs, commands, tmp_path, arguments, message):
    with pytest.raises(InputError, match=message):
        mmseg_eff.self_train(*configs, tmp_path / 'chain', **arguments)
    assert not commands and not (tmp_path / 'chain').exists()


def test_calls_in_the_docs_have_the_arguments_of_the_functions():
    blocks = re.findall(r'^```python\n(.*?)^```$', PAGE.read_text(), re.DOTALL | re.MULTILINE)
    called = set()
    for node in (node for block in blocks for node in ast.walk(ast.parse(block))):
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith('mmseg_eff.'):
            function = getattr(mmseg_eff, node.func.attr)
            names = {word.arg: None for word in node.keywords}
            inspect.signature(function).bind(*node.args, **names)
            called.add(node.func.attr)
    assert called == {'pseudo_label', 'self_train'}
