import torch
from mmengine.config import Config
from mmseg.registry import MODELS

from mmseg_eff.checkpoint.io import load_checkpoint
from mmseg_eff.commands.publish import main
from mmseg_eff.utils.atomic_io import sha256_of

NAME = 'espnet-p2q3_1xb8-0.6k_toystreet-128x256'


def test_training_checkpoint_becomes_a_small_file(tmp_path, root, capsys):
    model = MODELS.build(Config.fromfile(root / f'configs/espnet/{NAME}.py').model)
    source, target = tmp_path / 'iter_600.pth', tmp_path / 'out/street.safetensors'
    momentum = {name: value.clone() for name, value in model.named_parameters()}
    checkpoint = dict(state_dict=model.state_dict(), optimizer=momentum, message_hub={}, meta={})
    torch.save(checkpoint, source)
    assert main([NAME, str(source), str(target), '--half']) == 0
    printed = capsys.readouterr().out
    assert f'{target}: {target.stat().st_size / 1e6:.2f} MB, SHA-256 {sha256_of(target)}' in printed
    assert target.stat().st_size < source.stat().st_size / 3
    assert load_checkpoint(target)['meta']['dataset_meta']['classes'][0] == 'road'


def test_checkpoint_of_another_network_writes_nothing(tmp_path, capsys):
    source, target = tmp_path / 'other.pth', tmp_path / 'street.safetensors'
    torch.save(torch.nn.Linear(2, 2).state_dict(), source)
    assert main([NAME, str(source), str(target)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f'error: {source}: does not fit') and error.count('\n') == 1
    assert not target.exists()
