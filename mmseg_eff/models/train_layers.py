"""Give a network the layers that train faster on a CPU."""

from torch import nn

from .layers import TrainBatchNorm2d, TrainConv2d

TRAIN_LAYERS = {
    'Conv2d': TrainConv2d,
    'BatchNorm2d': TrainBatchNorm2d,
    '_BatchNormXd': TrainBatchNorm2d,
}


def use_train_layers(model: nn.Module) -> None:
    """Change the class of torch's convolutions and norms below ``model`` to ours, in place.

    Parameters, buffers and their names stay, and so do checkpoints and optimizers. Subclasses stay
    as they are.
    """
    for module in model.modules():
        kind = type(module)
        if kind.__module__.startswith(('torch.nn.', 'mmengine.')) and kind.__name__ in TRAIN_LAYERS:
            module.__class__ = TRAIN_LAYERS[kind.__name__]
