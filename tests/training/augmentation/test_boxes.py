import math

import numpy as np
import pytest
import tensorflow as tf

from kres.training.augmentation.boxes import AREA_NUMBERS, TRIES, random_area, random_side

AREA, ASPECT = (0.08, 1.0), (3 / 4, 4 / 3)


def _reference(height, width, numbers, area=AREA, aspect=ASPECT):
    """torchvision's RandomResizedCrop.get_params, with its random numbers handed in."""
    low, high = math.log(aspect[0]), math.log(aspect[1])
    for turn in range(TRIES):
        pixels = height * width * (area[0] + (area[1] - area[0]) * numbers[turn])
        ratio = math.exp(low + (high - low) * numbers[TRIES + turn])
        w, h = round(math.sqrt(pixels * ratio)), round(math.sqrt(pixels / ratio))
        if 0 < w <= width and 0 < h <= height:
            return math.floor(numbers[-2] * (height - h + 1)), math.floor(numbers[-1] * (width - w + 1)), h, w
    if width / height < aspect[0]:
        h, w = round(width / aspect[0]), width
    elif width / height > aspect[1]:
        h, w = height, round(height * aspect[1])
    else:
        h, w = height, width
    return (height - h) // 2, (width - w) // 2, h, w


def _boxes(function, numbers):
    return tf.vectorized_map(function, tf.constant(numbers, tf.float32), fallback_to_while_loop=False).numpy()


@pytest.mark.parametrize(("height", "width"), [(375, 500), (500, 375), (224, 224), (40, 400), (400, 40), (1, 1)])
def test_equals_torchvision_for_the_same_numbers(height, width):
    numbers = np.random.default_rng(0).random((300, AREA_NUMBERS)).astype(np.float32)
    found = _boxes(lambda row: random_area(tf.constant((height, width)), row, area=AREA, aspect=ASPECT), numbers)
    expected = np.array([_reference(height, width, row.astype(float)) for row in numbers])
    # float32 may round a side, or a place, to the neighbouring pixel.
    assert np.abs(found - expected).max() <= 1
    assert np.mean(found != expected) < 0.01
    assert (found[:, :2] >= 0).all() and (found[:, 2:] >= 1).all()
    assert (found[:, :2] + found[:, 2:] <= (height, width)).all()


def test_the_middle_is_taken_where_no_try_fits():
    numbers = np.full((1, AREA_NUMBERS), 0.999, np.float32)
    (box,) = _boxes(lambda row: random_area(tf.constant((40, 401)), row, area=(0.9, 1.0), aspect=ASPECT), numbers)
    assert box.tolist() == [0, 174, 40, 53]


def test_area_is_uniform_and_aspect_log_uniform():
    numbers = np.random.default_rng(1).random((4000, AREA_NUMBERS)).astype(np.float32)
    # So small a share always fits, so that nothing is tried again.
    found = _boxes(lambda row: random_area(tf.constant((1000, 1000)), row, area=(0.1, 0.5), aspect=ASPECT), numbers)
    height, width = found[:, 2].astype(float), found[:, 3].astype(float)
    shares = (height * width / 1e6 - 0.1) / 0.4
    aspects = (np.log(width / height) / math.log(4 / 3) + 1) / 2
    for values in (shares, aspects):
        # 400 expected in each tenth, with a standard deviation of 19; rounding blurs both ends a little.
        assert np.abs(np.histogram(values.clip(0, 1), 10, (0, 1))[0] - 400).max() < 95
    tops = found[:, 0] / (1001 - height)
    assert np.abs(np.histogram(tops, 10, (0, 1))[0] - 400).max() < 95


def test_random_side_is_a_square_of_the_resized_image():
    numbers = np.random.default_rng(2).random((2000, 3)).astype(np.float32)
    found = _boxes(lambda row: random_side(tf.constant((375, 500)), row, side_px=(256, 480), size=224), numbers)
    np.testing.assert_array_equal(found[:, 2], found[:, 3])
    lengths = 256 + np.floor(numbers[:, 0] * 225)
    assert np.abs(found[:, 2] - 224 * 375 / lengths).max() <= 0.51
    assert (found[:, :2] + found[:, 2:] <= (375, 500)).all()
    assert found[:, 0].min() == found[:, 1].min() == 0
