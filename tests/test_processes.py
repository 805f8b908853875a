"""Two CPU processes do what one does with the doubled batch.

``torchrun`` starts this file as a program, once for all tests; pytest runs the same training in its
own process.
"""

import os
import re
import socket
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from helpers import TINY
from mmengine.config import Config
from mmengine.dist import all_reduce, get_rank, get_world_size
from mmengine.hooks import Hook
from mmseg.registry import RUNNERS

from mmseg_eff import compat
from mmseg_eff.datasets import make_toy_street
from mmseg_eff.engine.runner import SegRunner

ROOT = Path(__file__).parent.parent
CONFIG = compat.PACKAGE_ROOT / '.mim/configs/espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'
ITERATIONS = 10
BATCH = 4  # of all processes together
NORM = dict(type='GN', num_groups=1)  # per image, whatever the batch


class Recorder(Hook):
    """The mean loss of all processes, and the first gradient: SGD's momentum begins with it."""

    def __init__(self):
        self.losses = []
        self.gradient = {}

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        loss = outputs['loss'].clone()
        all_reduce(loss, 'mean')
        self.losses.append(loss.item())
        if not self.gradient:
            state = runner.optim_wrapper.optimizer.state
            network = getattr(runner.model, 'module', runner.model)
            for name, parameter in network.named_parameters():
                self.gradient[name] = state[parameter]['momentum_buffer'].clone()


def build_runner(work_dir, launcher):
    """The demo's network without randomness in its data, and a mean over all pixels."""
    processes = int(os.environ['WORLD_SIZE']) if launcher == 'pytorch' else 1
    config = Config.fromfile(CONFIG)
    config.merge_from_dict(
        dict(
            launcher=launcher,
            work_dir=str(work_dir),
            runner_type=SegRunner.__name__,
            randomness=dict(seed=0),
            custom_hooks=[],
            train_cfg=dict(max_iters=ITERATIONS, val_interval=ITERATIONS + 1),
            optim_wrapper=dict(
                optimizer=dict(_delete_=True, type='SGD', lr=0.1, momentum=0.9), clip_grad=None
            ),
            model=dict(
                backbone=dict(num_blocks=(1, 1), norm_cfg=NORM),
                decode_head=dict(
                    norm_cfg=NORM,
                    loss_decode=dict(_delete_=True, type='CrossEntropyLoss'),
                ),
            ),
        )
    )
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        loader.update(num_workers=0, persistent_workers=False)
    config.train_dataloader.batch_size = BATCH // processes
    config.train_dataloader.dataset.pipeline = config.test_pipeline
    return RUNNERS.build(config)


def train(work_dir, checkpoint, launcher):
    """Train, then evaluate the weights of ``checkpoint``, or write them there if there are none."""
    torch.set_num_threads(1)
    recorder = Recorder()
    runner = build_runner(work_dir, launcher)
    runner.register_hook(recorder)
    runner.train()
    if checkpoint.is_file():
        trained = runner.val_loop.run()
        runner.load_checkpoint(str(checkpoint))
    else:
        runner.save_checkpoint(str(checkpoint.parent), checkpoint.name, by_epoch=False)
        trained = None
    return dict(
        processes=get_world_size(),
        wrapped=type(runner.model).__name__,
        losses=recorder.losses,
        gradient=recorder.gradient,
        trained=trained,
        metrics=runner.val_loop.run(),
    )


