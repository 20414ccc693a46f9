import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kres.training.data import load
from kres.training.data.inspection import Spread, inspect
from kres.training.data.sheet import GAP_PX, NAME_PX, TILE_PX, contact_sheet
from tests.training.data.images import png, write_shard


def _image(mode, size, value, suffix):
    content = io.BytesIO()
    Image.new(mode, size, value).save(content, format=suffix)
    return content.getvalue()


FILES = {
    "train/cat/0.png": _image("RGB", (10, 6), (1, 2, 3), "png"),
    "train/cat/1.jpg": _image("L", (20, 8), 9, "jpeg"),
    "train/cat/2.jpg": _image("CMYK", (30, 8), (9, 9, 9, 9), "jpeg"),
    "train/dog/3.png": _image("RGBA", (40, 8), (9, 9, 9, 9), "png"),
    "train/dog/4.gif": _image("P", (50, 100), 3, "gif"),
    "train/dog/5.png": png(7)[:50],
    "train/dog/6.jpg": _image("L", (20, 8), 9, "jpeg"),  # as cat/1.jpg
    "val/cat/0.jpg": _image("L", (20, 8), 9, "jpeg"),
    "val/dog/1.bmp": _image("RGB", (8, 8), 5, "bmp"),
}


@pytest.fixture
def photos(tmp_path):
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_a_folder_is_told_as_pil_sees_it(photos):
    found = inspect(load(photos, on_corrupt="skip"))
    assert found.counts == {"train": [3, 3], "test": [1, 1]} and not found.held_out
    assert found.width == Spread(min=8, median=20, max=50)
    assert found.height == Spread(min=6, median=8, max=100)
    sizes = sorted(len(content) for name, content in FILES.items() if "5.png" not in name)
    assert found.file_bytes == Spread(min=sizes[0], median=float(np.median(sizes)), max=sizes[-1])
    assert found.formats == {"JPEG": 4, "PNG": 2, "GIF": 1, "BMP": 1}
    assert found.colours == {"grey": 3, "colour": 3, "CMYK": 1, "alpha": 1}
    assert found.corrupt == ("dog/5.png",)


def test_images_in_both_splits_and_repeats_are_found_by_their_bytes(photos):
    found = inspect(load(photos, on_corrupt="skip"))
    assert found.leaks == (("cat/1.jpg", "cat/0.jpg"),)
    assert found.repeats == {"train": 1, "test": 0}


def test_arrays_have_no_files_and_leak_all_the_same():
    images = np.random.default_rng(0).integers(0, 256, (4, 6, 5, 3)).astype("uint8")
    labels = np.arange(4) % 2
    found = inspect(load(((images, labels), (images[2:], labels[2:]))))
    assert found.file_bytes is None and found.formats == {"array": 6}
    assert (found.width.max, found.height.max) == (5, 6)
    assert found.leaks == (("arrays/train/2", "arrays/test/0"), ("arrays/train/3", "arrays/test/1"))
    grey = np.repeat(images[..., :1], 3, axis=-1)
    assert inspect(load(((grey, labels), (images, labels)))).colours == {"grey": 4, "colour": 4}


def test_images_of_records_are_read_from_them(tmp_path):
    examples = [{"image/encoded": png(i), "image/class/label": 1 + i % 2} for i in range(6)]
    write_shard(tmp_path / "train-00000-of-00001", examples)
    write_shard(tmp_path / "validation-00000-of-00001", examples[:1])
    found = inspect(load(tmp_path))
    assert found.formats == {"PNG": 7}
    assert found.leaks == (("train-00000-of-00001/0", "validation-00000-of-00001/0"),)


def test_a_contact_sheet_has_a_row_a_class(tmp_path):
    levels = np.array([40, 80, 120, 160, 200, 240], np.uint8)
    images = np.tile(levels[:, None, None, None], (1, 32, 32, 3))
    labels = np.array([0, 1, 0, 1, 0, 1])
    source = load(((images, labels), (images, labels)))
    contact_sheet(source, tmp_path / "sheet.png", classes=[1, 0], columns=3)
    with Image.open(tmp_path / "sheet.png") as sheet:
        pixels = np.asarray(sheet)
    step = TILE_PX + GAP_PX
    margin = pixels.shape[1] - 3 * step
    assert margin < 30  # names of a letter leave the room to the images
    centres = [
        [pixels[row * step + step // 2, margin + column * step + TILE_PX // 2, 0] for column in range(3)]
        for row in range(2)
    ]
    assert centres == [[80, 160, 240], [40, 120, 200]]
    assert (pixels[:, :margin] < 128).any(axis=(1, 2)).sum() > 10  # the names
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]


def test_a_wide_image_is_shrunk_and_a_long_name_cut(tmp_path):
    for name in ("a" * 200, "b"):
        (tmp_path / name).mkdir()
        for i in range(4):
            tf.io.write_file(str(tmp_path / name / f"{i}.png"), png(9 * i, (30, 300)))
    contact_sheet(load(tmp_path), tmp_path / "sheet.jpg", classes=[0, 1])
    with Image.open(tmp_path / "sheet.jpg") as sheet:
        assert sheet.height == 204 and NAME_PX - 20 < sheet.width - 8 * 100 <= NAME_PX  # cut at a letter


@pytest.mark.parametrize(
    ("name", "options", "error", "words"),
    [
        ("sheet.txt", {}, ValueError, r"must be one of .*\.png.*Received: .*sheet.txt"),
        ("none/sheet.png", {}, FileNotFoundError, r"folder of a contact sheet must be there"),
        ("sheet.png", {"columns": 0}, ValueError, "Received: columns=0"),
    ],
)
def test_sheets_that_cannot_be_written(tmp_path, name, options, error, words):
    with pytest.raises(error, match=words):
        contact_sheet(load("digits"), tmp_path / name, classes=[0], **options)
