import gc
import io
import json
import os
import stat
import zipfile

import cv2
import numpy as np
import pytest
from label_formats.writers import MASK_WRITERS, POLYGON_WRITERS, cvat_xml

from mmseg_eff.errors import InputError
from mmseg_eff.label_formats import convert, detect, read_labels
from mmseg_eff.label_formats.unpack import Unpacked

CLASSES = ('background', 'crack', 'joint')
LABELS = np.kron(np.array([[0, 1, 1, 2], [0, 0, 2, 255]], np.uint8), np.ones((4, 4), np.uint8))


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """Folder of the temporary files."""
    folder = tmp_path / 'temporary'
    folder.mkdir()
    monkeypatch.setattr('tempfile.tempdir', str(folder))
    return folder


def pack(path, folder, below=''):
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as file:
        for member in sorted(folder.rglob('*')):
            file.write(member, below + str(member.relative_to(folder)))
    return path


def pack_members(path, *members):
    """Write members: names, or ``ZipInfo``, with what they hold."""
    with zipfile.ZipFile(path, 'w') as file:
        for name, data in members:
            file.writestr(name, data)
    return path


@pytest.mark.parametrize('below', ['', 'export/'])
@pytest.mark.parametrize('writer', [*MASK_WRITERS, *POLYGON_WRITERS])
def test_every_format_comes_out_of_a_zip_file(tmp_path, temporary, writer, below):
    format, write = (MASK_WRITERS | POLYGON_WRITERS)[writer]
    folder = tmp_path / 'written'
    folder.mkdir()
    source = write(folder, {'a': LABELS}, CLASSES)
    archive = pack(tmp_path / 'export.zip', source if source.is_dir() else source.parent, below)
    options = dict(split='train') if format == 'yolo' else {}
    if format == 'colors':
        options['colors'] = folder / 'class_dict.csv'
    assert detect(archive) == format and not [*temporary.iterdir()]
    plain = read_labels(source, classes=CLASSES, **options).items
    items = read_labels(archive, classes=CLASSES, **options).items
    gc.collect()
    assert [item.name for item in items] == ['a'] and len([*temporary.iterdir()]) == 1
    assert np.array_equal(items[0].draw(), plain[0].draw())
    del items
    gc.collect()
    assert not [*temporary.iterdir()]


def test_conversion_leaves_no_temporary_file(tmp_path, temporary):
    format, write = MASK_WRITERS['coco']
    (tmp_path / 'written/annotations').mkdir(parents=True)
    write(tmp_path / 'written/annotations', {'a': LABELS}, CLASSES)
    archive = pack(tmp_path / 'export.zip', tmp_path / 'written')
    result = convert(archive, tmp_path / 'out')
    gc.collect()
    assert result.format == format and not [*temporary.iterdir()]
    written = cv2.imread(str(tmp_path / 'out/a.png'), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(written, LABELS)


def test_errors_name_the_archive_and_the_member(tmp_path, temporary):
    box = '<box label="a" xtl="1"/>'
    path = cvat_xml(tmp_path / 'written/annotations.xml', {'a.jpg': ((8, 8), [box])}, ['a'])
    archive = pack(tmp_path / 'export.zip', path.parent)
    with pytest.raises(InputError) as caught:
        convert(archive, tmp_path / 'out')
    assert str(caught.value).startswith(f'{archive}/annotations.xml: image ')
    assert str(temporary) not in str(caught.value)


def test_files_of_the_system_s_own_are_left_out(tmp_path):
    task = json.dumps([dict(id=1)])
    archive = pack_members(
        tmp_path / 'a.zip',
        ('x/a.json', task),
        ('x/.DS_Store', 'x'),
        ('__MACOSX/x/._a.json', 'x'),
        ('x/run.sh', 'x'),
    )
    unpacked = Unpacked(archive)
    assert [path.name for path in unpacked.folder.rglob('*')] == ['a.json']
    assert unpacked.folder.name == 'x'


def link(name):
    member = zipfile.ZipInfo(name)
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    return member


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('../a.json', 'expected a path below'),
        ('x/../../a.json', 'expected a path below'),
        ('/etc/a.json', 'expected a path below'),
        ('..\\a.json', 'expected a path below'),
        ('C:\\a.json', 'expected a path below'),
        ('a\nb.json', 'expected a path below'),
        ('x' * 300 + '.json', 'expected a path below'),
        (link('a.json'), 'is a link'),
    ],
)
def test_members_stay_below_the_folder(tmp_path, temporary, name, message):
    archive = pack_members(tmp_path / 'a.zip', ('first.json', '{}'), (name, '{}'))
    before = {*tmp_path.rglob('*.json')}
    with pytest.raises(InputError, match=message) as caught:
        read_labels(archive)
    assert str(caught.value).startswith(f'{archive}: member ') and '\n' not in str(caught.value)
    assert {*tmp_path.rglob('*.json')} == before and not [*temporary.iterdir()]


