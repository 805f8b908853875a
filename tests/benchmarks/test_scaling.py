import pytest


@pytest.fixture
def scaling(root, monkeypatch):
    monkeypatch.syspath_prepend(str(root / 'benchmarks'))
    import scaling

    return scaling


def rows(points, seconds, megabytes):
    return [dict(point=p, seconds=seconds(p), megabytes=megabytes(p)) for p in points]


def test_exponents_are_those_of_the_upper_half(scaling):
    points = [1, 10, 100, 1000, 10000]
    found = scaling.exponents(points, rows(points, lambda p: 1e-3 * p**1.5, lambda p: 50 + p**2))
    assert found['seconds'] == pytest.approx(1.5)
    assert found['megabytes'] == pytest.approx(2, abs=0.01)


def test_memory_that_stays_has_no_exponent(scaling):
    points = [1, 2, 4]
    found = scaling.exponents(points, rows(points, float, lambda p: 20 + p))
    assert found == dict(seconds=pytest.approx(1), megabytes=None)


def test_every_series_has_its_work(scaling, tmp_path):
    for name, axis in scaling.AXES.items():
        assert set(axis.series) == set(scaling.works(name, 1, tmp_path, tmp_path))
