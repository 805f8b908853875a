"""What is left of a training that is killed while it saves, by mmengine's hook and by ours:

    python benchmarks/kill_while_saving.py [--kills 100] [--megabytes 128] [--folder DIR]

A training saves in every iteration and keeps one checkpoint; SIGKILL comes at a random moment after
the first. Prints for each hook in how many runs no whole checkpoint was left, and in how many
``last_checkpoint`` does not lead to one, so that ``--resume`` fails. Checkpoints are read in full.
"""

import argparse
import multiprocessing
import os
import random
import tempfile
import time
from pathlib import Path

import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner, find_latest_checkpoint
from torch import nn

from mmseg_eff.engine.hooks.safe_checkpoint_hook import damage


class Network(BaseModel):
    """One weight, and a buffer that makes the checkpoint large."""

    def __init__(self, megabytes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.register_buffer('ballast', torch.rand(megabytes * 2**18))

    def forward(self, inputs: torch.Tensor, mode: str) -> dict[str, torch.Tensor]:
        return dict(loss=(self.weight * inputs).mean())


def train(work_dir: Path, hook: str, megabytes: int) -> None:
    """Train until killed."""
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    Runner(
        Network(megabytes),
        str(work_dir),
        train_dataloader=dict(
            dataset=[dict(inputs=torch.ones(1))],
            batch_size=1,
            num_workers=0,
            sampler=dict(type='InfiniteSampler'),
            collate_fn=dict(type='default_collate'),
        ),
        train_cfg=dict(by_epoch=False, max_iters=10**6),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        default_hooks=dict(
            checkpoint=dict(type=hook, by_epoch=False, interval=1, max_keep_ckpts=1)
        ),
        default_scope='mmseg',
    ).train()


def kill_one(folder: Path, hook: str, megabytes: int, delay: float) -> tuple[bool, bool]:
    """Train, kill after a delay (seconds) behind the first save; the two losses of the module."""
    process = multiprocessing.get_context('fork').Process(
        target=train, args=(folder, hook, megabytes)
    )
    process.start()
    while not (folder / 'last_checkpoint').exists():
        if process.exitcode is not None:
            raise RuntimeError(f'{hook}: the training ended with status {process.exitcode}')
        time.sleep(0.01)
    time.sleep(delay)
    process.kill()
    process.join()
    is_lost = all(damage(path) for path in folder.glob('iter_*.pth'))
    last = find_latest_checkpoint(str(folder))
    return is_lost, not last or damage(Path(last)) != ''


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--kills', type=int, default=100)
    parser.add_argument('--megabytes', type=int, default=128, help='size of a checkpoint')
    parser.add_argument('--window', type=float, default=2.0, help='longest delay in seconds')
    parser.add_argument('--folder', help='where to write; a temporary folder otherwise')
    args = parser.parse_args()
    torch.set_num_threads(1)
    for hook in ('CheckpointHook', 'SafeCheckpointHook'):
        rng = random.Random(0)  # the same delays for both
        lost = leads_nowhere = 0
        for _ in range(args.kills):
            with tempfile.TemporaryDirectory(dir=args.folder) as folder:
                outcome = kill_one(Path(folder), hook, args.megabytes, rng.uniform(0, args.window))
            lost += outcome[0]
            leads_nowhere += outcome[1]
        print(
            f'{hook}: {args.kills} kills; no whole checkpoint left in {lost} runs; '
            f'last_checkpoint does not lead to one in {leads_nowhere}'
        )


if __name__ == '__main__':
    main()
