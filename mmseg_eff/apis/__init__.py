"""What a Python user calls; each function is imported when it is first used.

===================  =============================================================================
``load_model``       a network with its weights, ready for ``predict`` and mmseg's functions
``predict``          label images, arrays, folders and videos; ``predict_to_folder`` writes files
``train``            train the network of a config
``evaluate``         measure a checkpoint on the test data of a config
``export``           ONNX, OpenVINO or TensorRT, compared with the original on images
``check_dataset``    every fault of the files of a dataset, and how often each class occurs
``class_weights``    weights of the classes of a dataset
``convert_labels``   COCO annotations or VOC labels to PNGs of class indices
``benchmark``        time and memory of several networks, side by side
``complexity``       parameters and multiply-adds
``pseudo_label``     label images by a teacher where it is sure
``self_train``       teacher, pseudo labels, student: all stages
``convert_weights``  the weights of a paper's authors to a checkpoint of ours
===================  =============================================================================
"""

from importlib import import_module
from typing import Any

EXPORTS = {  # name -> module here; files have other names than functions, which they would hide
    'load_model': 'prediction',
    'predict': 'prediction',
    'Prediction': 'prediction',
    'predict_to_folder': 'prediction',
    'PredictedFolder': 'prediction',
    'train': 'training',
    'Training': 'training',
    'evaluate': 'evaluation',
    'Evaluation': 'evaluation',
    'export': 'exporting',
    'Export': 'exporting',
    'check_dataset': 'dataset_checking',
    'DatasetReport': 'dataset_checking',
    'class_weights': 'label_tools',
    'ClassWeights': 'label_tools',
    'convert_labels': 'label_tools',
    'ConvertedLabels': 'label_tools',
    'benchmark': 'measuring',
    'complexity': 'measuring',
    'Complexity': 'measuring',
    'pseudo_label': 'labelling',
    'PseudoLabels': 'labelling',
    'self_train': 'labelling',
    'SelfTraining': 'labelling',
    'convert_weights': 'weights',
    'ConvertedWeights': 'weights',
}
__all__ = [*EXPORTS]


def __getattr__(name: str) -> Any:
    if name not in EXPORTS:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    import_module('mmseg_eff').register()
    value = getattr(import_module(f'.{EXPORTS[name]}', __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *EXPORTS})
