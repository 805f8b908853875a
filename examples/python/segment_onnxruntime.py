"""Segment an image with the network of --backend onnx and nothing else from its folder:

    pip install numpy pillow onnxruntime
    python segment_onnxruntime.py exported/model.onnx photo.jpg labels.png

The photo has the size that the network takes.
"""

import sys

import numpy as np
import onnxruntime
from PIL import Image

model, photo, out = sys.argv[1:]
session = onnxruntime.InferenceSession(model, providers=['CPUExecutionProvider'])
image = np.asarray(Image.open(photo).convert('RGB'))[None, ..., ::-1]  # (1, H, W, 3), BGR
labels = session.run(None, {'image': np.ascontiguousarray(image)})[0][0]
Image.fromarray(labels).save(out)
