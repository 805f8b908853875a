import torch
from mmcv.cnn.bricks.conv2d_adaptive_padding import Conv2dAdaptivePadding
from mmengine.model import revert_sync_batchnorm
from torch import nn

from mmseg_eff.models import use_train_layers
from mmseg_eff.models.backbones import ESPNetv2
from mmseg_eff.models.layers import TrainBatchNorm2d, TrainConv2d


def test_layers_change_and_checkpoints_do_not():
    model = revert_sync_batchnorm(nn.Sequential(nn.Conv2d(3, 8, 1), nn.SyncBatchNorm(8)))
    model.append(nn.BatchNorm2d(8))
    model.append(Conv2dAdaptivePadding(8, 8, 3))
    before = {name: id(value) for name, value in model.state_dict(keep_vars=True).items()}
    use_train_layers(model)
    kinds = [type(layer) for layer in model]
    assert kinds == [TrainConv2d, TrainBatchNorm2d, TrainBatchNorm2d, Conv2dAdaptivePadding]
    assert before == {name: id(value) for name, value in model.state_dict(keep_vars=True).items()}


def test_gradients_of_a_network_are_torchs():
    torch.manual_seed(0)
    model = ESPNetv2(0.5).double().train()
    model.init_weights()
    image = torch.randn(2, 3, 64, 96, dtype=torch.double)

    def gradients():
        model.zero_grad()
        x = image.contiguous(memory_format=torch.channels_last)
        sum(out.square().mean() for out in model(x)).backward()
        return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}

    theirs = gradients()
    use_train_layers(model)
    ours = gradients()
    assert theirs.keys() == ours.keys()
    for name, wanted in theirs.items():
        torch.testing.assert_close(ours[name], wanted, rtol=1e-6, atol=1e-9, msg=name)
