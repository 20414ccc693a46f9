import os
import tempfile
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from kres.kernels import grouped_conv2d, tensorflow_conv
from tests.kernels.comparison import random_images
from tests.kernels.subprocesses import run_python, run_python_with_errors

WINDOW: dict[str, Any] = {"strides": (1, 1), "padding": "same", "dilation_rate": (1, 1)}


def test_split_gradients_equal_one_convolution_a_group() -> None:
    """Against TensorFlow's own differentiation of the definition."""
    inputs, kernel = tf.constant(random_images(2, 6, 7, 8)), tf.constant(random_images(3, 3, 2, 12))
    with tf.GradientTape() as tape:
        tape.watch([inputs, kernel])
        parts = zip(tf.split(inputs, 4, -1), tf.split(kernel, 4, -1), strict=True)
        outputs = tf.concat([tf.nn.conv2d(x, k, 2, "SAME") for x, k in parts], -1)
    upstream = random_images(*outputs.shape, seed=4)
    expected = tape.gradient(outputs, [inputs, kernel], output_gradients=upstream)
    found = tensorflow_conv._split_gradients(
        inputs, kernel, upstream, groups=4, strides=(2, 2), padding="SAME", dilations=(1, 1)
    )
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5 * np.abs(theirs).max())


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "float64"])
def test_probe_tells_the_truth(dtype: str) -> None:
    """On shapes of a real layer, run in a graph."""

    @tf.function
    def gradients(x: tf.Tensor, k: tf.Tensor) -> list[tf.Tensor]:
        return tensorflow_conv._conv2d_gradients(x, k, x, strides=(1, 1), padding="SAME", dilations=(1, 1))

    arguments = tf.ones((2, 14, 14, 64), dtype), tf.ones((3, 3, 2, 64), dtype)
    if tensorflow_conv.has_native_gradient("CPU", dtype):
        assert [g.shape for g in gradients(*arguments)] == [a.shape for a in arguments]
    else:
        with pytest.raises(tf.errors.InvalidArgumentError):
            gradients(*arguments)


def test_probe_runs_once_and_while_a_function_is_traced(monkeypatch: pytest.MonkeyPatch) -> None:
    tensorflow_conv.has_native_gradient.cache_clear()
    probes = []
    real = tensorflow_conv._conv2d_gradients

    def count(inputs: tf.Tensor, *rest: tf.Tensor, **window: Any) -> list[tf.Tensor]:
        probes.append(tf.executing_eagerly())
        return real(inputs, *rest, **window)

    monkeypatch.setattr(tensorflow_conv, "_conv2d_gradients", count)
    kernel = tf.ones((3, 3, 2, 8))

    @tf.function
    def two_layers(images: tf.Tensor) -> tf.Tensor:
        return grouped_conv2d(grouped_conv2d(images, kernel, groups=4, **WINDOW), kernel, groups=4, **WINDOW)

    graph = two_layers.get_concrete_function(tf.TensorSpec((1, 5, 5, 8))).graph
    # Without oneDNN in float32 there is nothing else to ask about, so one eager probe is all there is either way.
    assert probes == [True]
    assert [op.type for op in graph.get_operations()].count("Conv2D") == 2


def test_probe_leaves_no_trace_in_the_log() -> None:
    """It is refused here: float64 has no native gradient on any CPU. What else is written meanwhile stays."""
    code = """
import os
import tensorflow as tf
from kres.kernels import tensorflow_conv
real = tensorflow_conv._conv2d_gradients
def noisy(*arguments, **window):
    os.write(2, b"something else\\n")
    return real(*arguments, **window)
tensorflow_conv._conv2d_gradients = noisy
print(tensorflow_conv.has_native_gradient("CPU", "float64"))
"""
    answer, errors = run_python_with_errors(code, TF_CPP_MIN_LOG_LEVEL="0")
    assert answer == "False"
    assert "something else" in errors
    assert "grouped" not in errors


def test_probe_works_without_standard_error() -> None:
    code = """
import os
from kres.kernels import tensorflow_conv
os.close(2)
print(tensorflow_conv.has_native_gradient("CPU", "float64"))
"""
    assert run_python(code) == "False"


def test_probe_works_without_a_place_for_temporary_files(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    descriptors = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else None
    assert tensorflow_conv.has_native_gradient.__wrapped__("CPU", "float64") is False
    if descriptors is not None:
        assert len(os.listdir("/proc/self/fd")) == descriptors


def test_shapes_that_do_not_fit_are_refused() -> None:
    images = tf.ones((1, 5, 5, 8))
    with pytest.raises(ValueError, match="groups=3"):
        grouped_conv2d(images, tf.ones((3, 3, 2, 8)), groups=3, **WINDOW)
    with pytest.raises(ValueError, match="multiple of `groups`"):
        grouped_conv2d(images, tf.ones((3, 3, 2, 10)), groups=4, **WINDOW)
    with pytest.raises(ValueError, match="too small"):
        grouped_conv2d(
            images, tf.ones((3, 3, 2, 8)), groups=4, **{**WINDOW, "padding": "valid", "dilation_rate": (3, 3)}
        )


def test_importing_kres_asks_tensorflow_nothing() -> None:
    """A probe at import would start TensorFlow's devices before a program has configured them."""
    code = """
import kres
from kres.kernels import tensorflow_conv
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
print(tensorflow_conv.has_native_gradient.cache_info().currsize, len(tf.config.list_logical_devices("CPU")))
"""
    assert run_python(code) == "0 2"
