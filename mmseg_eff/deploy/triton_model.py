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


class TritonPythonModel:
    """Labels (N, H, W) of images (N, H, W, C); the class and its methods have Triton's names."""

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
        """Answer the requests that the server collected, each for itself."""
        return [self.answer(request) for request in requests]

    def answer(self, request: Any) -> Any:
        """The labels, or one line that says what is wrong with this request."""
        try:
            images = self.triton.get_input_tensor_by_name(request, 'image').as_numpy()
            labels = np.stack([self.segmenter.segment(image) for image in images])
        except Exception as error:
            line = ' '.join(str(error).split()) or type(error).__name__
            return self.triton.InferenceResponse(error=self.triton.TritonError(line))
        return self.triton.InferenceResponse([self.triton.Tensor('labels', labels)])
