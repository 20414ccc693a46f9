"""Resizing and cropping against PIL, which timm and torchvision evaluate with."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import kres

FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
# By the number of channels. RGBA would not do: PIL multiplies colours by the alpha channel before it resizes them.
MODES = {1: "L", 3: "RGB", 4: "CMYK"}

# A reduction, an enlargement, both at once (the crop keeps the ratio), sides that are equal already, odd crops.
SHAPES = [(75, 100), (100, 66), (20, 11), (33, 32), (32, 32), (1, 1), (2, 60), (150, 7), (150, 50), (640, 480)]
SIZES = [(32, 0.875), (32, 1.0), (45, 0.95), (5, 0.9)]


def preprocess(size, crop, interpolation="bicubic", channels=3):
    return kres.Preprocess(
        size=size, crop=crop, mean=(0.5,) * channels, std=(0.25,) * channels, interpolation=interpolation
    )


def picture(height, width, channels=3):
    """Noise beside black and white squares, on whose edges a cubic kernel overshoots 0..255."""
    rng = np.random.default_rng(height * 1000 + width)
    noise = rng.integers(0, 256, (height, width, channels)).astype("uint8")
    squares = np.kron(rng.integers(0, 2, (height, width, channels)) * 255, np.ones((5, 5, 1)))[:height, :width]
    return np.where(np.arange(width)[:, None] < width // 2, noise, squares).astype("uint8")


def with_pil(image, wanted):
    """What `torchvision.transforms.Resize(floor(size / crop))` and `CenterCrop(size)` do with PIL's images."""
    height, width, channels = image.shape
    shorter = int(wanted.size / wanted.crop)
    target = (shorter, int(shorter * height / width)) if width <= height else (int(shorter * width / height), shorter)
    pixels = image[..., 0] if channels == 1 else image
    resized = Image.fromarray(pixels, MODES[channels]).resize(target, FILTERS[wanted.interpolation])
    left, top = (round((side - wanted.size) / 2.0) for side in target)
    square = np.asarray(resized.crop((left, top, left + wanted.size, top + wanted.size)))
    return square.reshape(wanted.size, wanted.size, channels)


# Not to a grey level but to the bit: the same integers are added up.
@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated:DeprecationWarning")
@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize(("size", "crop"), SIZES)
@pytest.mark.parametrize("channels", MODES)
def test_equals_pil(interpolation, size, crop, channels):
    wanted = preprocess(size, crop, interpolation, channels)
    for shape in SHAPES:
        image = picture(*shape, channels)
        np.testing.assert_array_equal(wanted.image_to_square(image), with_pil(image, wanted), err_msg=str(shape))


@pytest.mark.parametrize("interpolation", FILTERS)
def test_equals_pil_at_imagenets_sizes(interpolation):
    for size, crop in ((224, 0.875), (224, 0.95), (224, 0.965), (288, 1.0), (225, 0.9)):
        wanted, image = preprocess(size, crop, interpolation), picture(375, 500)
        np.testing.assert_array_equal(wanted.image_to_square(image), with_pil(image, wanted), err_msg=str(wanted))


def test_a_reduction_by_hundreds_equals_pil():
    """Where one output takes in more pixels than the limbs' sums were laid out for."""
    wanted, image = preprocess(4, 1.0), np.random.default_rng(0).integers(0, 256, (1500, 1200, 3)).astype("uint8")
    np.testing.assert_array_equal(wanted.image_to_square(image), with_pil(image, wanted))


@pytest.mark.parametrize("shape", [(9, 5), (3, 8), (41, 40), (1, 300)])
def test_nearest_takes_the_pixel_under_the_centre(shape):
    """PIL means the same, but adds steps up and so rounds a centre between two pixels now up, now down."""
    wanted, image = preprocess(8, 1.0, "nearest"), picture(*shape)
    rows, columns = (np.arange(int(8 * side / min(shape))) for side in shape)
    taken = image[(2 * rows + 1) * shape[0] // (2 * len(rows))][:, (2 * columns + 1) * shape[1] // (2 * len(columns))]
    top, left = (round((side - 8) / 2) for side in taken.shape[:2])
    np.testing.assert_array_equal(wanted.image_to_square(image), taken[top : top + 8, left : left + 8])


@pytest.mark.parametrize("interpolation", [*FILTERS, "nearest"])
@pytest.mark.parametrize(("size", "crop"), SIZES)
def test_a_graph_that_does_not_know_the_size_gives_the_same_bits(interpolation, size, crop):
    wanted = preprocess(size, crop, interpolation)
    unknown = tf.function(wanted.image_to_square, input_signature=[tf.TensorSpec((None, None, 3), tf.uint8)])
    for shape in SHAPES:
        image = picture(*shape)
        np.testing.assert_array_equal(unknown(image), wanted.image_to_square(image), err_msg=str(shape))


@pytest.mark.parametrize("shape", [(90, 40), (40, 90), (40, 41), (16, 60)])
def test_a_batch_holds_what_each_image_alone_gives(shape):
    """PIL convolves along the height first where it loses far more of it, so both orders meet a batch."""
    wanted, images = preprocess(16, 0.875), np.stack([picture(*shape), picture(*shape)[::-1], picture(*shape)[:, ::-1]])
    for found, image in zip(kres.PreprocessLayer(wanted)(images), images, strict=True):
        np.testing.assert_array_equal(found, wanted(with_pil(image, wanted)))


def test_the_output_knows_its_shape():
    images = tf.data.Dataset.from_generator(
        lambda: iter([picture(9, 7)]), output_signature=tf.TensorSpec(None, "uint8")
    )
    squares = images.map(preprocess(8, 1.0).image_to_square)
    assert squares.element_spec == tf.TensorSpec((8, 8, 3), tf.uint8)
    assert next(iter(squares)).shape == (8, 8, 3)


def test_a_long_strip_costs_no_more_than_its_crop():
    """Resized as a whole it would have 32 by 3,200,000 pixels."""
    strip = np.full((1, 100_000, 3), 7, "uint8")
    np.testing.assert_array_equal(preprocess(32, 1.0).image_to_square(strip), np.full((32, 32, 3), 7))
