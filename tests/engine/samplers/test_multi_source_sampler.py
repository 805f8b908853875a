"""Also a program, which ``torchrun`` starts: ``test_multi_source_sampler.py OUT_DIR``."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.dist import get_rank
from mmengine.runner import Runner
from torch.distributed import init_process_group
from torch.utils.data import ConcatDataset, DataLoader, Dataset

from mmseg_eff.engine.samplers import resumable_sampler as resume
from mmseg_eff.engine.samplers.multi_source_sampler import MultiSourceSampler
from mmseg_eff.engine.samplers.resumable_sampler import ResumableSampler

SIZES = (3, 11, 4)


class Numbers(Dataset):
    """Each sample: its name and a random number."""

    def __init__(self, size, name='a'):
        self.size, self.name = size, name

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        return f'{self.name}{index}', np.random.rand()


def concat(sizes=SIZES):
    return ConcatDataset([Numbers(size, name) for size, name in zip(sizes, 'abc', strict=False)])


def sampler_of(batch_size, ratio, sizes=SIZES, first=0, **kwargs):
    sampler = MultiSourceSampler(concat(sizes), batch_size, ratio, seed=3, **kwargs)
    sampler.first = first
    return sampler


def batches(sampler, count):
    draws = itertools.islice(sampler, count * sampler.batch_size)
    return [list(itertools.islice(draws, sampler.batch_size)) for _ in range(count)]


def of_rank(monkeypatch, rank, world_size):
    monkeypatch.setattr(resume, 'get_dist_info', lambda: (rank, world_size))


@pytest.mark.parametrize(
    ('sizes', 'ratio', 'batch_size'),
    [((92, 275), [1, 1], 8), ((92, 275), [1, 3], 4), ((7, 2), [2, 1], 6), (SIZES, [1, 2, 1], 8)],
)
@pytest.mark.parametrize('world_size', [1, 2, 3])
def test_every_batch_has_the_share_and_every_pass_each_sample(
    monkeypatch, sizes, ratio, batch_size, world_size
):
    bounds = np.cumsum([0, *sizes])
    counts = np.array(ratio) * batch_size // sum(ratio)
    parts = [[] for _ in sizes]  # what all processes draw of each source, in their order
    of_ranks = []
    for rank in range(world_size):
        of_rank(monkeypatch, rank, world_size)
        of_ranks.append(batches(sampler_of(batch_size, ratio, sizes), 300))
    for of_iteration in zip(*of_ranks, strict=True):
        for batch in of_iteration:
            sources = np.searchsorted(bounds, [draw.sample for draw in batch], side='right') - 1
            assert sources.tolist() == np.repeat(range(len(sizes)), counts).tolist()
        for source, part in enumerate(parts):
            # in turn, as the processes take their draws
            turns = zip(*of_iteration, strict=True)
            part += [
                draw.sample
                for turn in turns
                for draw in turn
                if bounds[source] <= draw.sample < bounds[source + 1]
            ]
    for part, size, start in zip(parts, sizes, bounds, strict=False):
        passes = np.array(part[: len(part) // size * size]).reshape(-1, size)
        assert len(passes) > 1
        assert (np.sort(passes) == np.arange(start, start + size)).all()
        assert len(np.unique(passes, axis=0)) > 1  # orders of their own


@pytest.mark.parametrize('world_size', [2, 3])
def test_processes_do_what_one_does_with_the_whole_batch(monkeypatch, world_size):
    whole = batches(sampler_of(8 * world_size, [1, 2, 1]), 20)
    for rank in range(world_size):
        of_rank(monkeypatch, rank, world_size)
        own = batches(sampler_of(8, [1, 2, 1]), 20)
        assert own == [batch[rank::world_size] for batch in whole]


@pytest.mark.parametrize('world_size', [1, 2, 3])
def test_an_epoch_is_whole_batches_of_all_processes(monkeypatch, world_size):
    of_rank(monkeypatch, 0, world_size)
    sampler = sampler_of(4, [1, 2, 1])
    assert len(sampler) == {1: 20, 2: 12, 3: 8}[world_size]  # of 18 samples
    sampler.first, sampler.end = 0, len(sampler) * world_size
    assert len(list(sampler)) == len(sampler)


@pytest.mark.parametrize('iteration', [1, 5, 5000])
def test_a_position_is_the_tail_of_the_whole(iteration):
    tail = batches(sampler_of(4, [1, 2, 1], first=4 * iteration), 9)
    assert tail == batches(sampler_of(4, [1, 2, 1]), iteration + 9)[iteration:]


def test_labelled_samples_have_the_order_of_the_plain_sampler():
    drawn = [draw.sample for batch in batches(sampler_of(6, [1, 1], (5, 9)), 20) for draw in batch]
    labelled = [index for index in drawn if index < 5]
    plain = itertools.islice(ResumableSampler(Numbers(5), seed=3), 60)
    assert labelled == [draw.sample for draw in plain]
    in_turn = [draw.sample for draw in batches(sampler_of(4, [1, 1], (3, 5), shuffle=False), 1)[0]]
    assert in_turn == [0, 1, 3, 4]


def test_each_draw_has_its_augmentation():
    def loaded(workers):
        dataset = concat((3, 5))
        sampler = MultiSourceSampler(dataset, 4, [1, 1], seed=3)
        loader = DataLoader(dataset, batch_size=4, sampler=sampler, num_workers=workers)
        return [(names, values.tolist()) for names, values in itertools.islice(loader, 6)]

    alone = loaded(0)
    torch.manual_seed(9)
    assert loaded(2) == alone
    values = [value for _, part in alone for value in part]
    assert len(set(values)) == len(values)


def training(work_dir, iteration=0, end=12, batch_size=4, sampler_batch=4):
    """What a short training sees, on part of the toy dataset; its labels serve as pseudo-labels."""
    part = dict(type='ToyStreetDataset', data_root=os.environ['MMSEG_EFF_DATA'] + '/toystreet')
    part['pipeline'] = [
        dict(type='LoadCheckedImage'),
        dict(type='LoadCheckedAnnotations', num_classes=9),
        dict(type='RandomCrop', crop_size=(32, 32)),
        dict(type='RandomFlip', prob=0.5),
        dict(type='PackSegInputs'),
    ]
    parts = [dict(part, indices=[1]), dict(part, indices=[0, 2, 3])]
    seen = []

    def train_step(batch, optim_wrapper):
        names = [Path(sample.img_path).stem for sample in batch['data_samples']]
        seen.append([names, [image.float().mean().item() for image in batch['inputs']]])
        return {}

    model = torch.nn.Linear(1, 1)
    runner = Runner(
        model,
        str(work_dir),
        train_dataloader=dict(
            dataset=dict(type='ConcatDataset', datasets=parts),
            batch_size=batch_size,
            num_workers=0,
            sampler=dict(type='MultiSourceSampler', batch_size=sampler_batch, source_ratio=[1, 1]),
        ),
        train_cfg=dict(type='ResumableIterBasedTrainLoop', max_iters=end, val_interval=end + 1),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        default_hooks=dict.fromkeys(
            ('runtime_info', 'timer', 'sampler_seed', 'logger', 'param_scheduler', 'checkpoint')
        ),
        randomness=dict(seed=3),
        default_scope='mmseg',
        experiment_name=f'{Path(work_dir).name}_{iteration}_{get_rank()}',
    )
    getattr(runner.model, 'module', runner.model).train_step = train_step
    runner.train_loop._iter = iteration
    runner.train_loop.run()
    return seen


@pytest.mark.parametrize('iteration', [1, 7])
def test_resumed_training_sees_the_same(data_root, tmp_path, iteration):
    straight = training(tmp_path)
    for names, _ in straight:
        assert names[:2] == ['0001'] * 2
        assert set(names[2:]) <= {'0000', '0002', '0003'}
    assert len({value for _, means in straight for value in means}) > 40  # of 48 crops
    assert training(tmp_path, iteration) == straight[iteration:]


@pytest.mark.slow
def test_two_processes_see_the_doubled_batch(data_root, tmp_path):
    whole = training(tmp_path / 'one', batch_size=8, sampler_batch=8)
    command = [sys.executable, '-W', 'ignore', '-m', 'torch.distributed.run', '--standalone']
    command += ['--local-addr', '127.0.0.1', '--nproc-per-node', '2', __file__, str(tmp_path)]
    settings = dict(GLOO_SOCKET_IFNAME='lo', OMP_NUM_THREADS='1')
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | settings)
    assert done.returncode == 0, done.stderr[-3000:]
    for rank in range(2):
        seen = json.loads((tmp_path / f'{rank}.json').read_text())
        assert seen == [[names[rank::2], means[rank::2]] for names, means in whole]


def test_another_batch_size_is_refused(data_root, tmp_path):
    with pytest.raises(ValueError, match=r'batch_size is 8, that of its sampler 4'):
        training(tmp_path, batch_size=8)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ((Numbers(4), 4, [1, 1]), 'ConcatDataset, got Numbers'),
        ((concat(), 4, [1, 1]), r'source_ratio must have 3 whole numbers .* got \[1, 1\]'),
        ((concat(), 4, [1, 0, 3]), r'of 1 or more, .* got \[1, 0, 3\]'),
        ((concat(), 4, [0.5, 1, 1]), r'got \[0.5, 1, 1\]'),
        ((concat(), 6, [1, 2, 1]), r'batch_size must be a multiple of 4 .* \[1, 2, 1\], got 6'),
        ((concat(), 0, [1, 2, 1]), 'got 0'),
        ((concat((2, 0)), 2, [1, 1]), 'dataset 1 of the ConcatDataset has no samples'),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        MultiSourceSampler(*arguments)


if __name__ == '__main__':
    init_process_group('gloo')
    folder = Path(sys.argv[1])
    (folder / f'{get_rank()}.json').write_text(json.dumps(training(folder / 'two')))
