"""``tools/train.py`` and ``tools/test.py`` on a tiny data set, and what they say of wrong input."""

import re
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from helpers import TINY, build_segmentor
from mmengine.config import Config, ConfigDict
from mmseg.registry import MODELS

from mmseg_eff.apis import training
from mmseg_eff.checkpoint.preprocessing import preprocessing_differences
from mmseg_eff.commands import test as evaluate
from mmseg_eff.commands import train
from mmseg_eff.converters import load_checkpoint, save_checkpoint
from mmseg_eff.converters.convert import convert
from mmseg_eff.engine import SegRunner
from mmseg_eff.engine.hooks.run_record_hook import weights_hash
from mmseg_eff.errors import InputError
from mmseg_eff.models import EfficientNet
from mmseg_eff.training import work_dir as work_dir_lock
from mmseg_eff.training.start_checks import check_pretrained, parts

LEAF = 'mmseg_eff::espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'
C_LEAF = 'mmseg_eff::espnet/espnet-c-p2q8_1xb14-39k_camvid-360x480.py'


@pytest.fixture
def trained(data_root, tmp_path):
    assert train.main([LEAF, '--work-dir', str(tmp_path), '--cfg-options', *TINY]) == 0
    return tmp_path


def test_train_resume_and_test(trained, capsys):
    checkpoint = trained / 'iter_2.pth'
    meta = load_checkpoint(checkpoint)['meta']
    assert meta['iter'] == 2
    assert meta['dataset_meta']['classes'][0] == 'road'

    more = [*TINY, 'train_cfg.max_iters=3', 'train_cfg.val_interval=3']
    more.append('default_hooks.checkpoint.interval=3')
    assert train.main([LEAF, '--work-dir', str(trained), '--resume', '--cfg-options', *more]) == 0
    assert load_checkpoint(trained / 'iter_3.pth')['meta']['iter'] == 3

    options = ['--work-dir', str(trained / 'test'), '--cfg-options', *TINY]
    out = trained / 'labels'
    assert evaluate.main([LEAF, str(checkpoint), '--out', str(out), *options]) == 0
    assert len(list(out.glob('*.png'))) == 2
    assert evaluate.main([LEAF, str(checkpoint), '--tta', *options]) == 0
    assert capsys.readouterr().out.count('mIoU: ') == 3  # of the resumed training and two tests


def test_resume_where_the_config_begins_with_weights(trained, tmp_path):
    """From the work dir's checkpoint, where mmengine would take ``load_from``."""
    leaf, work_dir = tmp_path / 'leaf.py', tmp_path / 'second'
    leaf.write_text(f"_base_ = '{LEAF}'\nload_from = '{trained / 'iter_2.pth'}'\n")
    arguments = [str(leaf), '--work-dir', str(work_dir), '--resume', '--cfg-options', *TINY]
    assert train.main(arguments) == 0
    assert (work_dir / 'iter_2.pth').is_file()  # of two iterations: it did not resume
    (trained / 'iter_2.pth').unlink()
    more = ['train_cfg.max_iters=3', 'train_cfg.val_interval=3']
    assert train.main([*arguments, *more, 'default_hooks.checkpoint.interval=3']) == 0
    assert load_checkpoint(work_dir / 'iter_3.pth')['meta']['iter'] == 3


@pytest.mark.parametrize(
    ('argv', 'resume'),
    [
        ([], False),
        (['--resume'], True),
        (['--resume', '--cfg-options', 'load_from=a.pth'], 'a.pth'),
        (['--cfg-options', 'load_from=a.pth'], False),
    ],
)
def test_what_to_resume_from(monkeypatch, argv, resume):
    """A checkpoint named in the command goes before the last one."""
    given = {}
    monkeypatch.setattr(training, 'train', lambda config, **options: given.update(options))
    assert train.main([LEAF, '--launcher', 'pytorch', '--local-rank', '1', *argv]) == 0
    assert given == dict(
        work_dir=None,
        resume=resume,
        amp=False,
        launcher='pytorch',
        local_rank=1,
        deterministic=False,
    )


LONGER = ['train_cfg.max_iters=3', 'train_cfg.val_interval=3']
LONGER.append('default_hooks.checkpoint.interval=3')


