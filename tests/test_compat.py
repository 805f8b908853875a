import importlib
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer

import mmseg_eff
from mmseg_eff import compat


def test_both_stacks_are_refused(monkeypatch):
    installed = {'mmengine', 'mmsegmentation', 'onedl-mmcv'}
    monkeypatch.setattr(compat, 'is_distribution', installed.__contains__)
    with pytest.raises(ImportError, match='mmengine, mmsegmentation and onedl-mmcv'):
        compat.refuse_two_stacks()


@pytest.mark.parametrize('stack', [compat.STOCK, compat.FORK])
def test_one_stack_is_accepted(monkeypatch, stack):
    monkeypatch.setattr(compat, 'is_distribution', stack.__contains__)
    compat.refuse_two_stacks()


def test_ops_raise_when_called():
    extension = compat._MissingExtension('mmcv._ext')
    assert extension.get_compiler_version() == 'n/a'
    with pytest.raises(RuntimeError, match='the op nms needs mmcv with its compiled extension'):
        extension.nms()
    assert not hasattr(extension, '__path__')


def test_mmseg_modules_import_without_compiled_ops():
    for name in ('apis', 'datasets', 'models', 'utils', 'visualization'):
        importlib.import_module(f'mmseg.{name}')


def test_training_history_loads_with_weights_only(tmp_path):
    path = tmp_path / 'checkpoint.pth'
    history = HistoryBuffer(np.arange(3.0), np.ones(3))
    compat.allow_checkpoint_globals()
    torch.save(dict(history=history, scalar=np.float64(2.5), row=np.ones(2, np.float32)), path)
    loaded = torch.load(path, weights_only=True)
    assert loaded['history'].data[0].tolist() == [0, 1, 2]
    assert loaded['scalar'] == 2.5


def test_weights_only_stays_in_force(tmp_path):
    path = tmp_path / 'evil.pth'
    torch.save(dict(path=Path('x')), path)
    with pytest.raises(Exception, match='weights_only'):
        torch.load(path)


def test_applying_twice_changes_nothing():
    from mmengine.infer import BaseInferencer
    from mmseg.datasets import BaseSegDataset

    before = BaseInferencer._get_models_from_metafile, BaseSegDataset.filter_data
    compat.apply()
    assert (BaseInferencer._get_models_from_metafile, BaseSegDataset.filter_data) == before


def test_samples_name_the_ignored_label_and_blank_lines_are_skipped(tmp_path):
    """In mmseg's own datasets, too, within wrappers, and before ``indices`` are taken."""
    from mmseg.registry import DATASETS

    listing = tmp_path / 'list.txt'
    listing.write_text('\na\n\n \nb\r\nc\n\n')
    config = dict(
        type='CityscapesDataset',
        ann_file=str(listing),
        data_prefix=dict(img_path='images', seg_map_path='labels'),
        ignore_index=11,
        indices=2,
    )
    dataset = DATASETS.build(dict(type='RepeatDataset', times=2, dataset=config))
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    assert [info['img_path'] for info in infos] == [
        f'images/{name}_leftImg8bit.png' for name in 'abab'
    ]
    assert {info['ignore_index'] for info in infos} == {11}


def test_class_names_are_drawn_into_a_transposed_image():
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample
    from mmseg.visualization import SegLocalVisualizer

    visualizer = SegLocalVisualizer()
    visualizer.dataset_meta = dict(classes=['a', 'b'], palette=[[255, 0, 0], [0, 255, 0]])
    image = np.zeros((3, 64, 96), np.uint8).transpose(1, 2, 0)
    label = torch.arange(2).repeat_interleave(48).expand(1, 64, 96)
    sample = SegDataSample(pred_sem_seg=PixelData(data=label))
    visualizer.add_datasample('drawn', image, sample, draw_gt=False, with_labels=True)
    drawn = visualizer.get_image()
    assert drawn.shape == (64, 96, 3) and drawn.any()


def test_blank_lines_of_a_split_file_are_skipped(tmp_path):
    from mmseg.datasets import BaseSegDataset

    (tmp_path / 'split.txt').write_text('a\n\nb/c\n  \n')
    prefix = dict(img_path='images', seg_map_path='labels')
    dataset = BaseSegDataset('split.txt', data_root=str(tmp_path), data_prefix=prefix)
    paths = [dataset.get_data_info(index)['img_path'] for index in range(len(dataset))]
    assert paths == [f'{tmp_path}/images/{name}.jpg' for name in ('a', 'b/c')]


def test_installed_packages():
    assert compat.is_installed('mmseg')
    assert compat.is_installed('mmsegmentation')
    assert not compat.is_installed('no_such_package')
    assert compat.get_installed_path('mmsegmentation') == compat.get_installed_path('mmseg')
    assert Path(compat.get_installed_path('mmseg_eff')) == Path(mmseg_eff.__path__[0])
    with pytest.raises(ModuleNotFoundError, match='no_such_package is not installed'):
        compat.get_installed_path('no_such_package')


def test_mmengine_never_runs_pip(monkeypatch):
    import mmengine.utils

    monkeypatch.setattr(subprocess, 'check_call', lambda *_: pytest.fail('a command was run'))
    mmengine.utils.install_package('mmseg')
    with pytest.raises(ModuleNotFoundError):
        mmengine.utils.install_package('no_such_package')


@pytest.mark.parametrize(
    'first', ['from mmcv.cnn.bricks import transformer', 'import mmcv.ops', 'import mmseg.models']
)
def test_parts_of_the_stack_imported_first(tmp_path, first):
    """mmdet, which mmseg imports where it is installed, takes this class from there."""
    (tmp_path / 'mmdet').mkdir()
    taken = 'from mmcv.cnn.bricks.transformer import MultiScaleDeformableAttention\n'
    (tmp_path / 'mmdet/__init__.py').write_text('')
    (tmp_path / 'mmdet/models.py').write_text(taken + 'raise ModuleNotFoundError("the rest")\n')
    code = f'try:\n {first}\nexcept ImportError: pass\nimport mmseg_eff, mmdet.models'
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    result = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', code],
        env={**os.environ, 'PYTHONPATH': path},
        capture_output=True,
        text=True,
    )
    assert result.stderr.splitlines()[-1] == 'ModuleNotFoundError: the rest'


def test_version_is_the_distributions():
    assert metadata.version('mmseg_eff') == mmseg_eff.__version__


@pytest.mark.parametrize(
    'base',
    [
        'mmseg_eff::espnet/espnet-p2q3_1xb8-558k_cityscapes-512x1024.py',
        'mmseg::deeplabv3plus/deeplabv3plus_r18-d8_4xb2-80k_cityscapes-512x1024.py',
    ],
)
def test_bases_by_package_from_any_folder(tmp_path, monkeypatch, base):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / 'config.py'
    path.write_text(f'_base_ = {base!r}\nmodel = dict(train_cfg=dict(a=1))\n')
    config = Config.fromfile(path)
    assert config.model.type == 'EncoderDecoder'
    assert config.model.train_cfg.a == 1


def test_plugin_import_is_enough_in_a_new_process(tmp_path):
    """In any folder; and what stock mmseg cannot do alone works after our import."""
    code = 'import mmseg_eff; from mmseg.apis import init_model; print("ready")'
    result = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', code], cwd=tmp_path, capture_output=True, text=True
    )
    assert result.stdout.split()[-1:] == ['ready'], result.stderr
