"""Every family of mmseg's configs that builds here: the same function after the optimisation.

Families that are left out: ConvNeXt and PoolFormer (mmpretrain), Mask2Former and MaskFormer
(mmdet), PSANet (a compiled op), VPD (a diffusion model).
"""

import copy
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from helpers import with_trained_norms
from mmengine.config import Config
from mmseg.registry import MODELS
from torch import nn

from mmseg_eff import compat
from mmseg_eff.commands import export, predict
from mmseg_eff.converters import save_checkpoint
from mmseg_eff.models.fuse_norms import fuse_norms
from mmseg_eff.models.optimize import optimize_for_inference

SMALL = (128, 256)
FAMILIES = {  # config -> size of the image
    'ann/ann_r50-d8_4xb4-80k_ade20k-512x512.py': SMALL,
    'apcnet/apcnet_r50-d8_4xb4-80k_ade20k-512x512.py': SMALL,
    'beit/beit-base_upernet_8xb2-160k_ade20k-640x640.py': (640, 640),
    'bisenetv1/bisenetv1_r18-d32_4xb4-160k_cityscapes-1024x1024.py': SMALL,
    'bisenetv2/bisenetv2_fcn_4xb4-160k_cityscapes-1024x1024.py': SMALL,
    'ccnet/ccnet_r50-d8_4xb4-80k_ade20k-512x512.py': SMALL,
    'cgnet/cgnet_fcn_4xb4-60k_cityscapes-680x680.py': SMALL,
    'danet/danet_r50-d8_4xb4-80k_ade20k-512x512.py': SMALL,
    'ddrnet/ddrnet_23-slim_in1k-pre_2xb6-120k_cityscapes-1024x1024.py': SMALL,
    'deeplabv3/deeplabv3_r18-d8_4xb2-80k_cityscapes-769x769.py': SMALL,
    'deeplabv3plus/deeplabv3plus_r18-d8_4xb4-80k_isaid-896x896.py': SMALL,
    'dmnet/dmnet_r50-d8_4xb4-80k_ade20k-512x512.py': SMALL,
    'dnlnet/dnl_r50-d8_4xb4-80k_ade20k-512x512.py': SMALL,
    'dpt/dpt_vit-b16_8xb2-160k_ade20k-512x512.py': SMALL,
    'emanet/emanet_r50-d8_4xb2-80k_cityscapes-769x769.py': SMALL,
    'encnet/encnet_r50-d8_4xb4-80k_ade20k-512x512.py': SMALL,
    'erfnet/erfnet_fcn_4xb4-160k_cityscapes-512x1024.py': SMALL,
    'fastfcn/fastfcn_r50-d32_jpu_enc_4xb4-80k_ade20k-512x512.py': SMALL,
    'fastscnn/fast_scnn_8xb4-160k_cityscapes-512x1024.py': SMALL,
    'fcn/fcn_r18-d8_4xb2-80k_cityscapes-769x769.py': SMALL,
    'gcnet/gcnet_r50-d8_4xb4-80k_ade20k-512x512.py': SMALL,
    'hrnet/fcn_hr18_4xb4-80k_isaid-896x896.py': SMALL,
    'icnet/icnet_r18-d8_4xb2-80k_cityscapes-832x832.py': SMALL,
    'isanet/isanet_r50-d8_4xb4-80k_ade20k-512x512.py': SMALL,
    'knet/knet-s3_swin-t_upernet_8xb2-adamw-80k_ade20k-512x512.py': SMALL,
    'mae/mae-base_upernet_8xb2-amp-160k_ade20k-512x512.py': (512, 512),
    'mobilenet_v2/mobilenet-v2-d8_deeplabv3plus_4xb4-160k_ade20k-512x512.py': SMALL,
    'mobilenet_v3/mobilenet-v3-d8-scratch_lraspp_4xb4-320k_cityscapes-512x1024.py': (512, 512),
    'nonlocal_net/nonlocal_r50-d8_4xb4-80k_ade20k-512x512.py': SMALL,
    'ocrnet/ocrnet_hr18_4xb4-80k_ade20k-512x512.py': SMALL,
    'pidnet/pidnet-s_2xb6-120k_1024x1024-cityscapes.py': SMALL,
    'point_rend/pointrend_r50_4xb4-160k_ade20k-512x512.py': SMALL,
    'pspnet/pspnet_r18-d8_4xb4-80k_isaid-896x896.py': SMALL,
    'resnest/resnest_s101-d8_deeplabv3plus_4xb4-160k_ade20k-512x512.py': SMALL,
    'segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py': SMALL,
    'segmenter/segmenter_vit-t_mask_8xb1-160k_ade20k-512x512.py': SMALL,
    'segnext/segnext_mscan-t_1xb16-adamw-160k_ade20k-512x512.py': SMALL,
    'sem_fpn/fpn_r50_4xb4-160k_ade20k-512x512.py': SMALL,
    'setr/setr_vit-l-mla_8xb1-160k_ade20k-512x512.py': SMALL,
    'stdc/stdc1_4xb12-80k_cityscapes-512x1024.py': SMALL,
    'swin/swin-tiny-patch4-window7-in1k-pre_upernet_8xb2-160k_ade20k-512x512.py': SMALL,
    'twins/twins_svt-b_uperhead_8xb2-160k_ade20k-512x512.py': SMALL,
    'unet/unet-s5-d16_fcn_4xb4-40k_drive-64x64.py': SMALL,
    'upernet/upernet_r18_4xb4-80k_ade20k-512x512.py': SMALL,
    'vit/vit_deit-b16_upernet_8xb2-80k_ade20k-512x512.py': SMALL,
}
TO_EXPORT = [
    name
    for name in FAMILIES
    if name.startswith(
        ('ddrnet', 'pidnet', 'cgnet', 'erfnet', 'segnext', 'dmnet', 'segformer', 'stdc')
    )
]