def test_resume_without_a_checkpoint_named(trained, capsys):
    (trained / 'last_checkpoint').unlink()
    argv = [LEAF, '--work-dir', str(trained), '--resume', '--cfg-options', *TINY, *LONGER]
    assert train.main(argv) == 0
    log = capsys.readouterr().out
    assert f'{trained}/iter_2.pth is the newest whole' in log
    assert f'training goes on from {trained}/iter_2.pth, at iteration 2\n' in log
    assert load_checkpoint(trained / 'iter_3.pth')['meta']['iter'] == 3


def test_resume_where_nothing_is_says_so_last(data_root, tmp_path, capsys):
    argv = [LEAF, '--work-dir', str(tmp_path), '--resume', '--cfg-options', *TINY]
    assert train.main(argv) == 0
    log = capsys.readouterr().out
    end = f'no checkpoint in {tmp_path}: training begins at iteration 0\n'
    begun = log[: log.index('Iter(train)')].rpartition('\n')[0] + '\n'
    assert begun.endswith(end)


HOLD = """
import fcntl, sys
file = open(sys.argv[1], 'w')
fcntl.lockf(file, fcntl.LOCK_EX)
print('locked', flush=True)
sys.stdin.read()
"""


def test_one_training_in_a_work_dir(data_root, tmp_path, capsys):
    work_dir = tmp_path / 'work'
    work_dir.mkdir()
    argv = [LEAF, '--work-dir', str(work_dir), '--cfg-options', *TINY]
    command = [sys.executable, '-c', HOLD, str(work_dir / work_dir_lock.LOCK)]
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with subprocess.Popen(command, **pipes) as other:
        assert other.stdout.readline() == 'locked\n'
        assert f'work dir {work_dir}: in use by another process' in run(argv, capsys)
        assert [path.name for path in work_dir.iterdir()] == [work_dir_lock.LOCK]
        other.kill()
    assert train.main(argv) == 0  # at once
    assert not (work_dir / work_dir_lock.LOCK).exists()


@pytest.mark.parametrize(('launcher', 'variable'), work_dir_lock.RANKS.items())
def test_the_main_process_alone_locks(tmp_path, monkeypatch, launcher, variable):
    config = Config(dict(work_dir=str(tmp_path), launcher=launcher))
    for rank in ('0', '1'):
        monkeypatch.setenv(variable, rank)
        with work_dir_lock.one_training_in(config):
            assert (tmp_path / work_dir_lock.LOCK).exists() == (rank == '0')


@pytest.mark.parametrize('options', [[], ['--tta']], ids=['plain', 'tta'])
def test_official_weights_score_through_the_tool(shared, tmp_path, monkeypatch, capsys, options):
    monkeypatch.setenv('MMSEG_EFF_DATA', str(shared / 'data'))
    file = shared / 'checkpoints/espnet/espnet_p_2_q_8_camvid.pth'
    convert('espnet', file, tmp_path / 'camvid.pth')
    leaf = 'mmseg_eff::espnet/espnet-p2q8_1xb8-69k_camvid-360x480.py'
    few = ['img_suffix=.webp', 'indices=4']
    few = [f'test_dataloader.dataset.{option}' for option in few]
    few += ['test_dataloader.num_workers=0', 'test_dataloader.persistent_workers=False']
    argv = [leaf, str(tmp_path / 'camvid.pth'), '--work-dir', str(tmp_path), *options]
    assert evaluate.main([*argv, '--cfg-options', *few]) == 0
    accuracy = re.findall(r'aAcc: ([\d.]+)', capsys.readouterr().out)
    assert float(accuracy[-1]) > 90


def test_stage_2_takes_the_encoder_of_stage_1(trained, tmp_path, capsys):
    options = [*TINY, 'model.decode_head.num_classes=10', f'load_from={trained}/iter_2.pth']
    argv = [LEAF, '--work-dir', str(tmp_path / 'next'), '--cfg-options', *options]
    assert train.main(argv) == 0
    log = capsys.readouterr().out
    loaded, wanted = re.search(r'iter_2\.pth: (\d+) of (\d+) tensors loaded\n', log).groups()
    assert int(wanted) == int(loaded) + 1
    assert re.search(r'\n    backbone: (\d+) of \1\n', log)
    new = 'conv_seg.weight (20, 9, 2, 2) for (20, 10, 2, 2)'
    assert re.search(rf'\n    decode_head: \d+ of \d+; 1 of another shape: {re.escape(new)}\n', log)


