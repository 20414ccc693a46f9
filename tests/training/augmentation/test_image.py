import numpy as np
import pytest
import tensorflow as tf

from kres.training.augmentation import Numbers, augment_image
from kres.training.augmentation.image import COLOURS, DEVIATIONS, color_jitter, lighting, random_flip
from kres.training.settings import Augmentation

IMAGE = np.random.default_rng(0).integers(60, 190, (12, 10, 3), dtype=np.uint8)


def test_flip_mirrors_below_a_half():
    np.testing.assert_array_equal(random_flip(tf.constant(IMAGE), tf.constant(0.2)), IMAGE[:, ::-1])
    np.testing.assert_array_equal(random_flip(tf.constant(IMAGE), tf.constant(0.5)), IMAGE)


def test_nothing_switched_on_changes_nothing():
    numbers = Numbers(0, tf.constant(3, tf.int64))
    image = tf.constant(IMAGE)
    assert augment_image(image, numbers, augmentation=Augmentation(crop="none"), flip=False) is image


def test_jitter_of_middle_numbers_changes_nothing():
    numbers = tf.constant([0.5, 0.5, 0.5, 0.1, 0.2, 0.3])
    np.testing.assert_array_equal(color_jitter(tf.constant(IMAGE), numbers, strength=0.4), IMAGE)


def test_jitter_scales_brightness_contrast_and_saturation_within_its_strength():
    grey = np.full((4, 4, 3), 100, np.uint8)
    grey[:2] = 60  # mean 80
    order = [0.1, 0.2, 0.3]
    brighter = color_jitter(tf.constant(grey), tf.constant([1.0, 0.5, 0.5, *order]), strength=0.4).numpy()
    assert (brighter[0, 0, 0], brighter[-1, 0, 0]) == (84, 140)
    flatter = color_jitter(tf.constant(grey), tf.constant([0.5, 0.0, 0.5, *order]), strength=0.5).numpy()
    assert (flatter[0, 0, 0], flatter[-1, 0, 0]) == (70, 90)
    red = np.tile(np.array([200, 0, 0], np.uint8), (4, 4, 1))
    paler = color_jitter(tf.constant(red), tf.constant([0.5, 0.5, 0.0, *order]), strength=1.0).numpy()
    np.testing.assert_array_equal(paler, 60)  # the grey level of that red


def test_the_order_of_jitter_is_random():
    image, factors = tf.constant(IMAGE), [1.0, 1.0, 1.0]
    orders = ([0.1, 0.2, 0.3], [0.3, 0.2, 0.1], [0.2, 0.3, 0.1])
    found = {color_jitter(image, tf.constant([*factors, *order]), strength=0.9).numpy().tobytes() for order in orders}
    assert len(found) == 3


def test_lighting_shifts_every_pixel_along_the_principal_colours():
    strengths = np.array([0.3, -0.2, 0.1], np.float32)
    shift = 255 * np.array(COLOURS) @ (np.array(DEVIATIONS) * strengths)
    found = lighting(tf.constant(IMAGE), tf.constant(strengths)).numpy().astype(float)
    # Rounded to whole grey levels.
    np.testing.assert_allclose(found, IMAGE + shift, atol=0.501)
    np.testing.assert_allclose(np.array(COLOURS).T @ COLOURS, np.eye(3), atol=2e-3)


@pytest.mark.parametrize(
    "options", [{"color_jitter": 0.4}, {"lighting": 1.0}, {"policy": "trivialaugment", "color_jitter": 0.2}]
)
def test_each_part_is_switched_on_by_its_field(options):
    numbers = Numbers(0, tf.constant(3, tf.int64))
    found = augment_image(tf.constant(IMAGE), numbers, augmentation=Augmentation(crop="none", **options), flip=True)
    assert np.any(found != IMAGE) and np.any(found != IMAGE[:, ::-1])
    assert found.dtype == tf.uint8 and found.shape == IMAGE.shape
