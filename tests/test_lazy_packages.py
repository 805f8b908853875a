"""What is imported lazily, and what is found all the same."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PHOTO = ROOT / 'mmseg_eff/assets/street.jpg'
OF_TRAINING = (
    *('matplotlib', 'scipy', 'sympy', 'regex', 'torch._dynamo', 'torch.distributed.fsdp'),
    *('torch.distributed.optim', 'torch.distributed.tensor', 'mmengine.runner.runner'),
    *('mmengine.runner.loops', 'mmengine.hooks.checkpoint_hook', 'mmengine.evaluator.metric'),
    *('mmengine.optim.scheduler.param_scheduler', 'mmengine.infer.infer'),
    *(
        'mmseg.datasets.basesegdataset',
        'mmseg.datasets.cityscapes',
        'mmseg.models.assigners.match_cost',
    ),
    *(
        'mmseg.apis.mmseg_inferencer',
        'mmseg.engine.hooks.visualization_hook',
        'mmseg.evaluation.metrics.iou_metric',
    ),
    *('mmseg_eff.engine.runner', 'mmseg_eff.engine.hooks.run_record_hook', 'mmseg_eff.training'),
    *('mmseg_eff.datasets.camvid', 'mmseg_eff.datasets.random_jpeg', 'mmseg_eff.converters'),
    *('mmseg_eff.evaluation.checked_iou_metric', 'mmseg_eff.deploy.export'),
)


def run(code, *options):
    """Standard output of a new process."""
    result = subprocess.run(
        [sys.executable, '-W', 'ignore', *options, '-c', code],
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_an_image_is_labelled_without_the_parts_of_a_training():
    loaded = run(
        'import sys, mmseg_eff\n'
        "model = mmseg_eff.load_model('hub:camvid', device='cpu', optimize=True)\n"
        f'labels = next(mmseg_eff.predict(model, {str(PHOTO)!r})).labels\n'
        'assert labels.any()\n'
        'print(*sys.modules)'
    ).split()
    assert 'mmseg.models.segmentors.encoder_decoder' in loaded
    assert sorted({*OF_TRAINING} & {*loaded}) == []


def test_parts_are_found_by_name_in_a_new_process():
    """By those who import them, in the registries, and after others have been registered."""
    run("""
import sys, mmseg_eff
from mmseg.registry import DATASETS, HOOKS, LOOPS, METRICS, MODELS, OPTIMIZERS, TASK_UTILS
from mmengine import registry

assert MODELS.build(dict(type='ESPNet')).pool
for found, name in (
    (MODELS, 'ResNetV1c'), (MODELS, 'mmseg.CrossEntropyLoss'), (MODELS, 'mmengine.BaseTTAModel'),
    (DATASETS, 'CityscapesDataset'), (DATASETS, 'CamVidDataset'), (HOOKS, 'CheckpointHook'),
    (HOOKS, 'OHEMHook'), (LOOPS, 'IterBasedTrainLoop'), (METRICS, 'IoUMetric'),
    (TASK_UTILS, 'HungarianAssigner'), (OPTIMIZERS, 'ZeroRedundancyOptimizer'),
    (registry.RUNNERS, 'Runner'), (registry.MODEL_WRAPPERS, 'MMFullyShardedDataParallel'),
    (registry.STRATEGIES, 'FSDPStrategy'), (registry.HOOKS, 'mmseg.SegVisualizationHook'),
    (registry.VISUALIZERS, 'mmseg_eff.SegLocalVisualizer'),
):
    assert found.get(name).__name__ == name.rpartition('.')[2]
for name in ('Nowhere', 'mmseg.Nowhere'):
    try:
        assert MODELS.get(name) is None
    except RuntimeError:
        pass
import mmengine.model, mmengine.optim, mmseg.datasets, mmseg.models.losses, mmseg.utils
assert callable(mmseg.models.losses.accuracy) and callable(mmseg.utils.collect_env)
assert callable(mmseg.utils.tokenize) and 'tokenize' in dir(mmseg.utils)
assert issubclass(mmseg.datasets.ADE20KDataset, mmseg.datasets.basesegdataset.BaseSegDataset)
assert not hasattr(mmseg.datasets, 'nowhere')
""")


def test_a_taken_name_is_refused_as_before():
    message = run("""
import mmseg_eff
from mmseg.registry import DATASETS
class CityscapesDataset: pass
try:
    DATASETS.register_module(module=CityscapesDataset)
except KeyError as error:
    print(error)
DATASETS.register_module(module=CityscapesDataset, force=True)
import mmseg.datasets.cityscapes
assert DATASETS.get('CityscapesDataset') is CityscapesDataset
""")
    assert 'CityscapesDataset is already registered' in message


def test_a_registry_shows_all_names():
    counts = run("""
import mmseg_eff
from mmseg.registry import DATASETS, MODELS
from mmengine.registry import HOOKS
print(len(MODELS.module_dict) > 100, len(DATASETS) > 30, 'EMAHook' in HOOKS.module_dict)
""")
    assert counts.split() == ['True'] * 3


def test_the_fixes_reach_modules_that_are_imported_later():
    wrapped = run("""
import mmseg_eff
from mmseg.datasets import BaseSegDataset
from mmseg.apis import MMSegInferencer
from mmseg.visualization import SegLocalVisualizer
from mmseg.models.decode_heads.ham_head import NMF2D
from mmengine.infer import BaseInferencer
for function in (BaseSegDataset.filter_data, MMSegInferencer._init_pipeline, NMF2D._build_bases,
                 SegLocalVisualizer._draw_sem_seg, BaseInferencer._get_models_from_metafile):
    print(hasattr(function, '__wrapped__'))
""")
    assert wrapped.split() == ['True'] * 5


def test_a_function_of_scipy_is_imported_when_it_is_called():
    run("""
import sys, mmseg_eff, numpy as np
from mmseg.datasets.transforms import BioMedicalGaussianBlur
assert 'scipy' not in sys.modules
blur = BioMedicalGaussianBlur((1.0, 1.0), different_sigma_per_axis=False, prob=1)
blur.prob_per_channel = 1
image = np.zeros((1, 8, 8, 8)); image[0, 4, 4, 4] = 1
result = blur(dict(img=image.copy()))['img']
assert 'scipy.ndimage' in sys.modules and 0 < result[0, 4, 4, 4] < 1
""")


@pytest.mark.parametrize('first', ['mmseg.models', 'mmseg.apis', 'mmengine.runner'])
def test_packages_that_were_imported_before_stay_as_they_are(first):
    code = f"""
try:
    import {first}
except ImportError:
    pass
import mmseg_eff
from mmseg.registry import MODELS
MODELS.build(dict(type='ESPNet'))
assert MODELS.get('FCNHead')
"""
    run(code)