def test_two_members_of_one_path_are_refused(tmp_path):
    with pytest.warns(UserWarning, match='Duplicate name'):
        archive = pack_members(tmp_path / 'a.zip', ('a.json', '{}'), ('a.json', '[]'))
    with pytest.raises(InputError, match=r"member 'a\.json': two members have this path"):
        read_labels(archive)
    archive = pack_members(tmp_path / 'b.zip', ('a.json', '{}'), ('a.json/b.json', '[]'))
    with pytest.raises(InputError, match='two members have this path'):
        read_labels(archive)


def test_archives_of_many_bytes_unpacked_are_refused_at_once(tmp_path, temporary, monkeypatch):
    data = io.BytesIO()
    with zipfile.ZipFile(data, 'w', zipfile.ZIP_DEFLATED) as file:
        for index in range(4):
            file.writestr(f'{index}.json', bytes(10**6))
    archive = tmp_path / 'a.zip'
    archive.write_bytes(data.getvalue())
    assert archive.stat().st_size < 10**5
    monkeypatch.setenv('MMSEG_EFF_MAX_FILE_MB', '3')
    with pytest.raises(InputError, match=r'has 4 MB unpacked; at most 3 .*MMSEG_EFF_MAX_FILE_MB'):
        read_labels(archive)
    assert not [*temporary.rglob('*.json')]


def test_a_member_that_lies_about_its_size_is_refused(tmp_path):
    """The central directory says 5 bytes; the member holds a million."""
    archive = pack_members(tmp_path / 'a.zip', ('a.json', ' ' * 10**6))
    data = archive.read_bytes()
    size = (10**6).to_bytes(4, 'little')
    assert data.count(size) == 4  # packed and unpacked, at the member and in the directory
    start = data.index(b'PK\x01\x02')
    data = data[:start] + data[start:].replace(size, (5).to_bytes(4, 'little'))
    archive.write_bytes(data)
    with pytest.raises(InputError, match='cannot be unpacked'):
        read_labels(archive)


@pytest.mark.parametrize('cut', [0, 1, 30, 100, -1, -30])
def test_cut_archives_are_one_line(tmp_path, cut):
    archive = pack_members(tmp_path / 'a.zip', ('a.json', os.urandom(200).hex()))
    archive.write_bytes(archive.read_bytes()[:cut])
    with pytest.raises(InputError) as caught:
        read_labels(archive)
    assert str(caught.value).startswith(f'{archive}: ') and '\n' not in str(caught.value)


def test_encrypted_archives_are_refused(tmp_path):
    archive = pack_members(tmp_path / 'a.zip', ('a.json', '{}'))
    data = bytearray(archive.read_bytes())
    for mark, offset in ((b'PK\x03\x04', 6), (b'PK\x01\x02', 8)):
        data[data.index(mark) + offset] |= 1
    archive.write_bytes(data)
    with pytest.raises(InputError, match=r"member 'a\.json': is encrypted"):
        read_labels(archive)


def test_an_archive_without_labels_is_of_no_format(tmp_path):
    with pytest.raises(InputError, match='of no format'):
        read_labels(pack_members(tmp_path / 'a.zip', ('a.sh', 'x')))
