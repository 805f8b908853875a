"""Peak memory of whole processes that make one label map, mmseg's way and from an exported folder:

    python benchmarks/peak_memory.py CONFIG CHECKPOINT EXPORT IMAGE

Each runs in a new process with its own imports: ``init_model`` and ``inference_model`` of mmseg,
and the ``runtime.py`` in the folder, which imports neither torch nor mmseg. Prints the peaks, their
ratio and how many labels are equal. Linux only.
"""

import argparse
import resource
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2

MMSEG = """
import sys
import cv2
import torch
import mmseg_eff
from mmseg.apis import inference_model, init_model
config, checkpoint, image, out = sys.argv[1:]
torch.set_num_threads(2)
model = init_model(config, checkpoint, device='cpu')
labels = inference_model(model, cv2.imread(image)).pred_sem_seg.data[0].byte().numpy()
cv2.imwrite(out, labels)
"""
EXPORT = """
import sys
import cv2
sys.path.insert(0, sys.argv[1])
from runtime import load_runtime
cv2.imwrite(sys.argv[3], load_runtime(sys.argv[1], threads=2).segment(cv2.imread(sys.argv[2])))
"""


def peak(program: str, *arguments: str) -> float:
    """Most resident memory (MB) of a process that runs a program; the largest child so far."""
    subprocess.run([sys.executable, '-W', 'ignore', '-c', program, *arguments], check=True)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ('config', 'checkpoint', 'export', 'image'):
        parser.add_argument(name)
    args = parser.parse_args()
    with TemporaryDirectory() as folder:
        outs = [str(Path(folder, f'{name}.png')) for name in ('export', 'mmseg')]
        ours = peak(EXPORT, args.export, args.image, outs[0])  # first: the peak only rises
        theirs = peak(MMSEG, args.config, args.checkpoint, args.image, outs[1])
        labels = [cv2.imread(out, cv2.IMREAD_UNCHANGED) for out in outs]
    equal = (labels[0] == labels[1]).mean()
    print(f'mmseg {theirs:.0f} MB, export {ours:.0f} MB: {ours / theirs:.2f}; {equal:.4%} equal')


if __name__ == '__main__':
    main()
