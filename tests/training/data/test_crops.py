import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kres.preprocessing import Preprocess
from kres.training.augmentation import Numbers
from kres.training.data.crops import RESIZES, decode_region, random_shift, read_square
from kres.training.data.source import Split, from_files
from kres.training.settings import Augmentation


def _photograph(height=96, width=128):
    """Smooth enough that chroma subsampling and the choice of a transform hardly show."""
    y, x = np.mgrid[:height, :width]
    parts = [128 + 80 * np.sin(x / 17 + i) * np.cos(y / (13 + 3 * i)) + 20 * np.sin(x / 3) for i in range(3)]
    return np.stack(parts, -1).clip(0, 255).astype(np.uint8)


def _encoded(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return tf.constant(out.getvalue())


PHOTOGRAPH = _photograph()
PREPROCESS = Preprocess(size=24, crop=1.0, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


def _fixed(*box):
    return lambda sides: tf.constant(box, tf.int32)


def _difference(found, expected):
    return np.abs(np.asarray(found, float) - np.asarray(expected, float)).mean()


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_box_of_a_jpeg_is_that_part_of_the_whole(mode):
    encoded = _encoded(Image.fromarray(PHOTOGRAPH).convert(mode), "JPEG", quality=95)
    whole = tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE").numpy()
    found = decode_region(encoded, _fixed(11, 22, 40, 50), size=40)
    assert found.shape == (40, 50, 3)
    # At the border of the box chroma has no neighbour to be interpolated with.
    np.testing.assert_array_equal(found[1:-1, 1:-1], whole[12:50, 23:71])
    assert np.abs(found.numpy().astype(int) - whole[11:51, 22:72]).max() < 20


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_a_box_of_a_jpeg_is_that_part_of_what_pil_decodes(subsampling):
    file = io.BytesIO()
    Image.fromarray(PHOTOGRAPH).save(file, "JPEG", quality=90, subsampling=subsampling)
    whole = np.asarray(Image.open(file), float)
    found = decode_region(tf.constant(file.getvalue()), _fixed(11, 22, 60, 70), size=60)
    # Here the fast transform is 1.0 grey level off, and chroma without smoothing 0.6 (4:2:2) or 1.1 (4:2:0). Two
    # builds of libjpeg-turbo may round a few pixels differently.
    assert _difference(found[1:-1, 1:-1], whole[12:70, 23:91]) < 0.02


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF"])
def test_a_box_of_another_file_is_that_part_of_the_whole(kind):
    encoded = _encoded(Image.fromarray(PHOTOGRAPH), kind)
    whole = tf.io.decode_image(encoded, channels=3, expand_animations=False).numpy()
    np.testing.assert_array_equal(decode_region(encoded, _fixed(11, 22, 40, 50), size=24), whole[11:51, 22:72])
    reduced = decode_region(encoded, _fixed(11, 22, 40, 50), size=20).numpy()
    means = whole[11:51, 22:72].reshape(20, 2, 25, 2, 3).mean(axis=(1, 3))
    assert np.abs(reduced - means).max() <= 0.5  # rounded


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_pattern_too_fine_for_the_target_becomes_grey(kind):
    stripes = np.zeros((320, 480, 3), np.uint8)
    stripes[:, ::2] = 255
    found = decode_region(_encoded(Image.fromarray(stripes), kind, quality=95), _fixed(0, 0, 320, 480), size=16).numpy()
    assert found.shape == {"PNG": (16, 24, 3), "JPEG": (20, 30, 3)}[kind]
    assert np.abs(found - 127.5).max() < 3


@pytest.mark.parametrize(("size", "ratio"), [(60, 1), (41, 1), (40, 2), (20, 4), (10, 8), (6, 8)])
def test_a_large_box_is_decoded_at_the_smallest_scale_that_still_has_the_target(size, ratio):
    encoded = _encoded(Image.fromarray(PHOTOGRAPH), "JPEG", quality=95)
    found = decode_region(encoded, _fixed(8, 16, 80, 96), size=size)
    assert found.shape == (80 // ratio, 96 // ratio, 3)
    means = PHOTOGRAPH[8:88, 16:112].reshape(80 // ratio, ratio, 96 // ratio, ratio, 3).mean(axis=(1, 3))
    # A block's lowest frequencies are its pixels' means, but for what lies between.
    assert _difference(found, means) < 4
    assert abs(found.numpy().mean() - means.mean()) < 0.3


@pytest.mark.parametrize("box", [(0, 0, 97, 131), (31, 65, 66, 66), (96, 130, 1, 1), (1, 1, 96, 130)])
def test_boxes_at_the_border_of_odd_sizes_stay_within(box):
    encoded = _encoded(Image.fromarray(_photograph(97, 131)), "JPEG", quality=95)
    for size in (1, 16, 48, 96):
        found = decode_region(encoded, _fixed(*box), size=size)
        assert min(found.shape[:2]) >= min(size, *box[2:])


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff", b"no image at all", b"\xff\xd8\xff\xe0 cut off"])
def test_what_is_no_image_is_an_error(content):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode_region(tf.constant(content), _fixed(0, 0, 4, 4), size=4)


@pytest.mark.parametrize("kind", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [24, 60, 130])
def test_resizes_keep_the_picture(kind, size):
    found = RESIZES[kind](tf.constant(PHOTOGRAPH[:70, :90]), size)
    assert found.shape == (size, size, 3) and found.dtype == tf.uint8
    expected = tf.image.resize(PHOTOGRAPH[:70, :90], (size, size), method=kind).numpy()
    # Rounded to whole grey levels.
    assert np.abs(np.asarray(found, float) - expected.clip(0, 255)).max() <= 0.501


def test_shift_equals_the_plain_reference():
    image = PHOTOGRAPH[:6, :5]
    rng = np.random.default_rng(0)
    found = set()
    for numbers in rng.random((200, 2), dtype=np.float32):
        top, left = (int(number * 5) for number in numbers)
        expected = np.pad(image, ((2, 2), (2, 2), (0, 0)))[top : top + 6, left : left + 5]
        np.testing.assert_array_equal(random_shift(tf.constant(image), tf.constant(numbers), padding=2), expected)
        found.add((top, left))
    assert len(found) == 25
    np.testing.assert_array_equal(random_shift(tf.constant(image), tf.constant([0.0, 0.0]), padding=0), image)


def _split(encoded):
    """One picture, as a file's bytes or as an array."""
    file = _encoded(Image.fromarray(PHOTOGRAPH), "PNG")
    if encoded:
        return from_files(np.zeros(1, int), ["picture"], lambda _: file, files=())
    return Split(labels=np.zeros(1, int), names=["picture"], read=lambda _: tf.constant(PHOTOGRAPH))


def _square(split, position=0, **options):
    augmentation = Augmentation(**options)
    index, numbers = tf.constant(0, tf.int64), Numbers(0, tf.constant(position, tf.int64))
    return read_square(split, index, numbers, preprocess=PREPROCESS, augmentation=augmentation).numpy()


def test_no_crop_is_what_evaluation_does():
    np.testing.assert_array_equal(_square(_split(True), crop="none"), PREPROCESS.image_to_square(PHOTOGRAPH))


@pytest.mark.parametrize("options", [{"crop": "random_area"}, {"crop": "random_side", "side_px": (30, 60)}])
def test_random_crops_of_a_file_and_of_an_array_are_the_same(options):
    squares = [_square(_split(True), position, **options) for position in range(6)]
    for position, square in enumerate(squares):
        assert square.shape == (24, 24, 3) and square.dtype == np.uint8
        np.testing.assert_array_equal(square, _square(_split(False), position, **options))
    assert len({square.tobytes() for square in squares}) == 6


def test_a_random_side_at_its_smallest_is_the_resized_image():
    square = _square(_split(True), crop="random_side", side_px=(24, 24))
    # The shorter side becomes the crop: a square of 96 pixels at one of 33 places.
    places = [tf.image.resize(PHOTOGRAPH[:, left : left + 96], (24, 24), method="area").numpy() for left in range(33)]
    assert min(_difference(square, place) for place in places) < 0.6
