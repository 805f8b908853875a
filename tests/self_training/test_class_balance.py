import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmseg_eff.datasets.image_reader import ImageReader
from mmseg_eff.inference.inputs import Source
from mmseg_eff.self_training.class_balance import (
    confidence_of,
    count_ranks,
    keep_share,
    levels_of,
    limits_of_share,
    ranks_of,
    tied_quotas,
)
from mmseg_eff.self_training.label_files import LabelWriter, read_record, write_label
from mmseg_eff.self_training.teacher import PseudoLabel
from mmseg_eff.utils.image_io import write_png

SIZE = (60, 50)
NUM_CLASSES = 4
VOID = 4


def saturated(rng, size):
    """Nine of ten pixels round to 255 of 255, as a teacher's do on the road."""
    certain = 1 - 10 ** rng.uniform(-5, -2.75, size)
    return np.where(rng.random(size) < 0.9, certain, rng.uniform(0.5, 0.99, size))


CONFIDENCES = {
    'saturated': saturated,
    'all 1': lambda rng, size: np.ones(size),
    'all 0.5': lambda rng, size: np.full(size, 0.5),
    'half 1': lambda rng, size: np.where(rng.random(size) < 0.5, 1, 0.7),
    'spread': lambda rng, size: rng.random(size),
    'beyond float32': lambda rng, size: 1 - 10 ** rng.uniform(-12, -6, size),
}


@pytest.fixture
def write(tmp_path):
    """Write candidates of images and give their sources."""

    def write_images(draw, num_images=3, ranks=ranks_of):
        rng, sources = np.random.default_rng(0), []
        for index in range(num_images):
            source = Source(Path(f'{index}.png'), f'folder/{index}')
            label = rng.choice(NUM_CLASSES + 1, SIZE, p=[0.6, 0.3, 0.09, 0, 0.01]).astype(np.uint8)
            confidence = draw(rng, SIZE).astype(np.float32)
            predicted = np.bincount(label.ravel(), minlength=NUM_CLASSES)[:NUM_CLASSES].tolist()
            made = PseudoLabel(label, confidence, predicted, predicted)
            write_png(tmp_path / 'all/confidence' / f'{source.name}.png', ranks(confidence))
            write_label(tmp_path / 'all/labels' / f'{source.name}.png', made, 'digest')
            sources.append(source)
        return sources

    return write_images


def keep(sources, folder, share, **options):
    writer = LabelWriter(folder / 'out', ImageReader(), np.zeros((256, 3), np.uint8), **options)
    lowest = keep_share(sources, folder / 'all', writer, num_classes=NUM_CLASSES, share=share)
    assert lowest[3] is None  # a class that no pixel has
    assert all(0 <= value <= 1 for value in lowest[:3])
    return read(sources, folder / 'out/labels')


def read(sources, folder):
    return np.stack([np.array(Image.open(folder / f'{source.name}.png')) for source in sources])


@pytest.mark.parametrize('share', [0.2, 0.5, 0.99, 1])
@pytest.mark.parametrize('draw', CONFIDENCES.values(), ids=CONFIDENCES)
def test_the_share_is_kept(write, tmp_path, draw, share):
    sources = write(draw)
    kept = keep(sources, tmp_path, share)
    label, ranks = (read(sources, tmp_path / 'all' / kind) for kind in ('labels', 'confidence'))
    for index in (0, 1, 2):
        is_class = label == index
        assert (kept == index).sum() == np.ceil(round(share * is_class.sum(), 6))
        dropped = ranks[is_class & (kept == 255)]
        assert ranks[kept == index].min() >= dropped.max(initial=0)
    assert (kept[label == VOID] == 255).all()
    record = read_record(tmp_path / 'out/labels/folder/0.png')
    assert record.kept == [(kept[0] == index).sum() for index in range(NUM_CLASSES)]


def test_8_bits_of_another_program_keep_the_share(write, tmp_path):
    sources = write(saturated, ranks=levels_of)
    kept = keep(sources, tmp_path, 0.2)
    label = read(sources, tmp_path / 'all/labels')
    for index in (0, 1, 2):
        assert (kept == index).sum() == np.ceil(round(0.2 * (label == index).sum(), 6))


def test_every_image_keeps_its_part_of_equal_pixels(write, tmp_path):
    sources = write(CONFIDENCES['all 1'], num_images=5)
    kept = keep(sources, tmp_path, 0.3)
    label = read(sources, tmp_path / 'all/labels')
    for index in (0, 1, 2):
        parts = (kept == index).sum((1, 2)) - 0.3 * (label == index).sum((1, 2))
        assert np.abs(parts).max() <= 1
    is_kept = kept[label == 0] == 0
    halves = is_kept[: is_kept.size // 2].mean(), is_kept[is_kept.size // 2 :].mean()
    assert max(halves) < 0.35  # not all in the upper rows


def test_another_run_keeps_the_same_pixels(write, tmp_path):
    sources = write(CONFIDENCES['half 1'])
    whole = keep(sources, tmp_path, 0.3)
    (tmp_path / 'out/labels/folder/1.png').unlink()
    assert np.array_equal(keep(sources, tmp_path, 0.3), whole)


def test_no_image_is_left(tmp_path):
    limits, wanted = limits_of_share([], tmp_path, NUM_CLASSES, 0.3)
    assert not wanted.any()
    assert tied_quotas([], tmp_path, limits, wanted) == {}


def test_ranks_grow_with_the_confidence():
    confidence = np.array([0, 0.3, 0.5, 0.99, 1 - 2.0**-20, 1 - 2.0**-24, 1], np.float32)
    ranks = ranks_of(confidence)
    assert (np.diff(ranks.astype(int)) > 0).all()
    assert ranks[0] == 0 and ranks[-1] == 65535
    assert np.abs(confidence_of(ranks) - confidence).max() < 1e-4


def test_confidences_are_written_in_8_bits_on_request(write, tmp_path):
    sources = write(CONFIDENCES['spread'])
    keep(sources, tmp_path, 0.5, digits=levels_of)
    levels = read(sources, tmp_path / 'out/confidence')
    assert levels.dtype == np.uint8
    wanted = 255 * confidence_of(read(sources, tmp_path / 'all/confidence'))
    assert np.abs(levels - wanted).max() <= 0.51


def test_counting_an_image_needs_no_second_table_of_all_ranks(write, tmp_path):
    sources = write(CONFIDENCES['spread'])
    tracemalloc.start()
    counts = count_ranks(sources, tmp_path / 'all', 200)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert counts.sum() > 0
    assert peak < 1.5 * counts.nbytes
