import pytest
from exported import write_export

import mmseg_eff
from mmseg_eff.errors import InputError


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(workers=0), 'workers must be 1 or more, got 0'),
        (dict(max_batch=0), 'max_batch must be 1 or more, got 0'),
        (dict(max_bytes=0), 'max_bytes must be 1 or more, got 0'),
        (dict(max_pixels=0), 'max_pixels must be 1 or more, got 0'),
        (dict(max_requests=0), 'max_requests must be 1 or more, got 0'),
        (dict(threads=-1), 'threads must be 0 or more, got -1'),
        (dict(port=-1), 'port must be 0 or more, got -1'),
        (dict(port=65536), 'port must be 65535 or less, got 65536'),
        (dict(timeout=float('nan')), 'timeout must be a finite number of 0 or more, got nan'),
        (dict(batch_wait_ms=-1.0), 'batch_wait_ms must be a finite number of 0 or more, got -1'),
        (dict(timeout=0.0), r'timeout must be longer than batch_wait_ms, got 0\.0 s and 5\.0 ms'),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(InputError, match=message):
        mmseg_eff.serve('none', **options)


def test_no_export(tmp_path):
    pytest.importorskip('litserve', reason='needs the extra [serve]')
    with pytest.raises(InputError, match=r'no exported network \(it has no report\.json\)'):
        mmseg_eff.serve(tmp_path, port=0)


def test_missing_package_names_the_extra(tmp_path, monkeypatch):
    folder = write_export(tmp_path / 'exported')
    monkeypatch.setattr('mmseg_eff.serving.run.find_spec', lambda _name: None)
    with pytest.raises(InputError, match=r'needs litserve; install the extra \[serve\]: pip'):
        mmseg_eff.serve(folder, port=0)
