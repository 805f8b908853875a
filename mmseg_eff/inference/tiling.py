"""Segment images of any size, whole slides too, tile by tile.

Each tile is segmented with a margin (``overlap``) whose labels are dropped, so that the labels that
are kept were predicted with their surroundings. Away from the borders of the image they equal those
of the whole image if

- the network has no global context (pooling over the whole image, attention) and the overlap is
  not smaller than its receptive radius;
- tiles begin at multiples of the output stride (they begin at multiples of 32), the sides of the
  image are multiples of it too, and logits are upsampled with ``align_corners=False``.

Otherwise they are close. ``save_tiled`` needs memory for one tile, its logits and an overlay of at
most 4096 x 4096 pixels, whatever the size of the image: ``.npy`` files are mapped, slides are read
by OpenSlide. Other images are decoded as a whole, 3 bytes a pixel. It keeps finished tiles on disk,
so that a run that was stopped goes on with the missing ones.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..datasets.image_reader import to_display
from ..errors import OutputError
from ..utils.atomic_io import replacing, writing
from ..utils.image_io import Label, write_png
from ..visualization.legend import Legend
from ..visualization.overlay import OverlayStyle, draw_overlay
from .inputs import Source
from .prediction import Prediction
from .region_readers import Regions, open_regions
from .segmentor import Segmentor
from .tile_files import file_stamp, holds, make_array, write_label_png, write_region
from .tile_grid import Tile, plan_tiles

MAX_OVERVIEW = 4096  # pixels of a side of an overlay


class Tiling(NamedTuple):
    """How to tile.

    Attributes:
        size: Side of a tile in pixels, margins included.
        overlap: Margin in pixels towards each neighbour.
        settings: What the outputs depend on besides the image, in JSON's types; tiles that were
            made with other settings are segmented again.
    """

    size: int
    overlap: int
    settings: dict[str, object]


def overview_step(shape: tuple[int, int]) -> int:
    """The step of the pixels that an overlay of an image (H, W) shows."""
    return -(-max(shape) // MAX_OVERVIEW)


def segment_tile(
    segmentor: Segmentor, regions: Regions, tile: Tile
) -> tuple[Label, NDArray[np.uint8]]:
    """Labels (h, w) of a tile with its margins, and the tile as an 8-bit BGR image (h, w, 3)."""
    loaded = regions.read(tile.read)
    return segmentor.segment(loaded), to_display(loaded['img'], regions.limits)


def predict_tiled(source: Source, segmentor: Segmentor, size: int, overlap: int) -> Prediction:
    """Segment an image tile by tile, in memory.

    Args:
        source: The image.
        segmentor: Reads the image and labels its tiles.
        size: Side of a tile in pixels, margins included.
        overlap: Margin in pixels towards each neighbour.

    Raises:
        InputError: See ``open_regions``.
    """
    regions = open_regions(source.path, segmentor.reader)
    step = overview_step(regions.shape)
    labels = np.zeros(regions.shape, segmentor.label_dtype)
    overview = np.zeros((*(-(-side // step) for side in regions.shape), 3), np.uint8)
    for tile in plan_tiles(regions.shape, size, overlap):
        part, image = segment_tile(segmentor, regions, tile)
        labels[tile.keep] = part[tile.inside()]
        overview[tile.reduced(step)] = image[tile.inside(step)]
    return Prediction(
        name=source.name,
        path=source.path,
        frame=None,
        labels=labels,
        image=overview,
        classes=segmentor.classes,
        palette=segmentor.palette,
        step=step,
    )


def save_tiled(
    source: Source, out: Path, segmentor: Segmentor, style: OverlayStyle, tiling: Tiling
) -> Iterator[int]:
    """Write ``labels/{name}.png`` and ``overlays/{name}.png``, tile by tile.

    The overlay shows every n-th pixel of images with a side above 4096. Finished tiles are kept in
    ``tiles/{name}.partial``, the settings of a finished image in ``tiles/{name}.json``: a tile or
    an image is segmented again only if the image or ``tiling`` has changed.

    Args:
        source: The image.
        out: Output folder.
        segmentor: Reads the image and labels its tiles.
        style: How to draw the overlay.
        tiling: Tiles and overlap.

    Yields:
        The number of tiles, once after each tile, also after those of an earlier run.

    Raises:
        InputError: See ``open_regions``.
        OutputError: If there is no space for the labels; before anything is segmented.
    """
    regions = open_regions(source.path, segmentor.reader)
    shape, colors = regions.shape, style.colors(segmentor.palette, segmentor.classes)
    tiles = plan_tiles(shape, tiling.size, tiling.overlap)
    job = json.dumps({'image': file_stamp(source.path), **tiling._asdict()}, indent=1)
    label_path, overlay_path = (
        out / f'{kind}/{source.name}.png' for kind in ('labels', 'overlays')
    )
    finished = out / 'tiles' / f'{source.name}.json'
    work = out / 'tiles' / f'{source.name}.partial'
    if holds(finished, job) and label_path.is_file() and overlay_path.is_file():
        for _ in tiles:
            yield len(tiles)
        return

    step = overview_step(shape)
    if not holds(work / 'job.json', job):
        shutil.rmtree(work, ignore_errors=True)
        try:
            with writing(work):
                work.mkdir(parents=True)
                make_array(work / 'labels.npy', shape, segmentor.label_dtype)
                make_array(work / 'overlay.npy', (*(-(-side // step) for side in shape), 3))
                make_array(work / 'done.npy', (len(tiles),))
                (work / 'job.json').write_text(job)
        except OutputError:
            shutil.rmtree(work, ignore_errors=True)  # most of what fills the disk
            raise
    done = np.load(work / 'done.npy', mmap_mode='r+')
    for index, tile in enumerate(tiles):
        if not done[index]:
            labels, image = segment_tile(segmentor, regions, tile)
            write_region(work / 'labels.npy', tile.keep, labels[tile.inside()])
            shown, of = image[tile.inside(step)], labels[tile.inside(step)]
            if shown.size:  # a tile narrower than the step may have no pixel of the overlay
                overlay = draw_overlay(shown, of, colors, style.opacity, outline=style.outline)
                write_region(work / 'overlay.npy', tile.reduced(step), overlay)
            done[index] = 1
            done.flush()
        yield len(tiles)
    write_label_png(label_path, work / 'labels.npy')
    overlay = np.load(work / 'overlay.npy')
    if style.legend:
        labels = np.load(work / 'labels.npy', mmap_mode='r')[::step, ::step]
        overlay = Legend(segmentor.classes, colors).append(overlay, labels)
    write_png(overlay_path, overlay)
    with replacing(finished) as temporary:
        temporary.write_text(job)
    shutil.rmtree(work)