def test_parts_say_what_a_file_gives():
    wanted = {'backbone.a': (2,), 'neck.a': (2,), 'neck.b.c': (2, 3)}
    wanted |= {f'head.{name}': (3,) for name in 'abcdef'}
    given = {'backbone.a': (2,), 'neck.a': (4,), 'head.a': (3,), 'other.a': (2,)}
    assert list(parts(wanted, given)) == [
        'backbone: 1 of 1',
        'neck: 0 of 2; 1 of another shape: a (4,) for (2,); 1 missing: b.c',
        'head: 1 of 6; 5 missing: b, c, d, …',
    ]


@pytest.fixture
def torch_restored():
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark, torch.get_num_threads()
    yield
    torch.use_deterministic_algorithms(False)
    cudnn.deterministic, cudnn.benchmark, threads = before
    torch.set_num_threads(threads)


@pytest.mark.parametrize(
    ('num_workers', 'num_threads'),
    [
        (0, 1),
        pytest.param(2, 1, marks=pytest.mark.slow),
        pytest.param(0, 2, marks=pytest.mark.slow),
        pytest.param(2, 2, marks=pytest.mark.slow),
    ],
)
def test_deterministic_runs_are_equal(
    data_root, tmp_path, monkeypatch, torch_restored, num_workers, num_threads
):
    monkeypatch.setenv('CUBLAS_WORKSPACE_CONFIG', ':4096:8')  # or the tool would leave it set
    torch.set_num_threads(num_threads)
    options = [*TINY, f'train_dataloader.num_workers={num_workers}', 'val_cfg=None']
    options += ['val_dataloader=None', 'val_evaluator=None']

    enabled = []
    train_epoch = SegRunner.train

    def train_watched(runner):
        enabled.append(torch.are_deterministic_algorithms_enabled())
        return train_epoch(runner)

    monkeypatch.setattr(SegRunner, 'train', train_watched)

    def train_and_hash(name, *more):
        argv = [LEAF, '--deterministic', '--work-dir', str(tmp_path / name)]
        assert train.main([*argv, '--cfg-options', *options, *more]) == 0
        assert enabled.pop() and not torch.are_deterministic_algorithms_enabled()
        return weights_hash(load_checkpoint(tmp_path / name / 'iter_2.pth')['state_dict'])

    first = train_and_hash('first')
    assert train_and_hash('second') == first
    assert train_and_hash('other', 'randomness.seed=1') != first


def test_a_config_may_name_another_runner(data_root, tmp_path):
    """mmengine's runner for strategies such as FSDP, here with its strategy of one device."""
    other = ['runner_type=FlexibleRunner', 'strategy.type=SingleDeviceStrategy']
    argv = [LEAF, '--work-dir', str(tmp_path), '--cfg-options', *TINY, *other]
    assert train.main(argv) == 0
    assert load_checkpoint(tmp_path / 'iter_2.pth')['meta']['iter'] == 2


def run(argv, capsys):
    capsys.readouterr()
    assert train.main(argv) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith('error: ')]
    assert len(lines) == 1
    return lines[0]


@pytest.fixture
def data(toy_root, tmp_path, monkeypatch):
    """A copy of the data set that a test may break."""
    shutil.copytree(toy_root / 'toystreet', tmp_path / 'toystreet')
    monkeypatch.setenv('MMSEG_EFF_DATA', str(tmp_path))
    return tmp_path / 'toystreet'


def remove_images(data):
    shutil.rmtree(data / 'images/train')
    return 'images/train: no such folder or file'


def empty_images(data):
    for path in (data / 'images/train').iterdir():
        path.unlink()
    return r'images/train: holds no image \*.png'


def remove_label(data):
    (data / 'labels/train/0001.png').unlink()
    return 'labels/train/0001.png: no such label file for image .*images/train/0001.png'


