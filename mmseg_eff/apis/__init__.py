"""What a Python user calls; each function is imported when it is first used.

===================  =============================================================================
``load_model``       a network with its weights, ready for ``predict`` and mmseg's functions
``predict``          label images, arrays, folders and videos; ``predict_to_folder`` writes files
``init_config``      a config for a folder of images and labels
``train``            train the network of a config
``evaluate``         measure a checkpoint on the test data of a config
``export``           ONNX, OpenVINO or TensorRT, compared with the original on images
``serve``            label uploads over HTTP by an exported folder
``check_dataset``    every fault of the files of a dataset, and how often each class occurs
``class_weights``    weights of the classes of a dataset
``convert_labels``   COCO annotations or VOC labels to PNGs of class indices
``benchmark``        time and memory of several networks, side by side
``complexity``       parameters and multiply-adds
``pseudo_label``     label images by a teacher where it is sure
``self_train``       teacher, pseudo labels, student: all stages
``convert_weights``  the weights of a paper's authors to a checkpoint of ours
``publish_weights``  the weights of a trained network alone, as a small file
===================  =============================================================================
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..registration import register

if TYPE_CHECKING:  # what __getattr__ finds when it is used
    from .configuring import NewConfig, init_config
    from .dataset_checking import DatasetReport, check_dataset
    from .evaluation import Evaluation, evaluate
    from .exporting import Export, export
    from .label_tools import ClassWeights, ConvertedLabels, class_weights, convert_labels
    from .labelling import PseudoLabels, SelfTraining, pseudo_label, self_train
    from .measuring import Complexity, benchmark, complexity
    from .prediction import PredictedFolder, Prediction, load_model, predict, predict_to_folder
    from .serving import serve
    from .training import Training, train
    from .weights import ConvertedWeights, PublishedWeights, convert_weights, publish_weights

EXPORTS = {  # name -> module here; files have other names than functions, which they would hide
    name: module
    for module, names in {
        'prediction': 'load_model predict Prediction predict_to_folder PredictedFolder',
        'configuring': 'init_config NewConfig',
        'training': 'train Training',
        'evaluation': 'evaluate Evaluation',
        'exporting': 'export Export',
        'serving': 'serve',
        'dataset_checking': 'check_dataset DatasetReport',
        'label_tools': 'class_weights ClassWeights convert_labels ConvertedLabels',
        'measuring': 'benchmark complexity Complexity',
        'labelling': 'pseudo_label PseudoLabels self_train SelfTraining',
        'weights': 'convert_weights ConvertedWeights publish_weights PublishedWeights',
    }.items()
    for name in names.split()
}
__all__ = [
    'ClassWeights',
    'Complexity',
    'ConvertedLabels',
    'ConvertedWeights',
    'DatasetReport',
    'Evaluation',
    'Export',
    'NewConfig',
    'PredictedFolder',
    'Prediction',
    'PseudoLabels',
    'PublishedWeights',
    'SelfTraining',
    'Training',
    'benchmark',
    'check_dataset',
    'class_weights',
    'complexity',
    'convert_labels',
    'convert_weights',
    'evaluate',
    'export',
    'init_config',
    'load_model',
    'predict',
    'predict_to_folder',
    'pseudo_label',
    'publish_weights',
    'self_train',
    'serve',
    'train',
]


def __getattr__(name: str) -> Any:
    if name not in EXPORTS:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    register()
    value = getattr(import_module(f'.{EXPORTS[name]}', __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *EXPORTS})
