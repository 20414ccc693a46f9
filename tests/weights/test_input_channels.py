"""RGB's weights in networks for other images: timm's rule, and the two properties that it stands for."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

import kres
from kres.weights.forms import adapted_channels
from kres.weights.saving import state_dict
from tests.weights.small import PREACTIVATION, SPEC, assert_refused, assert_same, network, values

DEEP_STEM = replace(SPEC, stem_widths=(8, 8, 8))


def written(spec: kres.Spec, folder: Path, *, channels: int = 3) -> tuple[kres.ResNet, Path]:
    """A network, and the file that its weights were written to."""
    source = network(spec, input_shape=(32, 32, channels), classifier_activation=None)
    save_file(state_dict(source), folder / "weights.safetensors")
    return source, folder / "weights.safetensors"


def build(spec: kres.Spec, channels: int, path: Path) -> kres.ResNet:
    return kres.build(spec, input_shape=(32, 32, channels), classifier_activation=None, weights=path)


def assert_equal(found: np.ndarray, expected: np.ndarray) -> None:
    # Sums of the same float32 products in another order, 147 to 294 of them.
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("spec", [SPEC, PREACTIVATION, DEEP_STEM], ids=["plain", "preactivation", "deep stem"])
@pytest.mark.parametrize("channels", [1, 2, 4, 6, 7])
def test_equal_channels_give_what_they_gave_as_rgb(spec: kres.Spec, channels: int, tmp_path: Path) -> None:
    """x in each of n channels: multiples of three by the rule's scale, one channel by its sum."""
    source, path = written(spec, tmp_path)
    grey = np.random.default_rng(0).standard_normal((2, 32, 32, 1)).astype("float32")
    found = np.array(build(spec, channels, path)(np.repeat(grey, channels, axis=-1), training=False))
    expected = np.array(source(np.repeat(grey, 3, axis=-1), training=False))
    if channels == 1 or channels % 3 == 0:
        assert_equal(found, expected)
    else:  # R, G and B do not stand equally often there
        assert np.isfinite(found).all()


def test_twice_the_channels_give_the_same(tmp_path: Path) -> None:
    source, path = written(SPEC, tmp_path)
    images = np.random.default_rng(0).standard_normal((2, 32, 32, 3)).astype("float32")
    found = np.array(build(SPEC, 6, path)(np.concatenate([images, images], axis=-1), training=False))
    assert_equal(found, np.array(source(images, training=False)))


@pytest.mark.parametrize("channels", [1, 2, 4, 5, 6, 12])
def test_the_rule_channel_by_channel(channels: int) -> None:
    kernel = np.random.default_rng(0).standard_normal((3, 3, 3, 4)).astype("float32")
    found = adapted_channels(kernel, channels=channels)
    assert found.shape == (3, 3, channels, 4)
    assert found.dtype == np.float32
    for channel in range(channels):
        exact = kernel.astype("float64")
        expected = exact.sum(axis=2) if channels == 1 else exact[:, :, channel % 3] * 3 / channels
        # One rounding, or three, of numbers up to about 10.
        np.testing.assert_allclose(found[:, :, channel], expected, rtol=0, atol=1e-6)


def test_one_line_says_so_and_everything_else_is_as_it_was(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source, path = written(SPEC, tmp_path)
    with caplog.at_level(logging.WARNING, logger="kres"):
        model = build(SPEC, 4, path)
    (record,) = caplog.records
    assert "RGB" in record.getMessage() and "4 channels" in record.getMessage()
    for ours, theirs in zip(model.weights[1:], source.weights[1:], strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy(), err_msg=ours.path)


def test_rgb_into_rgb_says_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _, path = written(SPEC, tmp_path)
    build(SPEC, 3, path)
    assert not caplog.records


@pytest.mark.parametrize("channels", [1, 4])
def test_only_rgb_is_adapted(channels: int, tmp_path: Path) -> None:
    """Nothing says what the channels of such a file were."""
    _, path = written(SPEC, tmp_path, channels=channels)
    assert_refused(path, rf"conv1.weight \(8, {channels}, 7, 7\) \(for stem_conv1/kernel, which is \(7, 7, 3, 8\)\)")


def test_a_stem_that_differs_in_more_is_refused(tmp_path: Path) -> None:
    source, path = written(SPEC, tmp_path)
    save_file(state_dict(source) | {"conv1.weight": np.zeros((8, 3, 5, 5), "float32")}, path)
    model = network(SPEC, input_shape=(32, 32, 1))
    before = values(model)
    with pytest.raises(ValueError, match=r"conv1.weight \(8, 3, 5, 5\)"):
        kres.load_weights(model, path)
    assert_same(before, model)


@pytest.mark.parametrize("channels", [1, 6])
def test_a_standardized_stem_is_not_adapted(channels: int, tmp_path: Path) -> None:
    """The layer would bring any adapted kernel back to mean 0 and variance 1, which the sum of RGB's has not."""
    standardized = replace(PREACTIVATION, weight_standardization=1e-8)
    _, path = written(standardized, tmp_path)
    model = network(standardized, input_shape=(32, 32, channels))
    before = values(model)
    with pytest.raises(ValueError, match=rf"no kernel of {channels} channels gives what.*a network for RGB images"):
        kres.load_weights(model, path)
    assert_same(before, model)
