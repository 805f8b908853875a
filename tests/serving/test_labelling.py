import cv2
import numpy as np
import pytest
from exported import write_export

from mmseg_eff.deploy.segmentor import load_export
from mmseg_eff.serving.labelling import label_items, load_upload
from mmseg_eff.serving.uploads import Upload

PIXELS = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)


def png(pixels):
    return cv2.imencode('.png', pixels)[1].tobytes()


@pytest.fixture
def segmentor(tmp_path):
    return load_export(write_export(tmp_path / 'exported', size=[48, 64]))


def labelled(segmentor, *contents):
    items = [load_upload(segmentor, Upload(content, 'png')) for content in contents]
    label_items(segmentor, items)
    return items


def test_a_fault_is_of_its_own_upload(segmentor):
    items = labelled(segmentor, png(PIXELS), png(PIXELS)[:200], png(PIXELS[1:]), png(PIXELS))
    expected = segmentor.runtime.segment(PIXELS)
    assert np.array_equal(items[0].labels, expected) and np.array_equal(items[3].labels, expected)
    assert not items[0].refused and not items[3].refused
    statuses = [item.refused.status for item in items[1:3]]
    reasons = [str(item.refused) for item in items[1:3]]
    assert statuses == [400, 400] and items[1].labels is None and items[2].labels is None
    assert reasons[0] == 'image: cannot be decoded as an image (200 bytes)'
    assert reasons[1].startswith('image: the network was exported for 48x64, got 47x64')


def test_images_of_one_size_run_together(tmp_path, monkeypatch):
    segmentor = load_export(write_export(tmp_path / 'exported'))
    sizes, together = [], segmentor.runtime.segment_batch

    def segment_batch(images):
        sizes.append([image.shape[:2] for image in images])
        if len(images) == 3:
            raise ValueError('a fault of one of them')
        return together(images)

    monkeypatch.setattr(segmentor.runtime, 'segment_batch', segment_batch)
    small, large = PIXELS[:20, :30], PIXELS
    items = labelled(segmentor, *map(png, (small, large, small[::-1], large[::-1], large)))
    assert sizes[:3] == [[(20, 30)] * 2, [(48, 64)] * 3, [(48, 64)]]
    assert sizes[3:] == [[(48, 64)]] * 2  # those of the batch that failed, one by one
    for item, pixels in zip(items, (small, large, small[::-1], large[::-1], large), strict=True):
        assert np.array_equal(item.labels, together([pixels])[0])


@pytest.mark.parametrize(
    ('error', 'status', 'reason'),
    [
        (RuntimeError('/home/me/model.onnx: broken'), 500, 'the network failed on it'),
        (MemoryError(), 413, 'does not fit into memory'),
    ],
)
def test_a_fault_of_the_engine_names_no_file(segmentor, monkeypatch, error, status, reason):
    def run(_inputs):
        if isinstance(error, MemoryError):
            raise error
        raise ValueError(str(error)) from error  # as the runtime does

    monkeypatch.setattr(segmentor.runtime, 'run', run)
    (item,) = labelled(segmentor, png(PIXELS))
    assert item.refused.status == status
    assert reason in str(item.refused) and '/home' not in str(item.refused)
