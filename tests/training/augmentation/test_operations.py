"""Each operation against PIL's, on a photograph-like image and on extremes."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageOps

from kres.training.augmentation import operations


def _images():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:60, :71]
    smooth = np.stack([40 + 2 * y, 200 - x, 90 + 30 * np.sin(x / 9) * np.cos(y / 7)], -1)
    return {
        "smooth": (smooth + rng.normal(0, 6, smooth.shape)).clip(30, 210).astype(np.uint8),
        "noise": rng.integers(0, 256, (33, 40, 3), dtype=np.uint8),
        "flat": np.full((9, 8, 3), 77, np.uint8),
        "two levels": np.where(rng.random((20, 20, 3)) < 0.3, 3, 250).astype(np.uint8),
    }


IMAGES = _images()


def _found(name, image, value):
    result = getattr(operations, name)(tf.constant(image), tf.constant(value, tf.float32)).numpy()
    assert result.dtype == np.uint8 and result.shape == image.shape
    return result.astype(int)


def _enhanced(kind):
    return lambda image, value: getattr(ImageEnhance, kind)(image).enhance(1 + value)


POINTWISE = {
    "identity": (lambda image, _: image.copy(), [0]),
    "invert": (lambda image, _: ImageOps.invert(image), [0]),
    "posterize": (lambda image, value: ImageOps.posterize(image, round(value)), [8, 5.6, 4, 2]),
    "solarize": (ImageOps.solarize, [255, 127.5, 64, 0]),
    "autocontrast": (lambda image, _: ImageOps.autocontrast(image), [0]),
    "equalize": (lambda image, _: ImageOps.equalize(image), [0]),
    "brightness": (_enhanced("Brightness"), [-0.99, -0.3, 0, 0.45, 0.99]),
    "contrast": (_enhanced("Contrast"), [-0.99, -0.3, 0, 0.45, 0.99]),
    "color": (_enhanced("Color"), [-0.99, -0.3, 0, 0.45, 0.99]),
    "sharpness": (_enhanced("Sharpness"), [-0.99, -0.3, 0, 0.45, 0.99]),
}


@pytest.mark.parametrize("kind", IMAGES)
@pytest.mark.parametrize("name", POINTWISE)
def test_equals_pil(name, kind):
    reference, values = POINTWISE[name]
    for value in values:
        found = _found(name, IMAGES[kind], value)
        expected = np.asarray(reference(Image.fromarray(IMAGES[kind]), value)).astype(int)
        # PIL cuts its floats off where another order of the same sums may lie on the other side of a whole number.
        assert np.abs(found - expected).max() <= 1, value
        assert np.mean(found != expected) < 0.02, value


def _affine(*matrix):
    return lambda image: image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.NEAREST)


MOVES = {
    "shear_x": [(value, _affine(1, value, 0, 0, 1, 0)) for value in (-0.99, -0.3, 0.17, 0.99)],
    "shear_y": [(value, _affine(1, 0, 0, value, 1, 0)) for value in (-0.99, -0.3, 0.17, 0.99)],
    "translate_x": [(value, _affine(1, 0, value, 0, 1, 0)) for value in (-32, -7.3, 0, 14.8)],
    "translate_y": [(value, _affine(1, 0, 0, 0, 1, value)) for value in (-32, -7.3, 0, 14.8)],
    "translate_x_share": [(0.25, _affine(1, 0, 0.25 * 71, 0, 1, 0))],
    "translate_y_share": [(-0.3, _affine(1, 0, 0, 0, 1, -0.3 * 60))],
    "rotate": [(value, lambda image, value=value: image.rotate(value)) for value in (-135, -30, 0, 8.5, 92, 120)],
}


@pytest.mark.parametrize("name", MOVES)
def test_moves_as_pil_does(name):
    image = IMAGES["smooth"]
    for value, reference in MOVES[name]:
        expected = np.asarray(reference(Image.fromarray(image))).astype(int)
        different = np.any(_found(name, image, value) != expected, axis=-1)
        # PIL computes places in fixed point: a pixel whose place is a half may come from the neighbour.
        assert different.mean() < 0.02, value
