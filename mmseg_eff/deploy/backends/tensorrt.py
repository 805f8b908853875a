"""TensorRT on a GPU, inside ONNX Runtime; it has not been run here."""

from .onnx import (
    ALLOWED,
    ENGINE,
    EXTRA,
    FILES,
    FIXED,
    INSIDE,
    INSTALL,
    MODEL,
    NEEDS,
    convert,
    load,
)

__all__ = [
    'ALLOWED',
    'ENGINE',
    'EXTRA',
    'FILES',
    'FIXED',
    'INSIDE',
    'INSTALL',
    'MODEL',
    'NEEDS',
    'PRECISIONS',
    'RUNTIME',
    'convert',
    'load',
]
PRECISIONS = ('f32',)
RUNTIME = 'onnx'
