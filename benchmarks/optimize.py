"""What ``optimize_for_inference`` saves in torch itself:

    python benchmarks/optimize.py CONFIG [--checkpoint FILE] [--size 512 1024]

The network as trained and the optimised one run in turn in one process on the same noise. Prints
the operator calls (views left out), the median times and the agreement. Without a checkpoint, the
statistics and factors of the normalisation layers and all fusion weights are random.
"""

import argparse
import copy
from functools import partial

import torch
from mmengine.config import Config
from timing import CallCounter, interleaved
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmseg_eff.converters import load_weights
from mmseg_eff.models import optimize_for_inference
from mmseg_eff.utils.printing import quiet_warnings  # first: stock mmseg needs it

from mmseg.apis import init_model  # isort: skip


def randomise(model: nn.Module) -> None:
    """Give normalisation layers and fusion weights values that matter."""
    for name, parameter in model.named_parameters():
        if name.endswith(('fusion_weights', 'level_weights')):
            nn.init.uniform_(parameter, 0.5, 1.5)
    for norm in (m for m in model.modules() if isinstance(m, _BatchNorm)):
        nn.init.uniform_(norm.running_var, 0.5, 1.5)
        nn.init.normal_(norm.running_mean, std=0.1)
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias, std=0.1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config')
    parser.add_argument('--checkpoint')
    parser.add_argument('--size', type=int, nargs=2, default=(512, 1024), metavar=('H', 'W'))
    parser.add_argument('--repeats', type=int, default=7)
    parser.add_argument('--threads', type=int, default=2)
    args = parser.parse_args()
    quiet_warnings()
    torch.manual_seed(0)

    config = Config.fromfile(args.config)
    if 'init_cfg' in config.model.backbone:
        config.model.backbone.init_cfg = None
    models = dict(trained=init_model(config, device='cpu'))
    if args.checkpoint:
        load_weights(models['trained'], args.checkpoint)
    else:
        randomise(models['trained'])
    models['optimised'] = optimize_for_inference(copy.deepcopy(models['trained']))
    image = torch.randn(1, 3, *args.size)
    logits = {}

    def run(name: str) -> None:
        model = models[name]
        logits[name] = model.decode_head(model.extract_feat(image))

    with torch.inference_mode():
        calls = {}
        for name in models:
            with CallCounter() as counter:
                run(name)
            calls[name] = counter.calls
        seconds = interleaved(
            {name: partial(run, name) for name in models},
            repeats=args.repeats,
            threads=args.threads,
        )
    difference = (logits['trained'] - logits['optimised']).abs().max()
    labels = [x.argmax(1) for x in logits.values()]
    print(
        f'calls {calls["trained"]} -> {calls["optimised"]}; '
        f'{seconds["trained"]:.3f} s -> {seconds["optimised"]:.3f} s, '
        f'ratio {seconds["trained"] / seconds["optimised"]:.2f}'
    )
    print(
        f'largest difference of a logit {difference:.1e} (largest logit '
        f'{logits["trained"].abs().max():.2f}); labels identical: {torch.equal(*labels)}'
    )


if __name__ == '__main__':
    main()