def write_labels(data, label):
    for path in (data / 'labels/train').iterdir():
        cv2.imwrite(str(path), label)


def out_of_range(data):
    write_labels(data, np.full((64, 128), 9, np.uint8))
    return 'labels/train/000..png: label value 9 out of range; allowed are 0 to 8 and 255'


def rgb_labels(data):
    write_labels(data, np.zeros((64, 128, 3), np.uint8))
    return "labels/train/000..png: label file of pixel format 'RGB'"


def other_size(data):
    write_labels(data, np.zeros((64, 64), np.uint8))
    return r'labels/train/000..png: label size \(64, 64\) differs from image size \(64, 128\)'


def truncated_image(data):
    for path in (data / 'images/train').iterdir():
        path.write_bytes(path.read_bytes()[:500])
    return 'images/train/000..png: cannot be decoded'


BREAKERS = [
    remove_images,
    empty_images,
    remove_label,
    out_of_range,
    rgb_labels,
    other_size,
    truncated_image,
]


@pytest.mark.parametrize('num_workers', [0, 1])
@pytest.mark.parametrize('breaker', BREAKERS)
def test_wrong_data_is_one_line(data, tmp_path, capsys, breaker, num_workers):
    expected = breaker(data)
    options = [*TINY, f'train_dataloader.num_workers={num_workers}']
    line = run([LEAF, '--work-dir', str(tmp_path / 'out'), '--cfg-options', *options], capsys)
    assert re.search(expected, line), line


@pytest.mark.parametrize(
    ('option', 'expected'),
    [
        ('model.backbone.arch=D', "arch must be one of ['A', 'B', 'C'], got 'D'"),
        ('model.decode_head.num_classes=0', 'num_classes must be 1 or more, got 0'),
        ('model.backbone.type=NoNet', 'NoNet is not in the mmseg::model registry'),
        ('optim_wrapper.optimizer.type=Adamm', 'in the optimizer registry; did you mean Adam?'),
        ('train_dataloader.persistent_workers=True', 'persistent_workers option needs'),
        ('val_evaluator.iou_metrics=[mFoo]', "iou_metrics must be of ('mIoU', "),
    ],
)
def test_wrong_config_is_one_line(data_root, tmp_path, capsys, option, expected):
    options = [*TINY, option]
    assert expected in run([LEAF, '--work-dir', str(tmp_path), '--cfg-options', *options], capsys)


def test_weights_of_another_network(data_root, tmp_path, capsys):
    path = tmp_path / 'other.pth'
    torch.save(dict(state_dict=torch.nn.Linear(2, 2).state_dict()), path)
    options = [*TINY, f'load_from={path}']
    line = run([LEAF, '--work-dir', str(tmp_path), '--cfg-options', *options], capsys)
    assert re.search(rf"{path}: holds only 0 of \d+ tensors of the config's backbone", line)
    argv = [LEAF, str(path), '--work-dir', str(tmp_path), '--cfg-options', *TINY]
    assert evaluate.main(argv) == 1
    assert f"{path}: does not fit the config's network" in capsys.readouterr().err


def test_published_weights_by_name(data_root, shared, tmp_path, monkeypatch):
    monkeypatch.setenv('MMSEG_EFF_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setenv('MMSEG_EFF_WEIGHTS_URL', str(shared / 'checkpoints'))
    options = [*TINY, 'load_from=hub:espnet-p2q3_cityscapes']
    assert train.main([LEAF, '--work-dir', str(tmp_path), '--cfg-options', *options]) == 0
    log = next(tmp_path.glob('*/*.log')).read_text()
    assert re.search(r'hub:espnet-p2q3_cityscapes: \d+ of \d+ tensors loaded', log)
    assert 'Load checkpoint from hub:espnet-p2q3_cityscapes' in log


@pytest.mark.parametrize(
    ('model', 'head'),
    [('espnet_c', dict(in_channels=256)), ('espnet', dict(in_channels=(19, 131, 256)))],
)
def test_loss_falls_in_20_iterations(toy_root, model, head):
    """Both stages from random weights, on the same batch of the toy data set."""
    from mmseg.registry import DATASETS, MODELS

    from mmseg_eff import compat

    base = compat.PACKAGE_ROOT / '.mim/configs/_base_'
    config = Config.fromfile(base / f'models/{model}.py').model
    config.decode_head.update(num_classes=9)
    config.data_preprocessor.update(mean=(100,) * 3, std=(50,) * 3)
    net = MODELS.build(config)
    pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadCheckedAnnotations', num_classes=9)]
    dataset = DATASETS.build(
        dict(
            type='ToyStreetDataset',
            data_root=str(toy_root / 'toystreet'),
            pipeline=[*pipeline, dict(type='PackSegInputs')],
        )
    )
    items = [dataset[index] for index in range(4)]
    optimizer = torch.optim.Adam(net.parameters(), 5e-3)
    losses = []
    for _ in range(20):
        data = {key: [item[key].clone() for item in items] for key in ('inputs', 'data_samples')}
        data = net.data_preprocessor(data, training=True)
        loss, _ = net.parse_losses(net(**data, mode='loss'))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-3:]) < 0.7 * losses[0]


