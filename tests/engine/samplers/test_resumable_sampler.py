import itertools

import pytest
import torch
from helpers import Numbers
from mmseg.registry import DATASETS
from torch.utils.data import DataLoader

from mmseg_eff.engine.samplers import resumable_sampler
from mmseg_eff.engine.samplers.resumable_sampler import ResumableSampler, derive_seed, load_draws

PIPELINE = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadCheckedAnnotations', num_classes=9),
    dict(type='RandomResize', scale=(128, 64), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(32, 64), cat_max_ratio=0.3),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]


def draws(count, first=0, dataset=None, **kwargs):
    sampler = ResumableSampler(dataset or Numbers(), seed=3, **kwargs)
    sampler.first = first
    return list(itertools.islice(sampler, count))


def test_every_pass_has_each_sample_once_in_its_own_order():
    indices = torch.tensor([draw.sample for draw in draws(50)]).reshape(10, 5)
    assert torch.equal(indices.sort().values, torch.arange(5).expand(10, 5))
    assert len(indices.unique(dim=0)) > 5
    assert [draw.sample for draw in draws(7, shuffle=False)] == [0, 1, 2, 3, 4, 0, 1]
    seeds = {draw.seed for draw in draws(1000)}
    assert len(seeds) == 1000


@pytest.mark.parametrize('first', [1, 5, 13, 20_000])
def test_a_position_is_the_tail_of_the_whole(first):
    assert draws(12, first) == draws(first + 12)[first:]


@pytest.mark.parametrize('world_size', [2, 3])
def test_processes_take_turns(monkeypatch, world_size):
    whole = draws(24)
    for rank in range(world_size):
        monkeypatch.setattr(
            resumable_sampler, 'get_dist_info', lambda rank=rank: (rank, world_size)
        )
        assert draws(24 // world_size) == whole[rank::world_size]
        assert draws(4, first=4 * world_size) == draws(8)[4:]


def test_loader_workers_change_nothing():
    def batches(workers):
        loader = DataLoader(
            dataset := Numbers(),
            batch_size=3,
            sampler=ResumableSampler(dataset, seed=3),
            num_workers=workers,
        )
        return [[part.tolist() for part in batch] for batch in itertools.islice(loader, 6)]

    alone = batches(0)
    torch.manual_seed(9)
    assert batches(2) == alone
    numbers = [number for batch in alone for number in batch[1]]
    assert len(set(numbers)) == len(numbers)  # a sample differs from pass to pass


def test_augmentation_depends_on_the_draw_alone(data_root):
    config = dict(type='ToyStreetDataset', data_root=str(data_root / 'toystreet'), split='train')
    dataset = DATASETS.build(dict(**config, pipeline=PIPELINE))
    sampled = draws(12, dataset=dataset)
    forward, backward = load_draws(dataset, sampled), load_draws(dataset, sampled[::-1])[::-1]
    images = [sample['inputs'] for sample in forward]
    assert all(torch.equal(a, b['inputs']) for a, b in zip(images, backward, strict=True))
    labels = [sample['data_samples'].gt_sem_seg.data for sample in forward]
    again = [sample['data_samples'].gt_sem_seg.data for sample in backward]
    assert all(map(torch.equal, labels, again))
    assert len({image.numpy().tobytes() for image in images}) == 12  # of four images


def test_seeds_are_apart():
    keys = [(seed, kind, number) for seed in (0, 1) for kind in range(3) for number in range(300)]
    assert len({derive_seed(*key) for key in keys}) == len(keys)
