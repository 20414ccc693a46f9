"""A contact sheet: some images of each class in a row behind its name, as the decoder of training sees them."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image, ImageDraw, ImageFont

from kres.training.data.source import Source
from kres.writing import write_atomically

TILE_PX = 96
GAP_PX = 4
NAME_PX = 180
"""At most; short names leave more to the images."""
TEXT_PX = 14


def check_sheet(path: Path) -> None:
    """ValueError for a file whose suffix is no image's; FileNotFoundError when its folder is not there."""
    writable = sorted(suffix for suffix, kind in Image.registered_extensions().items() if kind in ("PNG", "JPEG"))
    if path.suffix.lower() not in writable:
        raise ValueError(f"a contact sheet must be one of {', '.join(writable)}. Received: {path}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder of a contact sheet must be there. Received: {path}")


def contact_sheet(source: Source, path: Path, *, classes: Sequence[int], columns: int = 8) -> None:
    """Write an image with a row a class of `classes`: its name, then up to `columns` of its images.

    Images are spread evenly over the training split, each shrunk to fit 96 x 96 pixels; small ones are enlarged to a
    whole multiple, pixel for pixel. The file is written whole or not at all. Errors are those of `check_sheet`, and
    ValueError for a number of columns below 1.
    """
    check_sheet(path)
    if columns < 1:
        raise ValueError(f"columns must be above 0. Received: columns={columns}")
    step = TILE_PX + GAP_PX
    font = ImageFont.load_default(TEXT_PX)
    names = [_fitting(source.class_names[label], font) for label in classes]
    margin = math.ceil(max(map(font.getlength, names), default=0)) + 2 * GAP_PX
    sheet = Image.new("RGB", (margin + columns * step, len(classes) * step + GAP_PX), "white")
    draw = ImageDraw.Draw(sheet)
    for row, (label, name) in enumerate(zip(classes, names, strict=True)):
        top = GAP_PX + row * step
        draw.text((GAP_PX, top + (TILE_PX - TEXT_PX) // 2), name, "black", font)
        members = np.flatnonzero(source.train.labels == label)
        chosen = members[:: max(1, -(-len(members) // columns))]
        for column, index in enumerate(chosen):
            tile = _tile(source.train.read(tf.constant(index, tf.int64)).numpy())
            left = margin + column * step
            sheet.paste(tile, (left + (TILE_PX - tile.width) // 2, top + (TILE_PX - tile.height) // 2))
    write_atomically(path, sheet.save)


def _tile(image: np.ndarray) -> Image.Image:
    tile = Image.fromarray(image)
    times = TILE_PX // max(tile.size)
    if times > 1:
        return tile.resize((tile.width * times, tile.height * times), Image.Resampling.NEAREST)
    tile.thumbnail((TILE_PX, TILE_PX))
    return tile


def _fitting(name: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """`name`, cut to the width that names may have."""
    for length in range(len(name), 0, -1):
        text = name if length == len(name) else name[:length] + "..."
        if font.getlength(text) <= NAME_PX - 2 * GAP_PX:
            return text
    return ""
