"""The results kept in docs/results: the page, the logs' figures and the metafiles say the same."""

import json
import re

import pytest
import yaml

from mmseg_eff.benchmarking.run import PEERS, known_miou
from mmseg_eff.config.load import load_config

ROW = re.compile(r'^\| `([^`]+)` \|.*?\| ([\d.]+) \|$', re.M)  # config, …, mIoU


@pytest.fixture(scope='module')
def trainings(root):
    return {t['config']: t for t in json.loads((root / 'docs/results/camvid.json').read_text())}


def test_page_has_the_figures_of_the_logs(root, trainings):
    page = (root / 'docs/results/camvid.md').read_text()
    rows = dict(ROW.findall(page.partition('## Self-training')[0]))
    assert rows
    assert {name: float(miou) for name, miou in rows.items()} == {
        name: training['miou'][str(training['iterations'])] for name, training in trainings.items()
    }


def test_metafiles_have_them_too(root, trainings):
    models = {
        model['Name']: model['Results'][0]['Metrics'].get('mIoU')
        for path in (root / 'configs').glob('*/metafile.yaml')
        for model in yaml.safe_load(path.read_text())['Models']
    }
    for name, training in trainings.items():
        assert models[name] == training['miou'][str(training['iterations'])], name


def test_metafiles_have_the_published_figures_of_the_page(root):
    """So the benchmark finds what the page's command needs for the table and the picture."""
    page = (root / 'docs/results/speed.md').read_text().partition("## Beside mmseg's networks")[2]
    rows = re.findall(r'^\| ([^|]+) \|.*\| ([\d.]+) \|$', page.partition('```console')[0], re.M)
    configs = {name: f'mmseg::{path}' for name, path in PEERS.items()}
    configs |= {
        'ESPNet p2 q8': 'mmseg_eff::espnet/espnet-p2q8_1xb8-558k_cityscapes-512x1024.py',
        'ESPNetv2 s = 0.5': 'mmseg_eff::espnetv2/espnetv2-s0.5_1xb6-49.6k_cityscapes-512x1024.py',
        'ESPNetv2 s = 2.0': 'mmseg_eff::espnetv2/espnetv2-s2.0_1xb6-49.6k_cityscapes-512x1024.py',
        'ESeg-S': 'mmseg_eff::eseg/eseg-s_1xb16-90k_cityscapes-512x1024.py',
    }
    assert dict(rows).keys() == configs.keys() - {'SegFormer-B0'}  # a peer since that run
    for name, miou in rows:
        config = load_config(configs[name])
        assert known_miou(config) == float(miou), name


def test_gain_of_self_training(root):
    """Each seed's teacher, the teacher trained on alone, and its student."""
    trainings = json.loads((root / 'docs/results/self_training.json').read_text())
    mious = [training['miou'][str(training['iterations'])] for training in trainings]
    rows = list(zip(*[iter(mious)] * 3, strict=True))
    page = (root / 'docs/results/camvid.md').read_text()
    told = re.findall(r'^\| (\d) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$', page, re.M)
    expected = [(str(seed), *map('{:.2f}'.format, row)) for seed, row in enumerate(rows)]
    assert told == expected and len(told) == 3
    means = [round(sum(column) / 3, 2) for column in zip(*rows, strict=True)]
    assert f'| mean | {" | ".join(map("{:.2f}".format, means))} |' in page
    names = ('1_finetune', 'control', '3_self_train')
    for index, training in enumerate(trainings):
        assert training['work_dir'].endswith(names[index % 3])
        assert f'drive_{index // 3}' in training['work_dir']


def test_classes_average_to_the_miou(trainings):
    for training in trainings.values():
        assert len(training['class_iou']) == 11
        mean = sum(training['class_iou'].values()) / 11
        assert mean == pytest.approx(training['miou'][str(training['iterations'])], abs=0.01)
