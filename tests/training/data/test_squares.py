"""Squares of the compiled operations are those of TensorFlow's own, pixel for pixel."""

import functools
import io
import logging

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kres.preprocessing import Preprocess
from kres.training.augmentation import Numbers, augment_image
from kres.training.data import load, squares, training_batches
from kres.training.data.crops import read_square
from kres.training.data.source import from_files
from kres.training.settings import Augmentation, Images
from tests.support import skip_or_fail

MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
AREA = Augmentation(crop="random_area", flip=True)
SIDE = Augmentation(crop="random_side", side_px=(64, 90), flip=True)
NOISE = np.random.default_rng(0).integers(0, 256, (120, 170, 3), np.uint8)
# Noise as large as a pixel hardly survives compression; blocks of it are pictures with edges.
PICTURE = np.kron(NOISE[:40, :60], np.ones((7, 7, 1), np.uint8))


def _file(image=PICTURE, mode="RGB", kind="JPEG", **options):
    out = io.BytesIO()
    Image.fromarray(image).convert(mode).save(out, kind, **options)
    return out.getvalue()


FILES = {
    "4:2:0": _file(quality=90),
    "4:2:2": _file(quality=90, subsampling=1),
    "4:4:4": _file(quality=95, subsampling=0),
    "tall": _file(PICTURE.transpose(1, 0, 2)),
    "grey": _file(mode="L"),
    "restarts": _file(restart_marker_rows=1),
    "a few pixels": _file(NOISE[:5, :9]),
}
OTHERS = {
    "inks": _file(mode="CMYK"),
    "progressive": _file(progressive=True),
    "PNG": _file(NOISE, kind="PNG"),
    "BMP": _file(NOISE, kind="BMP"),
}


@pytest.fixture(autouse=True)
def operations():
    found = squares.jpeg_operations()
    return found if found is not None else skip_or_fail("the operations for JPEGs cannot be compiled")


def _split(files):
    stored = tf.constant(list(files))
    labels = np.zeros(len(files), np.int64)
    return from_files(labels, [str(i) for i in range(len(files))], lambda index: tf.gather(stored, index), files=())


def _both(files, augmentation, *, size, count=20):
    """The squares (count, s, s, 3) of files in turn, as a chunk and image by image."""
    return [cut() for cut in _cutters(files, augmentation, size=size, count=count)]


def _cutters(files, augmentation, *, size, count):
    split = _split(files)
    preprocess = Preprocess(size=size, crop=1.0, mean=MEAN, std=STD)
    together = squares.squares_of(split, preprocess=preprocess, augmentation=augmentation, flip=augmentation.flip)
    places = [(tf.constant(i % len(files), tf.int64), Numbers(0, tf.constant(i, tf.int64))) for i in range(count)]

    def chunk():
        inputs = [together.inputs(index, numbers) for index, numbers in places]
        return together.cut(tuple(tf.stack(parts) for parts in zip(*inputs, strict=True))).numpy()

    def alone(index, numbers):
        image = read_square(split, index, numbers, preprocess=preprocess, augmentation=augmentation)
        return augment_image(image, numbers, augmentation=augmentation, flip=augmentation.flip)

    return chunk, lambda: np.stack([alone(*place) for place in places])


@pytest.mark.parametrize("size", [48, 20, 7], ids=["whole", "at a half", "at an eighth"])
@pytest.mark.parametrize("kind", [*FILES, *OTHERS])
def test_they_are_those_of_one_image_after_another(kind, size):
    np.testing.assert_array_equal(*_both([(FILES | OTHERS)[kind]], AREA, size=size, count=10))


def test_a_crop_of_a_random_side_is_cut_too():
    np.testing.assert_array_equal(*_both([FILES["4:2:0"], FILES["tall"]], SIDE, size=48))


def test_a_chunk_may_hold_files_of_many_kinds():
    np.testing.assert_array_equal(*_both([*FILES.values(), *OTHERS.values()], AREA, size=32, count=22))


def test_a_box_that_is_sixteen_times_as_large_is_averaged_too():
    found, alone = _both([FILES["4:2:0"]], Augmentation(crop="random_area", area=(0.9, 1.0), flip=False), size=12)
    np.testing.assert_array_equal(found, alone)


def test_sides_are_those_of_the_headers_and_none_of_other_files(operations):
    sides = operations.kres_jpeg_sides(contents=[FILES["tall"], FILES["grey"], *OTHERS.values(), b"", b"\xff\xd8\xff"])
    assert sides.numpy().tolist() == [[420, 280], [280, 420]] + [[0, 0]] * (len(OTHERS) + 2)


