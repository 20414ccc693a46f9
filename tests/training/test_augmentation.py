import numpy as np
import tensorflow as tf

from kres.training.augmentation import draw, pad_crop_flip


def _reference(image, draws, padding, flip):
    height, width = image.shape[:2]
    top, left = (int(d * (2 * padding + 1)) for d in draws[:2])
    padded = np.pad(image, ((padding, padding), (padding, padding), (0, 0)))
    crop = padded[top : top + height, left : left + width]
    return crop[:, ::-1] if flip and draws[2] >= 0.5 else crop


def test_equals_the_plain_reference():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (16, 6, 5, 3), dtype=np.uint8)
    draws = rng.random((16, 3), dtype=np.float32)
    for flip in (True, False):
        found = pad_crop_flip(tf.constant(images), tf.constant(draws), padding=2, flip=flip).numpy()
        expected = np.stack([_reference(i, d, 2, flip) for i, d in zip(images, draws, strict=True)])
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == np.uint8


def test_every_offset_and_both_flips_occur():
    draws = np.stack([draw(tf.constant(i, tf.int64), seed=0).numpy() for i in range(500)])
    assert draws.min() >= 0 and draws.max() < 1
    # 9 offsets: about 56 of each are expected, with a standard deviation of 7.
    for column in (0, 1):
        assert np.bincount((draws[:, column] * 9).astype(int), minlength=9).min() > 20
    assert 150 < np.sum(draws[:, 2] < 0.5) < 350


def test_a_draw_depends_on_seed_and_position_alone():
    first = draw(tf.constant(7, tf.int64), seed=1).numpy()
    tf.random.set_seed(99)
    np.testing.assert_array_equal(first, draw(tf.constant(7, tf.int64), seed=1).numpy())
    assert np.any(first != draw(tf.constant(8, tf.int64), seed=1).numpy())
    assert np.any(first != draw(tf.constant(7, tf.int64), seed=2).numpy())
