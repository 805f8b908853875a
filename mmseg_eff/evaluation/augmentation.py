"""Test-time augmentation of a config."""

from mmengine.config import Config

from ..datasets.image_reader import split_pipeline
from ..datasets.wrappers import innermost_datasets
from ..errors import InputError

TTA_MODEL = 'MeanProbabilityTTAModel'


def augment(config: Config, path: str) -> None:
    """Switch a config, in place, to test-time augmentation; images are loaded as without it.

    ``MeanProbabilityTTAModel`` replaces mmseg's ``SegTTAModel``: it merges sigmoid outputs, too.

    Args:
        config: The config.
        path: Its name in the error.

    Raises:
        InputError: If the config has no ``tta_pipeline``.
    """
    if not config.get('tta_pipeline'):
        raise InputError(f'{path}: has no tta_pipeline, which --tta needs')
    for leaf in innermost_datasets(config.test_dataloader.dataset):
        given, _ = split_pipeline(config.tta_pipeline)
        steps = [step for step in config.tta_pipeline if step not in given]
        loading = split_pipeline(leaf.pipeline)[0] if leaf.get('pipeline') else given
        leaf.pipeline = [*loading, *steps]
    model = config.get('tta_model') or {}
    if model.get('type', 'SegTTAModel') in ('SegTTAModel', 'mmseg.SegTTAModel'):
        model = {**model, 'type': TTA_MODEL}
    config.model = {**model, 'module': config.model}