@pytest.fixture(scope='module')
def results(tmp_path_factory):
    """What one process and two give on the same images, an odd number of them to evaluate on."""
    folder = tmp_path_factory.mktemp('processes')
    make_toy_street(folder / 'data/toystreet', num_train=8, num_val=3, size=(64, 128))
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('MMSEG_EFF_DATA', str(folder / 'data'))
        patch.setenv('GLOO_SOCKET_IFNAME', 'lo')
        patch.setenv('OMP_NUM_THREADS', '1')
        patch.chdir(folder)  # mmengine gathers metrics through a folder here
        one = train(folder / 'one', folder / 'weights.pth', 'none')
        command = [sys.executable, '-W', 'ignore', '-m', 'torch.distributed.run', '--standalone']
        command += ['--local-addr', '127.0.0.1', '--nproc-per-node', '2', __file__, str(folder)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
    torch.set_num_threads(threads)
    return one, torch.load(folder / 'two.pth')


def test_losses_are_those_of_the_doubled_batch(results):
    one, two = results
    assert (one['processes'], two['processes']) == (1, 2)
    assert two['wrapped'] == 'MMDistributedDataParallel'
    assert len(one['losses']) == ITERATIONS
    assert one['losses'][-1] < one['losses'][0] - 0.01  # it learns
    assert two['losses'] == pytest.approx(one['losses'], abs=1e-6)


def test_first_gradient_is_that_of_the_doubled_batch(results):
    one, two = results
    assert len(one['gradient']) > 50
    assert max(gradient.abs().max() for gradient in one['gradient'].values()) > 1e-2
    torch.testing.assert_close(two['gradient'], one['gradient'], rtol=1e-4, atol=1e-7)


def test_metrics_are_gathered_exactly(results):
    """Two processes get three images and a fourth that repeats one: it must not count."""
    one, two = results
    assert 0 < one['metrics']['mIoU'] < 100
    assert two['metrics'] == one['metrics']
    assert two['trained']['mIoU'] == pytest.approx(one['metrics']['mIoU'], abs=0.05)


def run_script(name, *arguments, **environment):
    command = [str(ROOT / 'tools' / name), *arguments]
    environment = {**os.environ, 'PYTHON': sys.executable, **environment}
    return subprocess.run(command, env=environment, capture_output=True, text=True)


@pytest.mark.slow
def test_scripts_train_and_evaluate(data_root, tmp_path, monkeypatch):
    """The tools themselves, with two processes, from weights and from a checkpoint to go on."""
    monkeypatch.chdir(tmp_path)
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = str(probe.getsockname()[1])
    settings = dict(PORT=port, GLOO_SOCKET_IFNAME='lo', OMP_NUM_THREADS='1')
    options = ['--work-dir', str(tmp_path / 'work'), '--cfg-options', *TINY]
    checkpoint = tmp_path / 'work/iter_2.pth'

    def run(name, *arguments):
        done = run_script(name, *arguments, **settings)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout + done.stderr

    run('dist_train.sh', str(CONFIG), '2', *options)
    assert 'mIoU' in run('dist_test.sh', str(CONFIG), str(checkpoint), '2', *options)
    more = ['train_cfg.max_iters=4', 'train_cfg.val_interval=4']
    assert 'resumed epoch: 0, iter: 2' in run(
        'dist_train.sh', str(CONFIG), '2', '--resume', *options, *more
    )
    start = f'load_from={checkpoint}'
    log = run('dist_train.sh', str(CONFIG), '2', *options, start)
    assert re.search(r'iter_2\.pth: (\d+) of \1 tensors loaded', log)


def test_slurm_script_asks_for_a_process_a_gpu(tmp_path):
    fake = tmp_path / 'srun'
    fake.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    fake.chmod(0o755)
    done = run_script(
        'slurm_train.sh',
        *('gpus', 'my job', 'my config.py', '--resume'),
        PATH=f'{tmp_path}:{os.environ["PATH"]}',
        GPUS='16',
        GPUS_PER_NODE='8',
        SRUN_ARGS='--mem 64G',
    )
    given = done.stdout.splitlines()
    pairs = set(pairwise(given))
    expected = {'--partition': 'gpus', '--job-name': 'my job', '--mem': '64G', '--gres': 'gpu:8'}
    expected |= {'--ntasks': '16', '--ntasks-per-node': '8', '--launcher': 'slurm'}
    assert expected.items() <= pairs
    assert given[-4:] == ['my config.py', '--launcher', 'slurm', '--resume']
    assert Path(given[-5]).samefile(ROOT / 'tools/train.py')


@pytest.mark.parametrize(
    ('name', 'arguments'),
    [('dist_train.sh', ['c']), ('dist_test.sh', ['c', 'w']), ('slurm_train.sh', ['p', 'j'])],
)
def test_scripts_say_what_is_missing(name, arguments):
    done = run_script(name, *arguments)
    assert done.returncode != 0
    assert re.search(rf'usage: \S*{name} [A-Z_ ]+\[options of t\w+\.py\]', done.stderr)


if __name__ == '__main__':
    folder = Path(sys.argv[1])
    result = train(folder / 'two', folder / 'weights.pth', 'pytorch')
    if get_rank() == 0:
        torch.save(result, folder / 'two.pth')
