import copy

import torch
from helpers import build_segmentor

from mmseg_eff.models.fixed_bases import keep_bases

HEAD = dict(
    type='LightHamHead',
    in_channels=[19],
    in_index=[0],
    channels=8,
    ham_channels=8,
    num_classes=3,
    norm_cfg=dict(type='GN', num_groups=2),
    ham_kwargs=dict(MD_R=4),
)


@torch.no_grad()
def test_evaluation_repeats_its_bases():
    """mmseg's Hamburger head draws new bases in every pass; here it does in training alone."""
    model = build_segmentor(dict(type='ESPNet', num_blocks=(1, 1)), HEAD).eval()
    image, meta = torch.randn(1, 3, 24, 32), [dict(ori_shape=(24, 32), img_shape=(24, 32))]
    kept = keep_bases(copy.deepcopy(model))
    state = torch.get_rng_state()
    first = model.encode_decode(image, meta)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(7)  # other random numbers in between
    assert torch.equal(first, model.encode_decode(image, meta))
    assert torch.equal(first, kept.encode_decode(image, meta))
    both = model.encode_decode(torch.cat([image + 1, image]), meta * 2)
    assert torch.allclose(both[1:], first, atol=1e-6)
    model.train()
    assert not torch.equal(model.encode_decode(image, meta), model.encode_decode(image, meta))