@pytest.mark.parametrize(
    ("content", "box", "message"),
    [
        (FILES["4:2:0"][:2000], (0, 0, 280, 420), "Premature end"),
        (FILES["4:2:0"][:100], (0, 0, 280, 420), "Premature end|marker"),
        (b"no image at all", (0, 0, 4, 4), "Not a JPEG"),
        (FILES["4:2:0"], (0, 0, 281, 420), "crop"),
        (FILES["4:2:0"], (-1, 0, 20, 20), "no image"),
        (FILES["4:2:0"], (0, 401, 20, 20), "crop"),
        (FILES["4:2:0"], (0, 0, 0, 20), "no image"),
        (FILES["4:2:0"], (0, -5, 20, 20), "no image"),
        (FILES["4:2:0"], (0, 0, 20, 0), "no image"),
    ],
)
def test_what_cannot_be_cut_is_an_error(operations, content, box, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        operations.kres_jpeg_squares(
            contents=[FILES["tall"], content], boxes=[(0, 0, 9, 9), box], flips=[False] * 2, size=8
        )


def test_every_file_takes_a_box_and_a_flip(operations):
    with pytest.raises(tf.errors.InvalidArgumentError, match="a box of four numbers and a flip"):
        operations.kres_jpeg_squares(contents=[FILES["tall"]], boxes=[(0, 0, 9)], flips=[False], size=8)


def _or_error(make):
    try:
        return make()
    except tf.errors.InvalidArgumentError:
        return None


def test_damaged_files_fail_or_decode_as_they_do_alone():
    """Bytes turned round anywhere, and in the header: what TensorFlow decodes has its pixels here."""
    dice = np.random.default_rng(0)
    whole = FILES["restarts"]
    failed = 0
    for turn in range(60):
        damaged = bytearray(whole)
        for place in dice.integers(2, 700 if turn % 2 else len(whole), 3):
            damaged[place] ^= int(dice.integers(1, 256))
        squares_of, read = _cutters([bytes(damaged)], AREA, size=24, count=1)
        alone = _or_error(read)
        failed += alone is None
        if alone is not None:
            np.testing.assert_array_equal(_or_error(squares_of), alone)
    assert 5 < failed < 40


@pytest.fixture
def folder(tmp_path):
    for number, content in enumerate(FILES.values()):
        path = tmp_path / str(number % 2) / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    return load(tmp_path)


@pytest.fixture
def cuts(monkeypatch):
    """Counts the graphs that cut squares by the compiled operations."""
    traced = []
    cut = squares.Squares.cut
    monkeypatch.setattr(squares.Squares, "cut", lambda self, inputs: traced.append(1) or cut(self, inputs))
    return traced


@pytest.mark.parametrize(
    ("batch_size", "repeats", "replicas"), [(8, 1, 1), (8, 2, 2), (13, 1, 1), (16, 1, 1), (160, 2, 2)]
)
def test_batches_are_the_same_with_them_and_without(folder, cuts, batch_size, repeats, replicas):
    images = Images(train_size_px=16, test_size_px=16, crop=1.0, mean=MEAN, std=STD)
    augmentation = Augmentation(crop="random_area", flip=True, repeats=repeats)
    options = {"replicas": replicas, "local_replicas": replicas, "seed": 3, "batch_size": batch_size, "size_px": 16}
    steps = range(1, 3)
    expected = training_batches(folder, images, augmentation, steps=steps, compiled=False, **options)
    assert not cuts
    found = training_batches(folder, images, augmentation, steps=steps, **options)
    assert cuts
    assert found.element_spec == expected.element_spec
    pairs = list(zip(found, expected, strict=True))
    assert len(pairs) == 2 * replicas
    for ours, theirs in pairs:
        for part, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(part, other)


@pytest.mark.parametrize(
    "augmentation",
    [Augmentation(crop="none"), Augmentation(crop="random_area", color_jitter=0.4)],
    ids=["no random crop", "pixels changed one by one"],
)
def test_there_are_none_where_images_are_made_one_by_one(augmentation):
    preprocess = Preprocess(size=8, crop=1.0, mean=MEAN, std=STD)
    split = _split([FILES["grey"]])
    assert squares.squares_of(split, preprocess=preprocess, augmentation=augmentation, flip=True) is None


@pytest.fixture
def forgotten(monkeypatch):
    """As in a process that has not asked yet; what this one has loaded stays, since it can be loaded only once."""
    monkeypatch.setattr(squares, "jpeg_operations", functools.cache(squares.jpeg_operations.__wrapped__))


def test_without_a_compiler_it_is_told_once(forgotten, monkeypatch, caplog):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with caplog.at_level(logging.INFO):
        assert squares.jpeg_operations() is squares.jpeg_operations() is None
    (line,) = caplog.messages
    assert "TensorFlow's operations" in line and "no-such-compiler" in line


def test_the_environment_switches_them_off(forgotten, monkeypatch, caplog):
    monkeypatch.setenv(squares.VARIABLE, "0")
    with caplog.at_level(logging.INFO):
        assert squares.jpeg_operations() is None
    assert not caplog.messages


def test_operations_that_give_other_pixels_are_not_used():
    class Darker:
        def kres_jpeg_squares(self, **options):
            return tf.zeros((1, options["size"], options["size"], 3), tf.uint8)

    with pytest.raises(squares.compiled.NotBuiltError, match="not TensorFlow's"):
        squares._prove(Darker())


def test_they_are_proven_within_a_graph_too(forgotten, operations):
    @tf.function
    def sides():
        return squares.jpeg_operations().kres_jpeg_sides(contents=[FILES["tall"]])

    # Of the same library: this process has registered its operations already.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(squares.compiled, "build", lambda source, prove: prove(operations) or operations)
        assert sides().numpy().tolist() == [[420, 280]]
