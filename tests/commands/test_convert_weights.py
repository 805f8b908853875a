import torch
from helpers import official

from mmseg_eff.commands.convert_weights import NETWORKS, PADDINGS, main
from mmseg_eff.converters import CONVERTERS, load_checkpoint
from mmseg_eff.converters.convert import convert
from mmseg_eff.models.backbones import efficientnet
from mmseg_eff.utils.atomic_io import sha256_of


def test_choices():
    assert sorted(CONVERTERS) == [*NETWORKS]
    assert efficientnet.PADDINGS == PADDINGS


def test_written_checkpoint_says_where_it_is_from(tmp_path, capsys):
    source, target = tmp_path / 'official.pth', tmp_path / 'deep/ours.pth'
    weights = official(1, 12, 19)
    weights['br.bias'].fill_(1e-39)
    torch.save(weights, source)
    assert main(['espnet', str(source), str(target)]) == 0
    assert 'skip=level1_image, num_classes=12; 12 denormal values' in capsys.readouterr().out
    meta = load_checkpoint(target)['meta']
    assert meta['source'] == dict(file='official.pth', sha256=sha256_of(source), converter='espnet')
    assert meta['dataset_meta']['classes'][0] == 'Sky'
    assert len(meta['dataset_meta']['palette']) == 11
    assert meta['preprocessing']['std'][0] == 255 * 72.12571016


def test_wrong_files_write_nothing(tmp_path, capsys):
    source, target = tmp_path / 'other.pth', tmp_path / 'ours.pth'
    torch.save(torch.nn.Linear(2, 2).state_dict(), source)
    assert main(['espnet', str(source), str(target)]) == 1
    assert f'error: {source}: not an official ESPNet file' in capsys.readouterr().err
    source.write_bytes(source.read_bytes()[:300])
    assert main(['espnet', str(source), str(target)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f'error: {source}: not a readable checkpoint (300 bytes')
    assert error.count('\n') == 1
    assert not target.exists()


def test_padding_is_for_one_network(tmp_path, capsys):
    target = tmp_path / 'ours.pth'
    assert main(['espnet', 'official.pth', str(target), '--padding', 'same']) == 1
    message = "error: padding is for efficientnet only, got 'same' for espnet\n"
    assert capsys.readouterr().err == message


def test_all_official_files(shared, tmp_path):
    files = sorted((shared / 'checkpoints/espnet').rglob('*.pth'))
    assert len(files) == 7
    for index, file in enumerate(files):
        assert convert('espnet', file, tmp_path / f'{index}.pth')['zeroed_denormals'] > 5000
