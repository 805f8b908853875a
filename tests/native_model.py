"""A stand-in for Triton's backends onnxruntime and openvino, written for its Python backend.

PyTriton brings neither. This one opens the same file of the repository, checks the configuration
against the network as they do, and runs the batches that the server makes.
"""

import json
from pathlib import Path

import numpy as np
import triton_python_backend_utils as triton


def shape_of(dims):
    return [dim if isinstance(dim, int) else -1 for dim in dims]


class TritonPythonModel:
    def initialize(self, args):
        self.config = json.loads(args['model_config'])
        name = self.config['default_model_filename']
        path = str(Path(args['model_repository'], args['model_version'], name))
        inputs, outputs, self.run = LOADERS[self.config['backend']](path)
        self.batch = [-1] if self.config['max_batch_size'] else []
        for kind, tensors in (('input', inputs), ('output', outputs)):
            described = {
                tensor['name']: (tensor['data_type'], [*self.batch, *tensor['dims']])
                for tensor in self.config[kind]
            }
            assert described == tensors, f'{kind}: {described}, but the network has {tensors}'

    def execute(self, requests):
        """One run of the network for all requests, whose images have the same size."""
        names = [tensor['name'] for tensor in self.config['input']]
        values = [
            [triton.get_input_tensor_by_name(request, name).as_numpy() for request in requests]
            for name in names
        ]
        output = self.run(dict(zip(names, map(np.concatenate, values), strict=True)))
        ends = np.cumsum([len(value) for value in values[0]])[:-1]
        name = self.config['output'][0]['name']
        return [
            triton.InferenceResponse([triton.Tensor(name, part)]) for part in np.split(output, ends)
        ]


def load_onnx(path):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    types = {'tensor(uint8)': 'TYPE_UINT8', 'tensor(float)': 'TYPE_FP32'}
    tensors = [
        {port.name: (types[port.type], shape_of(port.shape)) for port in ports}
        for ports in (session.get_inputs(), session.get_outputs())
    ]
    return *tensors, lambda inputs: session.run(None, inputs)[0]


def load_openvino(path):
    import openvino

    network = openvino.Core().compile_model(path, 'CPU', {'INFERENCE_PRECISION_HINT': 'f32'})
    types = {'uint8_t': 'TYPE_UINT8', 'float': 'TYPE_FP32', 'u8': 'TYPE_UINT8', 'f32': 'TYPE_FP32'}
    tensors = [
        {
            port.get_any_name(): (
                types[port.get_element_type().get_type_name()],
                [-1 if dim.is_dynamic else dim.get_length() for dim in port.get_partial_shape()],
            )
            for port in ports
        }
        for ports in (network.inputs, network.outputs)
    ]
    return *tensors, lambda inputs: network(inputs)[0]


LOADERS = {'onnxruntime': load_onnx, 'openvino': load_openvino}
