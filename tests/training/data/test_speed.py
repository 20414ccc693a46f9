import io
import time
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kres.training.data import arrays
from kres.training.data import speed as speed_module
from kres.training.data.source import Source, from_files
from kres.training.data.speed import STAGES, measure_speed
from kres.training.data.squares import jpeg_operations
from kres.training.settings import Augmentation, Images
from tests.support import skip_or_fail

IMAGES = Images(train_size_px=32, test_size_px=32, crop=0.875, mean=(0.5,) * 3, std=(0.25,) * 3)
PIXELS = np.random.default_rng(0).integers(0, 256, (12, 60, 80, 3), dtype=np.uint8)


def _jpegs(delay=0.0):
    files = []
    for pixels in PIXELS:
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "JPEG")
        files.append(out.getvalue())
    stored = tf.constant(files)

    def slow(index):
        time.sleep(delay)
        return files[index]

    def encoded(index):
        return tf.numpy_function(slow, [index], tf.string) if delay else tf.gather(stored, index)

    split = from_files(np.arange(12) % 2, [str(k) for k in range(12)], encoded, files=())
    return Source(name="jpegs", class_names=("a", "b"), train=split, test=split, flip_keeps_label=True)


def test_every_part_of_the_input_is_measured():
    speed = measure_speed(_jpegs(), IMAGES, Augmentation(crop="random_area"), count=30, batch_size=8)
    assert speed.n_images == 24
    assert speed.decoding is not None
    assert min(speed.reading, speed.decoding, speed.training, speed.evaluation) > 0
    assert tuple(speed.shares) == STAGES and sum(speed.shares.values()) == pytest.approx(1)
    assert speed.bottleneck in STAGES


def test_slow_storage_is_the_bottleneck():
    speed = measure_speed(_jpegs(delay=0.05), IMAGES, Augmentation(crop="random_area"), count=24, batch_size=8)
    assert speed.bottleneck == "storage" and speed.shares["storage"] > 0.5
    assert speed.reading < 1000


def test_arrays_are_not_decoded_and_heavy_augmentation_is_the_bottleneck():
    labels = np.arange(12) % 2
    squares = np.random.default_rng(0).integers(0, 256, (12, 160, 160, 3), dtype=np.uint8)
    source = arrays((squares, labels), (squares, labels), class_names=("a", "b"))
    heavy = Augmentation(crop="pad", padding_px=2, policy="autoaugment", color_jitter=0.4)
    # As large as the network wants them, so that nothing is left to do but augment.
    images = replace(IMAGES, train_size_px=160, test_size_px=160, crop=1.0)
    speed = measure_speed(source, images, heavy, count=128, batch_size=16)
    assert speed.decoding is None
    assert speed.bottleneck == "augmentation"


@pytest.mark.parametrize(("count", "batch_size"), [(7, 8), (0, 0), (8, 0)])
def test_fewer_images_than_a_batch_are_refused(count, batch_size):
    with pytest.raises(ValueError, match=f"Received: count={count}, batch_size={batch_size}"):
        measure_speed(_jpegs(), IMAGES, Augmentation(crop="none"), count=count, batch_size=batch_size)


def test_what_cuts_the_squares_of_training_cuts_those_of_the_crop_alone(monkeypatch):
    """Or the difference between the two would count as augmentation."""
    if jpeg_operations() is None:
        skip_or_fail("the operations for JPEGs cannot be compiled")
    asked = []
    real = speed_module.training_batches

    def batches(*arguments, compiled, **options):
        asked.append(compiled)
        return real(*arguments, compiled=compiled, **options)

    monkeypatch.setattr(speed_module, "training_batches", batches)
    flipped = Augmentation(crop="random_area")
    for augmentation in (flipped, replace(flipped, lighting=0.1)):
        measure_speed(_jpegs(), IMAGES, augmentation, count=8, batch_size=8)
    assert asked == [True, True, False, False]
