import pytest

from mmseg_eff.files import replacing


def test_written_whole_into_a_new_folder(tmp_path):
    path = tmp_path / 'deep/file.txt'
    with replacing(path) as temporary:
        temporary.write_text('new')
        assert not path.exists()
    assert path.read_text() == 'new'
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_alone(tmp_path):
    path = tmp_path / 'file.txt'
    path.write_text('old')
    with pytest.raises(KeyboardInterrupt), replacing(path) as temporary:
        temporary.write_text('half')
        raise KeyboardInterrupt
    assert path.read_text() == 'old'
    assert list(tmp_path.iterdir()) == [path]
