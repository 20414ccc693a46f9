import io
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kres.imagefiles import decode
from kres.training.data import load
from kres.training.data.source import Source, Split, hold_out, joined, stratified_split, subset


def _split(labels, files=None):
    stored = tf.constant(files if files is not None else [_png(i) for i in range(len(labels))])
    return Split(
        labels=np.array(labels),
        names=[f"image{i}" for i in range(len(labels))],
        read=lambda index: tf.io.decode_image(tf.gather(stored, index), channels=3, expand_animations=False),
    )


def _png(value):
    return tf.io.encode_png(tf.fill((2, 2, 3), tf.cast(value, tf.uint8))).numpy()


def test_stratified_split_gives_each_class_its_share():
    labels = np.repeat([0, 1, 2], [30, 60, 10])
    mask = stratified_split(labels, [str(i) for i in range(100)], test_count=25)
    assert mask.sum() == 25
    np.testing.assert_allclose(np.bincount(labels[mask]), [7.5, 15, 2.5], atol=0.5)


def test_stratified_split_does_not_move_when_an_image_is_added():
    keys = [f"a/{i}.png" for i in range(50)]
    before = stratified_split(np.zeros(50, int), keys, test_count=10)
    after = stratified_split(np.zeros(51, int), [*keys, "a/new.png"], test_count=10)
    assert np.sum(before != after[:50]) <= 1
    other = stratified_split(np.zeros(50, int), keys, test_count=10, seed=1)
    assert np.any(before != other)


@pytest.mark.parametrize("count", [0, 4])
def test_stratified_split_refuses_an_empty_side(count):
    with pytest.raises(ValueError, match=f"Received: test_count={count}"):
        stratified_split(np.zeros(4, int), list("abcd"), test_count=count)


def test_subset_keeps_labels_names_and_images_together():
    part = subset(_split([3, 1, 2]), np.array([2, 0]))
    assert part.labels.tolist() == [2, 3]
    assert part.names == ["image2", "image0"]
    assert [int(part.read(tf.constant(i))[0, 0, 0]) for i in range(2)] == [2, 0]


def test_hold_out_divides_without_overlap():
    train, test = hold_out(_split([0, 1] * 10))
    assert len(test) == 4
    assert sorted([*train.names, *test.names]) == sorted(_split([0, 1] * 10).names)


def test_fingerprints_go_with_their_images():
    whole = replace(_split([0, 1, 2]), fingerprint=lambda index: f"image{index}")
    part = joined(subset(whole, np.array([2, 0])), whole)
    assert [part.fingerprint(index) for index in range(5)] == list(part.names)
    assert joined(whole, _split([0])).fingerprint is None and subset(_split([0]), np.array([0])).fingerprint is None
    plain = Source(name="x", class_names=("a",), train=_split([0]), test=_split([0]), flip_keeps_label=True)
    assert plain.contents_sha256() is None


@pytest.mark.parametrize("label", [-1, 2])
def test_a_label_out_of_range_is_an_error(label):
    with pytest.raises(ValueError, match=rf"labels of 'mine' must lie in 0..1 .*Received: label={label} in the test"):
        Source(
            name="mine",
            class_names=("a", "b"),
            train=_split([0, 1]),
            test=_split([0, label]),
            flip_keeps_label=True,
        )


def test_an_empty_split_is_an_error():
    with pytest.raises(ValueError, match=r"has no test image"):
        Source(name="x", class_names=("a",), train=_split([0]), test=_split([], files=[b""]), flip_keeps_label=True)


def test_all_is_both_splits_one_behind_the_other():
    source = load("digits")
    both = source.split("all")
    assert len(both) == len(source.train) + len(source.test) == 1797
    for index in (0, len(source.train) - 1, len(source.train), 1796):
        part, place = (source.train, index) if index < len(source.train) else (source.test, index - len(source.train))
        np.testing.assert_array_equal(both.read(tf.constant(index, tf.int64)), part.read(tf.constant(place, tf.int64)))
        assert both.labels[index] == part.labels[place]
        assert both.names[index] == part.names[place]


@pytest.mark.parametrize(
    ("kind", "mode"), [("JPEG", "RGB"), ("JPEG", "L"), ("PNG", "RGB"), ("PNG", "L"), ("BMP", "RGB")]
)
def test_decoding_gives_the_pixels_that_pil_gives(kind, mode):
    noise = np.random.default_rng(0).normal(128, 40, (48, 57, 3)).clip(0, 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).convert(mode).save(out, kind)
    found = decode(tf.constant(out.getvalue())).numpy().astype(int)
    # Both decode JPEG with libjpeg-turbo, whose versions may round the odd pixel otherwise.
    assert np.mean(found != np.asarray(Image.open(out).convert("RGB"))) < 0.001


def test_a_cmyk_jpeg_is_read_as_rgb():
    out = io.BytesIO()
    Image.new("RGB", (16, 8), (200, 30, 60)).convert("CMYK").save(out, "JPEG", quality=98)
    found = decode(tf.constant(out.getvalue())).numpy().astype(int)
    assert found.shape == (8, 16, 3)
    assert np.abs(found - (200, 30, 60)).max() <= 6