@pytest.fixture
def lite0(tmp_path):
    """A file as ``tools/convert_weights.py efficientnet`` writes it, of a narrow network."""
    backbone = EfficientNet('lite0', width=0.25)
    path = tmp_path / 'lite0.pth'
    state_dict = {f'backbone.{key}': value for key, value in backbone.state_dict().items()}
    meta = dict(
        model=dict(arch='lite0', padding='same', bn_eps=1e-3),
        preprocessing=dict(mean=(127.0,) * 3, std=(128.0,) * 3),
    )
    save_checkpoint(dict(meta=meta, state_dict=state_dict), path)
    return path


def with_lite0(path, **kwargs):
    init = dict(type='Pretrained', checkpoint=str(path), prefix='backbone.')
    backbone = dict(type='EfficientNet', arch='lite0', width=0.25, init_cfg=init, **kwargs)
    head = dict(type='FCNHead', in_channels=80, in_index=-1, channels=8, num_classes=3)
    model = build_segmentor(backbone, head)
    processor = dict(mean=[127.0] * 3, std=[128.0] * 3)
    return model, ConfigDict(backbone=backbone, data_preprocessor=processor)


@pytest.mark.parametrize('kwargs', [dict(), dict(out_indices=(1, 4))])
def test_pretrained_weights_that_fit_pass(lite0, kwargs, capsys):
    model, config = with_lite0(lite0, **kwargs)
    check_pretrained(model, config)
    assert not preprocessing_differences(load_checkpoint(lite0)['meta'], config)


def test_pretrained_weights_are_read_once(lite0, monkeypatch):
    model, config = with_lite0(lite0)
    check_pretrained(model, config)
    expected = load_checkpoint(lite0)['state_dict']
    monkeypatch.setattr('mmseg_eff.checkpoint.io.read_checkpoint', None)
    model.init_weights()
    for name, value in model.backbone.state_dict().items():
        assert torch.equal(value, expected[f'backbone.{name}']), name


@pytest.mark.parametrize('other', [dict(width=0.5), dict(depth=2.0), dict(arch='b0')])
def test_pretrained_weights_of_another_network_are_refused(lite0, other):
    model, config = with_lite0(lite0)
    config.backbone.update(other)
    model.backbone = MODELS.build(config.backbone)
    with pytest.raises(
        InputError, match=r'lite0\.pth: does not fit EfficientNet: \d+ (miss|other)'
    ):
        check_pretrained(model, config)


@pytest.mark.parametrize(
    ('change', 'expected'),
    [
        (dict(data_preprocessor=dict(mean=[0.0] * 3)), 'mean (127.0, 127.0, 127.0), the config'),
        (dict(backbone=dict(padding='symmetric')), 'padding same, the config has symmetric'),
        (dict(backbone=dict(norm_cfg=dict(type='BN'))), 'bn_eps 0.001, the config has 1e-05'),
    ],
)
def test_other_settings_than_the_weights_are_named(lite0, change, expected):
    _, config = with_lite0(lite0)
    for part, settings in change.items():
        config[part].update(settings)
    (line,) = preprocessing_differences(load_checkpoint(lite0)['meta'], config)
    assert expected in line
