import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn

from mmseg_eff.engine.ramped_ema import RampedEMA

MOMENTUM = 0.2  # the ramp is over at n = 35


def network():
    return nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3))


@pytest.mark.parametrize('interval', [1, 3])
@pytest.mark.parametrize('update_buffers', [True, False])
def test_equals_a_plain_loop(update_buffers, interval):
    net = network()
    ema = RampedEMA(net, MOMENTUM, interval, update_buffers=update_buffers)
    copied = {'1.num_batches_tracked'} if update_buffers else dict(net.named_buffers()).keys()
    decays = []
    for step in range(200):
        net(torch.randn(2, 2, 4, 4))  # moves the statistics
        with torch.no_grad():
            for parameter in net.parameters():
                parameter += torch.randn_like(parameter)
        ema.update_parameters(net)
        source = {name: value.clone() for name, value in net.state_dict().items()}
        if step == 0:
            expected, n = source, 1
        elif step % interval == 0:
            decays.append(min(1 - MOMENTUM, (1 + n) / (10 + n)))
            n += 1
            for name in expected.keys() - copied:
                expected[name] = torch.lerp(expected[name], source[name], 1 - decays[-1])
        if not update_buffers:
            expected |= {name: source[name] for name in copied}
    assert decays[0] == 2 / 11
    assert decays[-1] == 1 - MOMENTUM
    state = ema.module.state_dict()
    assert all(torch.equal(state[name], value) for name, value in expected.items())
    assert state['1.num_batches_tracked'] == (1 if update_buffers else 200)


class Network(BaseModel):
    def __init__(self):
        super().__init__()
        self.layers = network()

    def forward(self, inputs, mode):
        if mode == 'loss':
            return dict(loss=self.layers(inputs).sigmoid().mean())
        self.evaluated = {name: value.clone() for name, value in self.state_dict().items()}
        return [0]


class NoMetric(BaseMetric):
    def process(self, data_batch, data_samples):
        self.results.append(data_samples)

    def compute_metrics(self, results):
        return {}


def train(work_dir, max_iters, **kwargs):
    """Train on one batch over and over; the runner, its model and the checkpoint."""
    torch.manual_seed(0)
    batch = torch.randn(2, 4, 4, generator=torch.Generator().manual_seed(1))
    loader = dict(
        dataset=[dict(inputs=batch)], num_workers=0, collate_fn=dict(type='default_collate')
    )
    runner = Runner(
        Network(),
        str(work_dir),
        train_dataloader=dict(**loader, sampler=dict(type='InfiniteSampler'), batch_size=1),
        val_dataloader=dict(**loader, sampler=dict(type='DefaultSampler'), batch_size=1),
        train_cfg=dict(by_epoch=False, max_iters=max_iters, val_interval=max_iters),
        val_cfg=dict(),
        val_evaluator=[NoMetric()],
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.5)),
        default_hooks=dict(
            checkpoint=dict(type='CheckpointHook', interval=max_iters, by_epoch=False)
        ),
        custom_hooks=[
            dict(type='EMAHook', ema_type='RampedEMA', momentum=MOMENTUM, update_buffers=True)
        ],
        default_scope='mmseg',
        experiment_name=f'{work_dir.name}_to_{max_iters}',
        **kwargs,
    )
    model = runner.train()
    return model, torch.load(work_dir / f'iter_{max_iters}.pth', weights_only=False)


def equal(a, b):
    assert a.keys() == b.keys()
    return all(torch.equal(a[name], b[name]) for name in a)


def raw(checkpoint):
    """The weights that the optimiser goes on from."""
    state = checkpoint['ema_state_dict']
    return {name.removeprefix('module.'): value for name, value in state.items() if name != 'steps'}


def test_the_average_is_evaluated_and_saved_and_resumes(tmp_path):
    model, checkpoint = train(tmp_path / 'resumed', 3)
    assert equal(model.evaluated, checkpoint['state_dict'])
    assert equal(model.state_dict(), raw(checkpoint))
    assert not equal(checkpoint['state_dict'], raw(checkpoint))
    assert checkpoint['ema_state_dict']['steps'] == 3

    path = str(tmp_path / 'resumed/iter_3.pth')
    _, resumed = train(tmp_path / 'resumed', 6, load_from=path, resume=True)
    _, straight = train(tmp_path / 'straight', 6)
    assert resumed['ema_state_dict']['steps'] == 6
    assert equal(resumed['state_dict'], straight['state_dict'])
    assert equal(raw(resumed), raw(straight))


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(momentum=0.0), 'momentum must be between 0 and 1, got 0.0'),
        (dict(momentum=1.0), 'momentum must be between 0 and 1, got 1.0'),
        (dict(interval=0), 'interval must be an integer of 1 or more, got 0'),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        RampedEMA(network(), **arguments)
