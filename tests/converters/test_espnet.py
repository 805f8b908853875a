import numpy as np
import pytest
import torch
from helpers import official

from mmseg_eff.converters import convert_espnet, load_checkpoint, zero_denormals
from mmseg_eff.converters.espnet import build_espnet
from mmseg_eff.errors import InputError

FIXTURES = {  # logits of the official code -> the weights that made them
    'espnet_p2_q3_city': 'espnet_p_2_q_3.pth',
    'espnet_p2_q8_city': 'espnet_p_2_q_8.pth',
    'espnetc_p2_q8_city': 'encoder/espnet_p_2_q_8.pth',
    'espnet_p2_q8_camvid': 'espnet_p_2_q_8_camvid.pth',
}


@pytest.mark.parametrize(
    ('layout', 'skip'),
    [
        ((3, 20, 16), 'level1'),
        ((2, 12, 19), 'level1_image'),
        ((1, 20, None), 'level1_image'),
        ((1, 7, 16), 'level1'),
    ],
)
def test_every_tensor_finds_its_place(layout, skip):
    source = official(*layout)
    converted, meta = convert_espnet(source)
    assert meta['model']['skip'] == skip
    assert meta['model']['num_blocks'] == (2, layout[0])
    build_espnet(meta['model']).load_state_dict(converted)
    kept = {name: value for name, value in converted.items() if 'num_batches' not in name}
    assert sorted(v.sum().item() for v in kept.values()) == sorted(
        v.sum().item() for v in source.values()
    )
    assert ('dataset_meta' in meta) == (layout[1] in (12, 20))


def test_branches_keep_their_dilation():
    source = official(1, 20, None)
    converted, _ = convert_espnet(source)
    for index, dilation in enumerate((1, 2, 4, 8, 16)):
        ours = converted[f'backbone.down3.branches.{index}.weight']
        assert torch.equal(ours, source[f'level3_0.d{dilation}.conv.weight'])


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda s: s.pop('encoder.b2.act.weight'), '1 missing .first: backbone.fuse2.act.weight'),
        (lambda s: s.update(extra=torch.zeros(1)), '1 unexpected .first: extra'),
        (lambda s: s.update({'br.bias': torch.zeros(3)}), r'1 other shape .*norm3.bias \(3,\)'),
        (lambda s: s.clear(), 'it has no ESPNet encoder'),
    ],
)
def test_other_files_are_refused(change, message):
    source = official(1, 20, 16)
    change(source)
    with pytest.raises(InputError, match=f'^not an official ESPNet file: {message}'):
        convert_espnet(source)


def test_espnetv2_file_is_refused(shared):
    path = shared / 'checkpoints/espnetv2/espnetv2_s_0.5_city_512x256.pth'
    with pytest.raises(InputError, match='it has no ESPNet encoder'):
        convert_espnet(load_checkpoint(path)['state_dict'])


@pytest.mark.parametrize(('fixture', 'file'), FIXTURES.items())
def test_logits_equal_the_official_code(shared, fixture, file):
    source = load_checkpoint(shared / 'checkpoints/espnet' / file)['state_dict']
    converted, meta = convert_espnet(source)
    plain, cleaned = (build_espnet(meta['model']).eval() for _ in range(2))
    plain.load_state_dict(converted)
    assert zero_denormals(converted) > 5000
    cleaned.load_state_dict(converted)
    data = np.load(shared / f'parity/{fixture}.npz')
    for case in (0, 1):
        with torch.inference_mode():
            x = torch.from_numpy(data[f'input{case}'])
            logits = cleaned['decode_head'](cleaned['backbone'](x))
            assert torch.equal(logits, plain['decode_head'](plain['backbone'](x)))
        expected = torch.from_numpy(data[f'logits{case}'])
        assert (logits - expected).abs().max() <= 2e-4
        assert torch.equal(logits.argmax(1), expected.argmax(1))
