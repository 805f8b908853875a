"""Run an exported folder in the Python backend of NVIDIA Triton.

The export copies this file to ``1/model.py``; the folder above it has the network, ``report.json``
and ``runtime.py``. It needs what the folder needs, in the Python that Triton runs.
"""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class TritonPythonModel:
    """Labels (N, H, W) or scores (N, K, H, W) of images (N, H, W, C); Triton chose the names."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the folder; an error says why the model cannot be served."""
        folder = Path(args['model_repository'])
        parameters = json.loads(args['model_config']).get('parameters', {})
        threads = int(parameters.get('threads', {}).get('string_value', 0))
        sys.dont_write_bytecode = True  # the folder stays as it was exported
        sys.path.insert(0, str(folder))
        self.segmenter = importlib.import_module('runtime').load_runtime(folder, threads)
        self.triton = importlib.import_module('triton_python_backend_utils')

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer the requests that the server collected; images of one size run together."""
        images = [
            self.triton.get_input_tensor_by_name(request, 'image').as_numpy()
            for request in requests
        ]
        answers: dict[int, Any] = {}
        for shape in {each.shape[1:] for each in images}:
            group = [index for index, each in enumerate(images) if each.shape[1:] == shape]
            answers.update(zip(group, self.answer([images[i] for i in group]), strict=True))
        return [answers[index] for index in range(len(requests))]

    def answer(self, images: list[NDArray]) -> list[Any]:
        """A response for each array (N, H, W, C), or one line that says what is wrong."""
        response, name = self.triton.InferenceResponse, self.segmenter.report['output']
        try:
            result = self.run(np.concatenate(images))
        except Exception as error:
            line = ' '.join(str(error).split()) or type(error).__name__
            return [response(error=self.triton.TritonError(line)) for _ in images]
        ends = np.cumsum([len(each) for each in images])[:-1]
        return [response([self.triton.Tensor(name, part)]) for part in np.split(result, ends)]

    def run(self, images: NDArray) -> NDArray:
        if self.segmenter.report['output'] == 'labels':
            return np.stack(self.segmenter.segment_batch(images))
        return np.stack([self.segmenter.scores(image) for image in images])
