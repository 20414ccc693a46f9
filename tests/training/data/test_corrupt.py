import os
import time

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kres.preprocessing import Preprocess
from kres.training.data import load, sample_images
from kres.training.data.corrupt import UnreadableImage, corrupt_named, without_corrupt
from tests.training.data.images import FAULTS, age, of_bytes, png


def test_corrupt_images_are_named_and_skipped():
    whole = png(7)
    split = of_bytes([0, 1, 0, 1], files=[whole, whole[: len(whole) // 2], whole, b"no image"])
    readable, corrupt = without_corrupt(split, on_corrupt="skip")
    assert corrupt == ("image1", "image3")
    assert readable.names == ["image0", "image2"]
    assert readable.labels.tolist() == [0, 0]


def test_corrupt_images_are_fatal_when_asked():
    split = of_bytes([0, 1, 0], files=[png(1), b"", png(2)])
    with pytest.raises(ValueError, match=r"1 of 3 images cannot be decoded: image1\..*Received: on_corrupt='fail'"):
        without_corrupt(split, on_corrupt="fail")


def test_nothing_but_corrupt_images_is_always_fatal():
    with pytest.raises(ValueError, match=r"None is left"):
        without_corrupt(of_bytes([0], files=[b"no image"]), on_corrupt="skip")


def test_unknown_policy_is_refused():
    with pytest.raises(ValueError, match=r"Received: on_corrupt='ignore'"):
        without_corrupt(of_bytes([0]), on_corrupt="ignore")


@pytest.mark.parametrize("fault", FAULTS)
def test_bytes_damaged_in_any_way_are_found(fault):
    split = of_bytes([0, 1, 0], files=[png(1), fault(png(2)), png(3)])
    assert without_corrupt(split, on_corrupt="skip")[1] == ("image1",)


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """A folder of ten JPEG files an hour old, with a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = tmp_path / "photos"
    for i in range(10):
        file = root / "ab"[i % 2] / f"{i}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(i).integers(0, 256, (16, 16, 3)).astype("uint8")
        Image.fromarray(noise).save(file)
        age(file)
    return root


@pytest.fixture
def decoded(monkeypatch):
    """How many images were decoded to check them, a number a pass."""
    counts = []
    from kres.training.data import corrupt

    real = corrupt.readable
    monkeypatch.setattr(corrupt, "readable", lambda split, indices: counts.append(len(indices)) or real(split, indices))
    return counts


def test_arrays_need_no_check(decoded):
    images, labels = np.zeros((4, 5, 5, 3), np.uint8), np.arange(4) % 2
    split = load(((images, labels), (images, labels))).train
    assert without_corrupt(split, on_corrupt="fail") == (split, ())
    assert not decoded


def test_unchecked_images_are_not_decoded_before_they_are_read(photos, decoded):
    whole = load(photos, on_corrupt="unchecked")
    victim = photos / whole.train.names[3]
    victim.write_bytes(b"")
    source = load(photos, on_corrupt="unchecked")
    assert not decoded and source.corrupt == ()
    assert source.train.names == whole.train.names
    preprocess = Preprocess(size=8, crop=1.0, mean=(0, 0, 0), std=(1, 1, 1), interpolation="bilinear")
    with pytest.raises(UnreadableImage, match=rf"1 image\(s\) cannot be decoded: {source.train.names[3]}"):
        sample_images(source, preprocess, count=8)


def test_what_a_check_found_is_kept_while_the_files_stay_as_they_are(photos, decoded):
    first = load(photos)
    assert decoded == [8, 2]
    again = load(photos)
    assert decoded == [8, 2]
    assert again.train.names == first.train.names
    victim = photos / first.train.names[0]
    victim.write_bytes(victim.read_bytes()[:100])
    age(victim)
    with pytest.raises(ValueError, match=rf"1 of 8 images cannot be decoded: {first.train.names[0]}"):
        load(photos)
    # Both splits are checked anew: either may hold the file.
    assert load(photos, on_corrupt="skip").corrupt == (first.train.names[0],)
    assert decoded == [8, 2, 8, 2]
    with pytest.raises(ValueError, match=r"1 of 8 images cannot be decoded"):
        load(photos)
    assert decoded == [8, 2, 8, 2]


def test_a_check_that_skips_leaves_the_same_order_from_the_cache(photos, decoded):
    victim = photos / "a" / "4.jpg"
    victim.write_bytes(b"")
    age(victim)
    first, again = load(photos, on_corrupt="skip"), load(photos, on_corrupt="skip")
    assert len(decoded) == 2
    assert first.train.names == again.train.names and first.test.names == again.test.names
    assert "a/4.jpg" not in [*first.train.names, *first.test.names]
    assert first.corrupt == again.corrupt == ("a/4.jpg",)


def test_files_written_just_now_are_not_trusted_to_stay(photos, decoded):
    soon = time.time() + 1000  # "just now" for as long as the test may take
    os.utime(photos / "a" / "0.jpg", (soon, soon))
    load(photos)
    load(photos)
    assert decoded == [8, 2, 8, 2]


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("damage", [lambda file: file.write_bytes(file.read_bytes()[:90]), lambda file: file.unlink()])
def test_an_image_that_breaks_during_a_run_is_named(photos, damage, known):
    split = load(photos).train
    damage(photos / split.names[3])
    message = rf"1 image\(s\) cannot be decoded: {split.names[3]}. Restore"
    with (
        pytest.raises(UnreadableImage, match=message),
        corrupt_named(split, (lambda: [2, 3, 3, 4]) if known else None),
    ):
        list(tf.data.Dataset.range(len(split)).map(split.read))


def test_an_error_that_no_image_explains_stays_what_it_is(photos):
    error = tf.errors.InvalidArgumentError(None, None, "something else")
    with pytest.raises(tf.errors.InvalidArgumentError) as raised, corrupt_named(load(photos).train):
        raise error
    assert raised.value is error
