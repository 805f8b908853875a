import re
from types import SimpleNamespace

import pytest
import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn

from mmseg_eff.engine.hooks.ohem_hook import OHEMHook
from mmseg_eff.models.losses.ohem_cross_entropy import OHEMCrossEntropy


class Head(nn.Module):
    def __init__(self, num_losses=1):
        super().__init__()
        self.classifier = nn.Conv2d(3, 4, 1)
        self.loss_decode = nn.ModuleList(OHEMCrossEntropy(0.1, 10) for _ in range(num_losses))


class Network(BaseModel):
    """Two heads with the names of mmseg's; keeps whether each step was mined."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Identity()
        self.decode_head = Head()
        self.auxiliary_head = nn.ModuleList([Head(), Head(num_losses=2)])
        self.mined = []

    def forward(self, inputs, target, mode):
        heads = [self.decode_head, *self.auxiliary_head]
        self.mined.append([head.loss_decode[0].is_mining for head in heads])
        return {
            f'loss_{i}': sum(loss(head.classifier(inputs), target) for loss in head.loss_decode)
            for i, head in enumerate(heads)
        }


def train(work_dir, hook, max_iters, **kwargs):
    data = [(torch.randn(3, 6, 8), torch.randint(4, (6, 8))) for _ in range(8)]
    runner = Runner(
        Network(),
        str(work_dir),
        train_dataloader=dict(
            dataset=data,
            batch_size=2,
            num_workers=0,
            sampler=dict(type='InfiniteSampler'),
            collate_fn=dict(type='default_collate'),
        ),
        train_cfg=dict(by_epoch=False, max_iters=max_iters),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        default_hooks=dict(
            logger=dict(type='LoggerHook', interval=1),
            checkpoint=dict(type='CheckpointHook', interval=max_iters, by_epoch=False),
        ),
        log_processor=dict(by_epoch=False),
        custom_hooks=[hook],
        default_scope='mmseg',
        randomness=dict(seed=0),
        experiment_name=f'to_{max_iters}',
        **kwargs,
    )
    runner.train()
    return runner


def history(runner, name):
    return runner.message_hub.get_scalar(f'train/{name}').data[0].tolist()


def test_mines_from_start_on_and_logs(tmp_path):
    hook = dict(type='OHEMHook', heads=['decode_head', 'auxiliary_head.1'], start=2)
    runner = train(tmp_path, hook, 4)
    assert runner.model.mined == [[False, True, False]] * 2 + [[True, True, True]] * 2
    for name in ('decode_head.ohem', 'auxiliary_head.1.ohem_0', 'auxiliary_head.1.ohem_1'):
        limits, kept = history(runner, f'{name}_limit'), history(runner, f'{name}_kept')
        assert limits[:2] == kept[:2] == [1, 1]
        assert all(0.1 <= limit < 1 for limit in limits[2:])
        assert all(0.1 <= share < 0.5 for share in kept[2:])
    (loss,) = runner.model.decode_head.loss_decode
    assert history(runner, 'decode_head.ohem_limit')[-1] == loss.limit
    assert 'train/auxiliary_head.0.ohem_limit' not in runner.message_hub.log_scalars

    lines = next(tmp_path.glob('*/*.log')).read_text()
    assert len(re.findall(r'Iter\(train\).* decode_head.ohem_limit: 0\.\d+', lines)) == 2
    assert len(re.findall(r'Iter\(train\).* decode_head.ohem_kept: [01]\.\d+', lines)) == 4


def test_resumed_past_start_it_mines_at_once(tmp_path):
    hook = dict(type='OHEMHook', start=2)
    train(tmp_path, hook, 3)
    runner = train(tmp_path, hook, 5, load_from=str(tmp_path / 'iter_3.pth'), resume=True)
    assert [mined for mined, *_ in runner.model.mined] == [True, True]
    assert len(history(runner, 'decode_head.ohem_limit')) == 5


def test_iterations_are_counted_over_epochs():
    hook, network = OHEMHook(start=7), Network()
    hook.before_train(SimpleNamespace(model=network))
    (loss,) = network.decode_head.loss_decode
    for iteration in range(4, 9):  # epochs of five: 4 ends the first, 8 is the fourth of the next
        hook.before_train_iter(SimpleNamespace(iter=iteration), batch_idx=iteration % 5)
        assert loss.is_mining == (iteration >= 7)


@pytest.mark.parametrize(
    ('head', 'message'),
    [
        ('neck', "heads: the model has no part 'neck'"),
        ('auxiliary_head.2', "heads: the model has no part 'auxiliary_head.2'"),
        ('backbone', "heads: 'backbone' has no OHEMCrossEntropy"),
    ],
)
def test_a_head_that_cannot_mine_is_named(head, message):
    with pytest.raises(ValueError, match=message):
        OHEMHook(['decode_head', head]).before_train(SimpleNamespace(model=Network()))


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(heads='decode_head'), "heads must be a list of one name or more, got 'decode_head'"),
        (dict(heads=[]), r'heads must be a list of one name or more, got \[\]'),
        (dict(start=-1), 'start must be an integer of 0 or more, got -1'),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        OHEMHook(**arguments)
