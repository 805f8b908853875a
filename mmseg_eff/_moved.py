"""Import paths of version 0.1: they warn, and lead to where their contents are now.

Modules whose name is a function of ``mmseg_eff.apis`` today have no old path.
"""

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

MODULES = {  # old module -> modules of today that hold what it held
    'apis.allowed_parts': 'safe_config.allowed_parts',
    'apis.class_balance': 'self_training.class_balance',
    'apis.coco_labels': 'label_formats.coco_file label_formats.coco',
    'apis.contact_sheet': 'visualization.contact_sheet',
    'apis.datasets': 'dataset_check.build dataset_check.sample',
    'apis.dense_crf': 'inference.dense_crf',
    'apis.evaluators': 'evaluation.evaluators',
    'apis.inference': (
        'inference.segmentor deploy.segmentor visualization.overlay datasets.image_reader '
        'utils.image_io'
    ),
    'apis.json_files': 'utils.json_files',
    'apis.label_rules': 'dataset_check.settle_labels',
    'apis.regions': 'inference.region_readers',
    'apis.safe_config': 'safe_config.reader',
    'apis.signals': 'utils.signals',
    'apis.sources': 'inference.inputs utils.image_io',
    'apis.stages': 'benchmarking.stages benchmarking.memory benchmarking.timing utils.timing',
    'apis.teacher': 'self_training.teacher',
    'apis.tiling': 'inference.tiling',
    'apis.training_images': 'self_training.unlabelled_images',
    'apis.user_errors': 'utils.user_errors',
    'converters.checkpoint': 'checkpoint.io',
    'converters.foreign': 'checkpoint.foreign',
    'datasets.check_dataset': 'dataset_check.checks',
    'datasets.file_limit': 'utils.file_limit',
    'datasets.foreground': 'datasets.voc_foreground',
    'datasets.label_checks': 'datasets.label_rules',
    'datasets.score_at_input_size': 'datasets.transforms',
    'deploy.convert': 'deploy.backends',
    'deploy.folder': 'deploy.package',
    'engine.multi_source_sampler': 'engine.samplers.multi_source_sampler',
    'engine.resume': 'engine.train_loop engine.samplers.resumable_sampler',
    'files': 'utils.atomic_io',
}


class MovedModules(MetaPathFinder, Loader):
    """Find old modules, and load each as an empty one that looks its names up in today's."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, below = name.partition('.')
        return ModuleSpec(name, self) if package == __package__ and below in MODULES else None

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        old = module.__name__
        names = [f'{__package__}.{name}' for name in MODULES[old.partition('.')[2]].split()]
        warnings.warn(f'{old} has moved: use {", ".join(names)}', DeprecationWarning, stacklevel=2)

        def find(name: str) -> Any:
            for new in names:
                if hasattr(import_module(new), name):
                    return getattr(import_module(new), name)
            raise AttributeError(f'module {old!r} has no attribute {name!r}')

        module.__dict__['__getattr__'] = find


def install() -> None:
    """Let Python find the old modules; those that exist are found before."""
    if not any(isinstance(finder, MovedModules) for finder in sys.meta_path):
        sys.meta_path.append(MovedModules())
