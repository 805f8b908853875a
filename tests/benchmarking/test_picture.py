from itertools import combinations

import numpy as np
import pytest
from helpers import read_image
from matplotlib.figure import Figure

from mmseg_eff.benchmarking import picture as module
from mmseg_eff.benchmarking.picture import duration, name_of, networks_of, place_names, plot
from mmseg_eff.benchmarking.report import STAGES, Figures
from mmseg_eff.benchmarking.timing import Conditions

NETWORKS = {  # config -> mIoU, ms in torch, ms exported
    'espnet-c-p2q8_1xb14-319k_cityscapes-512x1024': (53.3, 480, 190),
    'espnet-p2q8_1xb8-558k_cityscapes-512x1024': (61.4, 510, 200),
    'espnetv2-s0.5_1xb6-49.6k_cityscapes-512x1024': (53.9, 500, 150),
    'espnetv2-s1.0_1xb6-49.6k_cityscapes-512x1024': (60.1, 540, 170),
    'espnetv2-s1.5_1xb6-49.6k_cityscapes-512x1024': (63.8, 600, 190),
    'espnetv2-s2.0_1xb6-49.6k_cityscapes-512x1024': (66.4, 620, 230),
    'eseg-s_1xb16-90k_cityscapes-512x1024': (80.1, 2100, 800),
    'eseg-m_1xb16-90k_cityscapes-512x1024': (81.6, 4500, 1900),
    'eseg-l_1xb16-90k_cityscapes-512x1024': (82.6, 11000, 5000),
    'eseg-lite-s_1xb16-90k_cityscapes-1024x1024': (76.0, 900, 500),
    'eseg-lite-m_1xb16-90k_cityscapes-1024x1024': (78.6, 1500, 900),
    'eseg-lite-l_1xb16-90k_cityscapes-1024x1024': (80.1, 3000, 2100),
    'BiSeNetV2': (73.21, 1600, 800),
    'DDRNet-23-slim': (77.84, 700, 400),
    'PIDNet-S': (78.74, 900, 500),
    'STDC1': (74.94, 1000, 500),
    'Fast-SCNN': (70.96, 550, 210),
    'DeepLabV3+ MobileNetV2': (75.2, 6900, 4000),
}


def figures_of(name, engine, miou, ms):
    laps = [dict.fromkeys(STAGES, ms / 1000 / len(STAGES) * (1 + run / 100)) for run in range(9)]
    return Figures(name, engine, None, None, None, 9.0, miou, laps, Conditions(2, 9, 0.5, 0.7))


@pytest.fixture
def figures():
    rows = []
    for name, (miou, torch_ms, export_ms) in NETWORKS.items():
        rows.append(figures_of(name, 'torch', miou, torch_ms))
        if '_' in name:
            rows.append(figures_of(f'{name.split("_")[0]}_onnx', 'onnx', miou, export_ms))
    return rows


@pytest.fixture
def axes(monkeypatch):
    """All axes that are drawn."""
    made, subplots = [], Figure.subplots

    def keep(self, *args, **kwargs):
        made.append(subplots(self, *args, **kwargs))
        return made[-1]

    monkeypatch.setattr(Figure, 'subplots', keep)
    return made


def test_an_export_joins_its_config(figures):
    networks = {network.title: network for network in networks_of(figures)}
    assert len(networks) == len(NETWORKS)
    network = networks['ESPNet p2 q8']
    assert network.miou == 61.4 and network.times.keys() == {'torch', 'onnx'}
    assert network.times['onnx'] == pytest.approx((208, 200 * 1.076))
    assert networks['BiSeNetV2'].times.keys() == {'torch'}
    assert networks['BiSeNetV2'].color == networks['STDC1'].color != networks['ESeg-S'].color


@pytest.mark.parametrize(
    ('engine', 'name'),
    [
        ('onnx', 'ONNX Runtime'),
        ('openvino-int8', 'OpenVINO, int8'),
        ('openvino-bf16', 'OpenVINO, bf16'),
        ('phone', 'phone'),
    ],
)
def test_names_of_engines(engine, name):
    assert name_of(engine) == name


def test_equal_titles_stay_apart():
    names = ['eseg-lite0_1xb8_camvid', 'eseg-lite0_imagenet-pre_1xb8_camvid']
    rows = [figures_of(name, 'torch', 50.0 + i, 100) for i, name in enumerate(names)]
    rows.append(figures_of('no miou', 'torch', None, 100))
    assert [network.title for network in networks_of(rows)] == names


def test_every_name_is_written_once_and_covers_nothing(tmp_path, figures, axes):
    plot(tmp_path / 'a.png', figures)
    image = read_image(tmp_path / 'a.png')
    assert image.shape[1] > image.shape[0] > 500 and len(np.unique(image.reshape(-1, 3))) > 10
    (drawn,) = axes
    networks = networks_of(figures)
    assert sorted(t.get_text() for t in drawn.texts) == sorted(n.title for n in networks)
    names = [text.get_window_extent() for text in drawn.texts]
    points = [box for network in networks for box in module.boxes_of(drawn, network)]
    for box, other in combinations(names, 2):
        assert not module.overlap(box, other)
    for box in names:
        assert module.overlap(box, drawn.bbox) == pytest.approx(module.area(box))
        assert not any(module.overlap(box, point) for point in points)
    assert 'exported (ONNX Runtime)' in drawn.get_title(loc='left')
    ticks = [label.get_text() for label in drawn.get_xticklabels()]
    assert {'200 ms', '500 ms', '1 s', '5 s'} <= {*ticks}


def test_crowded_names_are_all_written(tmp_path, axes):
    rows = [figures_of(f'net {number}', 'torch', 50.0, 100) for number in range(60)]
    plot(tmp_path / 'a.png', rows)
    assert len(axes[0].texts) == 60
    assert not axes[0].get_title(loc='left')


def test_places_run_out_in_a_tiny_picture():
    figure = Figure(figsize=(1, 1))
    axes = figure.subplots()
    networks = networks_of([figures_of('a network with a very long name', 'torch', 50.0, 100)])
    module.draw_network(axes, networks[0])
    place_names(axes, networks)
    assert len(axes.texts) == 1


@pytest.mark.parametrize(('ms', 'text'), [(50, '50 ms'), (999, '999 ms'), (1000, '1 s'),
                                          (2500, '2.5 s')])  # fmt: skip
def test_durations(ms, text):
    assert duration(ms) == text