def without_pretraining(config):
    """Drop, in place, what would be downloaded."""
    for key in ('init_cfg', 'pretrained'):
        config.pop(key, None)
    for value in config.values():
        for item in value if isinstance(value, list | tuple) else (value,):
            if isinstance(item, dict):
                without_pretraining(item)
    return config


def build(name):
    config = Config.fromfile(Path(compat.get_installed_path('mmseg'), '.mim/configs', name))
    torch.manual_seed(0)
    model = MODELS.build(without_pretraining(config.model))
    return with_trained_norms(nn.SyncBatchNorm.convert_sync_batchnorm(model)).eval()


def test_there_are_eight_to_export():
    assert len(TO_EXPORT) == 8 and len(FAMILIES) == 45


@pytest.mark.slow
@pytest.mark.parametrize('name', FAMILIES)
def test_same_logits_and_labels(name, capsys):
    model = build(name)
    size = FAMILIES[name]
    image = torch.randn(1, 3, *size)
    meta = [dict(img_shape=size, ori_shape=size, pad_shape=size, padding_size=[0] * 4)]
    optimised = optimize_for_inference(copy.deepcopy(model))
    with torch.no_grad():
        expected, given = (net.encode_decode(image, meta) for net in (model, optimised))
    assert expected.std((2, 3)).max() > 0
    assert (given - expected).abs().max() <= 1e-3 * expected.abs().max()
    # labels differ where two logits are equal but for rounding
    assert (given.argmax(1) == expected.argmax(1)).float().mean() >= 0.9999
    left = fuse_norms(copy.deepcopy(model))
    with capsys.disabled():
        norms = sum(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in model.modules())
        reasons = sorted(set(left.values()))
        print(f'\n{name}: {norms - len(left)} of {norms} norms folded; {"; ".join(reasons)}')


@pytest.mark.slow
@pytest.mark.parametrize('backend', ['onnx', 'openvino'])
@pytest.mark.parametrize('name', TO_EXPORT)
def test_predict_and_export(tmp_path, name, backend):
    config, checkpoint = tmp_path / 'config.py', tmp_path / 'weights.pth'
    config.write_text(
        f"_base_ = 'mmseg::{name}'\n"
        "test_pipeline = [dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]\n"
    )
    save_checkpoint(dict(state_dict=build(name).state_dict(), meta={}), checkpoint)
    coarse = np.random.default_rng(0).integers(0, 256, (16, 32, 3), np.uint8)
    image = tmp_path / 'a.png'
    cv2.imwrite(str(image), cv2.resize(coarse, (256, 128), interpolation=cv2.INTER_CUBIC))
    argv = [str(config), str(checkpoint)]
    assert predict.main([*argv, str(image), '--out', str(tmp_path / 'p'), '--device', 'cpu']) == 0
    assert len(np.unique(cv2.imread(str(tmp_path / 'p/labels/a.png'), -1))) > 1
    argv += ['--out', str(tmp_path / 'e'), '--backend', backend, '--images', str(image)]
    assert export.main(argv) == 0
    report = json.loads((tmp_path / 'e/report.json').read_text())
    assert report['agreement']['labels'] >= 0.9999
