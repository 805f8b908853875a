import pytest

from mmseg_eff.benchmarking.report import HEADER, STAGES, Figures, cells
from mmseg_eff.benchmarking.timing import Conditions

CONDITIONS = Conditions(2, 21, 0.5, 0.7)


def test_figures_of_the_runs():
    laps = [{stage: 1e-3 * (run + i) for i, stage in enumerate(STAGES)} for run in range(1, 22)]
    figures = Figures(
        'net', 'torch', (32, 64), 1_234_567, 9_876_543_210, 99.6, None, laps, CONDITIONS
    )
    times = figures.milliseconds()
    for i, stage in enumerate(STAGES):  # 21 runs of 1 to 21 ms, and i more
        assert times[stage] == pytest.approx([11 + i, 20 + i])
    assert times['all'] == pytest.approx([5 * 11 + 10, 5 * 20 + 10])
    row = dict(zip(HEADER, cells(figures), strict=True))
    assert row['parameters M'] == '1.235' and row['MACs G'] == '9.88' and row['mIoU'] == '–'
    assert row['input'] == '32x64' and row['memory MB'] == '100'
    assert row['decode'] == '11.0 / 20.0' and row['all'] == '65.0 / 110.0'
    assert figures.fastest == pytest.approx(5 * 1 + 10) and row['fastest'] == '15.0'
