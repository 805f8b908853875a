import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mmseg_eff.converters import convert_espnetv2, load_checkpoint, zero_denormals
from mmseg_eff.converters.espnetv2 import WIDTHS, build_espnetv2
from mmseg_eff.errors import InputError

FIXTURES = (
    's_0.5_city_1024x512',
    's_1.0_city_1024x512',
    's_1.0_pascal_384x384',
    's_2.0_city_1024x512',
    's_2.0_pascal_384x384',
)
NORM_KEYS = ('weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked')


def classifier_file(s: float) -> dict[str, torch.Tensor]:
    """Names and shapes of the authors' ImageNet file, written from their layout."""
    weights = {}

    def conv(name: str, *shape: int) -> None:
        weights[f'{name}.conv.weight'] = torch.rand(shape)

    def norm(name: str, channels: int, with_act: bool = True) -> None:
        weights.update({f'{name}.bn.{key}': torch.rand(channels) for key in NORM_KEYS[:-1]})
        weights[f'{name}.bn.{NORM_KEYS[-1]}'] = torch.tensor(7)
        if with_act:
            weights[f'{name}.act.weight'] = torch.rand(channels)

    def eesp(name: str, inputs: int, outputs: int) -> None:
        n = outputs // 4
        conv(f'{name}.proj_1x1', n, inputs // 4, 1, 1)
        norm(f'{name}.proj_1x1', n)
        for branch in range(4):
            conv(f'{name}.spp_dw.{branch}', n, 1, 3, 3)
        conv(f'{name}.conv_1x1_exp', outputs, n, 1, 1)
        norm(f'{name}.conv_1x1_exp', outputs, with_act=False)
        norm(f'{name}.br_after_cat', outputs)
        weights[f'{name}.module_act.weight'] = torch.rand(outputs)

    widths = WIDTHS[s]
    conv('level1', widths[0], 3, 3, 3)
    norm('level1', widths[0])
    for level, repeats in ((2, 0), (3, 3), (4, 7), (5, 3)):
        inputs, outputs = widths[level - 2 : level]
        eesp(f'level{level}_0.eesp', inputs, outputs - inputs)
        weights[f'level{level}_0.act.weight'] = torch.rand(outputs)
        if level < 5:
            conv(f'level{level}_0.inp_reinf.0', 3, 3, 3, 3)
            norm(f'level{level}_0.inp_reinf.0', 3)
            conv(f'level{level}_0.inp_reinf.1', outputs, 3, 1, 1)
            norm(f'level{level}_0.inp_reinf.1', outputs, with_act=False)
        for index in range(repeats):
            eesp(f'level{level}.{index}', outputs, outputs)
    conv('level5.3', widths[4], 1, 3, 3)
    norm('level5.3', widths[4])
    conv('level5.4', 1024, widths[4] // 4, 1, 1)
    norm('level5.4', 1024)
    weights['classifier.weight'] = torch.rand(1000, 1024)
    weights['classifier.bias'] = torch.rand(1000)
    return weights


@pytest.mark.parametrize('s', sorted(WIDTHS))
def test_imagenet_files_give_the_backbone(s):
    converted, meta = convert_espnetv2(classifier_file(s))
    assert meta['model'] == dict(width_multiplier=s)
    assert 'dataset_meta' not in meta
    assert {key.split('.')[0] for key in converted} == {'backbone'}
    build_espnetv2(meta['model']).load_state_dict(converted)


@pytest.mark.parametrize('missing', ['level2_0.act.weight', 'level4.3.spp_dw.2.conv.weight'])
def test_incomplete_files_are_refused(missing):
    weights = classifier_file(0.5)
    del weights[missing]
    with pytest.raises(InputError, match=r'^not an official ESPNetv2 file: '):
        convert_espnetv2(weights)


def test_all_segmentation_files_load_strictly(shared):
    files = sorted((shared / 'checkpoints/espnetv2').glob('*.pth'))
    assert len(files) == 16
    for file in files:
        converted, meta = convert_espnetv2(load_checkpoint(file)['state_dict'])
        build_espnetv2(meta['model']).load_state_dict(converted)
        assert f's_{meta["model"]["width_multiplier"]}_' in file.name
        assert meta['model']['num_classes'] == (20 if 'city' in file.name else 21)
        assert len(meta['dataset_meta']['classes']) == (19 if 'city' in file.name else 21)


def test_espnet_file_is_refused(shared):
    state_dict = load_checkpoint(shared / 'checkpoints/espnet/espnet_p_2_q_3.pth')['state_dict']
    with pytest.raises(InputError, match='it has no ESPNetv2 encoder'):
        convert_espnetv2(state_dict)


@pytest.mark.parametrize('fixture', FIXTURES)
def test_logits_equal_the_official_code(shared, fixture):
    file = shared / f'checkpoints/espnetv2/espnetv2_{fixture}.pth'
    converted, meta = convert_espnetv2(load_checkpoint(file)['state_dict'])
    zero_denormals(converted)
    network = build_espnetv2(meta['model']).eval()
    network.load_state_dict(converted)
    data = np.load(shared / f'parity/espnetv2_{fixture.replace("s_", "s", 1)}.npz')
    for case in (0, 1):
        x = torch.from_numpy(data[f'input{case}'])
        with torch.inference_mode():
            logits = network['decode_head'](network['neck'](network['backbone'](x)))
        logits = F.interpolate(logits, x.shape[2:], mode='bilinear', align_corners=True)
        expected = torch.from_numpy(data[f'logits{case}'])
        assert (logits - expected).abs().max() <= 2e-4
        assert torch.equal(logits.argmax(1), expected.argmax(1))
