"""Ranges of activations against NumPy on all values at once."""

import weakref

import keras
import numpy as np
import pytest

import kres
from kres.export.post_training.calibration import METHODS, collect_ranges, squared_error
from kres.export.walking import walk


@pytest.fixture(scope="module")
def folded(build_net):
    """The small residual network without its norms, and without the names that Keras counts up."""
    return kres.fuse(build_net())


@pytest.fixture(scope="module")
def points(folded):
    """The first layer of each kind that matters: signed, rectified, a sum, the answer."""
    kinds = (keras.layers.Conv2D, keras.layers.ReLU, keras.layers.Add, keras.layers.Dense)
    return [next(layer.name for layer in folded.layers if isinstance(layer, kind)) for kind in kinds]


@pytest.fixture(scope="module")
def activations(folded, points, images):
    """All values of each point."""
    taps = keras.Model(folded.input, [folded.get_layer(name).output for name in points])
    return dict(zip(points, (keras.ops.convert_to_numpy(value) for value in taps(images)), strict=True))


def answer(model, images, visit=lambda layer, output: output):
    """What the last layer of a walk puts out."""
    outputs = []

    def noted(layer, output):
        outputs.append(visit(layer, output))
        return outputs[-1]

    walk(model, images, noted)
    assert len(outputs) == len(model.layers)
    return outputs[-1]


def test_a_walk_computes_what_the_model_does(folded, images):
    np.testing.assert_allclose(answer(folded, images), folded(images, training=False), atol=1e-6)


def test_a_walk_forgets_each_output_when_it_has_been_read(folded, images):
    alive: list[weakref.ref] = []
    most = 0

    def visit(layer, output):
        nonlocal most
        alive.append(weakref.ref(output))
        most = max(most, sum(reference() is not None for reference in alive))
        return output

    walk(folded, images, visit)
    # The widest place holds both branches of a block, and the layer that runs.
    assert most <= 4 < len(alive)


def test_a_visitor_changes_what_the_layers_behind_read(folded, images):
    walked = answer(folded, images, lambda layer, output: 0 * output if layer is folded.layers[0] else output)
    np.testing.assert_allclose(walked, folded(0 * images, training=False), atol=1e-6)


def test_minmax_is_the_extremes_and_holds_zero(folded, points, activations, images):
    found = collect_ranges(folded, images, points=points)
    assert list(found) == points
    for name, values in activations.items():
        np.testing.assert_allclose(found[name], (min(values.min(), 0), max(values.max(), 0)), rtol=1e-5)
    assert found[points[1]][0] == 0 < found[points[3]][1] < 1


@pytest.mark.parametrize("percentile", [99.0, 99.9])
def test_percentile_is_numpys_to_a_bin(folded, points, activations, images, percentile):
    found = collect_ranges(folded, images, "percentile", percentile=percentile, points=points)
    for name, values in activations.items():
        low, high = np.percentile(values, (100 - percentile, percentile), method="inverted_cdf")
        width = np.ptp(values) / 8000
        np.testing.assert_allclose(found[name], (min(low, 0), max(high, 0)), atol=width)


def test_mse_beats_every_range_of_a_grid(folded, points, activations, images):
    found = collect_ranges(folded, images, "mse", points=points)
    shares = np.linspace(0.1, 1, 10)
    for name, values in activations.items():
        low, high = min(float(values.min()), 0), max(float(values.max()), 0)
        grid = [rounding_error(values, a * low, b * high) for a in shares for b in shares]
        # The histogram stands for its values to half a bin of 8,192, which is 3 % of one of the 256 steps.
        assert rounding_error(values, *found[name]) <= 1.02 * min(grid)


def rounding_error(values: np.ndarray, low: float, high: float) -> float:
    """Mean squared error of TFLite's int8 over a range, on the values themselves."""
    scale = (high - low) / 255
    zero = np.round(-low / scale)
    steps = np.clip(np.round(values.astype(np.float64) / scale) + zero, 0, 255)
    return float(np.mean((values - (steps - zero) * scale) ** 2))


def test_methods_differ_where_one_value_in_a_million_is_far_out():
    image = keras.Input((100, 100, 1))
    model = keras.Model(image, keras.layers.Identity(name="same")(image))
    images = np.random.default_rng(0).normal(size=(100, 100, 100, 1)).astype(np.float32)
    images[3, 5, 7] = 100
    ranges = {method: collect_ranges(model, images, method, points=["same"])["same"] for method in METHODS}
    assert ranges["minmax"][1] == 100
    assert 3 < ranges["percentile"][1] < 5
    # One value clipped by 70 costs less than a million values rounded to steps of 0.4 instead of 0.1.
    assert 4 < ranges["mse"][1] < 50


def test_the_error_of_a_range_is_that_of_rounding_and_clipping():
    values, counts = np.array([-0.6, 0.0, 0.2, 1.1]), np.array([1, 5, 1, 2])
    # Three steps of 0.5 from -0.5: -0.6 -> -0.5, 0.2 -> 0, 1.1 -> 0.5.
    assert squared_error(values, counts, (-0.5, 0.5), levels=3) == pytest.approx(0.01 + 0.04 + 2 * 0.36)
    assert squared_error(values, counts, (0.0, 0.0)) == pytest.approx((counts * values**2).sum())


def test_dead_layers_and_constant_ones_have_ranges(images):
    image = keras.Input((16, 16, 3))
    dead = keras.layers.ReLU(name="dead")(keras.layers.Rescaling(0.0, offset=-1.0, name="constant")(image))
    model = keras.Model(image, dead)
    for method in METHODS:
        found = collect_ranges(model, images, method, points=["constant", "dead"])
        assert found["dead"] == (0.0, 0.0)
        assert found["constant"][1] == 0.0 and found["constant"][0] == pytest.approx(-1, abs=1e-2)


def test_arguments_that_cannot_be(folded, images):
    with pytest.raises(
        ValueError, match=r"minmax, percentile or mse\. Did you mean 'minmax'.*Received: ranges='min-max'"
    ):
        collect_ranges(folded, images, "min-max")
    with pytest.raises(ValueError, match="Received: percentile=10"):
        collect_ranges(folded, images, "percentile", percentile=10)
    with pytest.raises(ValueError, match=r"goes with ranges='percentile'\. Received: percentile=99.9, ranges='mse'"):
        collect_ranges(folded, images, "mse", percentile=99.9)
    with pytest.raises(ValueError, match=r"must have the shape \(n, 16, 16, 3\)"):
        collect_ranges(folded, images[:, :8])
    with pytest.raises(ValueError, match="Received: 'no_layer'"):
        collect_ranges(folded, images, points=["no_layer"])
    broken = images.copy()
    broken[5, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        collect_ranges(folded, broken)
    model = keras.Sequential(
        [keras.Input((16, 16, 3)), keras.layers.Rescaling(1e30), keras.layers.Rescaling(1e30, name="x")]
    )
    with pytest.raises(ValueError, match="infinity in x"):
        collect_ranges(model, images, points=["x"])
