"""Segment an image with an exported folder of any backend, by the runtime in it:

    pip install numpy pillow onnxruntime
    python segment.py exported photo.jpg labels.png

The engine is the one that the folder was exported for.
"""

import sys

import numpy as np
from PIL import Image

folder, photo, out = sys.argv[1:]
sys.path.insert(0, folder)
from runtime import load_runtime, read_image  # noqa: E402

segmenter = load_runtime(folder)
labels = segmenter.segment(read_image(photo, segmenter.report['loading']))  # (H, W)

Image.fromarray(labels).save(out)
for label, name in enumerate(segmenter.classes):
    if share := np.mean(labels == label):
        print(f'{name}: {share:.1%}')
