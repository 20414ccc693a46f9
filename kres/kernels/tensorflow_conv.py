"""Grouped convolution on TensorFlow: the native forward everywhere, the native gradient where this machine has one.

Keras compiles every grouped convolution by XLA, which on a CPU is hundreds of times slower than the native op. The
native op's gradient, on a CPU, exists only under oneDNN and only in some dtypes, so a probe asks for it once.
"""

import contextlib
import functools
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from kres.kernels.shapes import check_grouped_conv2d


def grouped_conv2d(
    inputs: tf.Tensor,
    kernel: tf.Tensor,
    *,
    strides: tuple[int, int],
    padding: str,
    dilation_rate: tuple[int, int],
    groups: int,
) -> tf.Tensor:
    """Convolve (n, h, w, c) with a kernel (kh, kw, c / groups, out) into (n, h', w', out); `padding`: "same" | "valid".

    ValueError when the shapes do not fit `groups`, or when the input is too small for the kernel.
    """
    check_grouped_conv2d(inputs, kernel, padding=padding, dilation_rate=dilation_rate, groups=groups)
    # Here, because inside a custom gradient a variable would have to be handed over as such.
    kernel = tf.convert_to_tensor(kernel)
    window = {"strides": strides, "padding": padding.upper(), "dilations": dilation_rate}
    device, dtype = _device_kind(inputs), inputs.dtype.name
    if has_native_gradient(device, dtype):
        return _convolve(inputs, kernel, **window)
    if max(dilation_rate) == 1:
        return _with_own_gradient(inputs, kernel, window=window, groups=groups, device=device)
    # Without oneDNN a CPU has no gradient for a dilated convolution at all, grouped or not: only XLA has one.
    return keras.ops.conv(
        inputs, kernel, list(strides), padding, data_format="channels_last", dilation_rate=dilation_rate
    )


@functools.cache
def has_native_gradient(device: str, dtype: str) -> bool:
    """Whether TensorFlow differentiates a grouped convolution in `dtype` on "CPU", "GPU", ...: tried once, eagerly."""
    # A layer may be called first while a function is traced: init_scope leaves every graph and replica behind.
    with tf.init_scope(), tf.device(f"/{device}:0"):
        inputs = tf.zeros((1, 4, 4, 4), dtype)
        kernel = tf.zeros((3, 3, 2, 4), dtype)
        try:
            with _standard_error_without(b"Gradients for grouped convolutions"):
                _conv2d_gradients(inputs, kernel, inputs, strides=(1, 1), padding="SAME", dilations=(1, 1))
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError, tf.errors.NotFoundError):
            return False
    return True


_standard_error_lock = threading.Lock()


@contextlib.contextmanager
def _standard_error_without(phrase: bytes) -> Iterator[None]:
    """Leave out of standard error the lines that hold `phrase`: TensorFlow logs a refusal as well as raising it."""
    with _standard_error_lock, contextlib.ExitStack() as files:
        try:
            original = os.dup(2)
            files.callback(os.close, original)
            held = files.enter_context(tempfile.TemporaryFile())
        except OSError:  # No standard error, or no place for what it says: the log is not worth a convolution.
            yield
            return
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(original, 2)
            held.seek(0)
            for line in held:
                if phrase not in line:
                    os.write(2, line)


def _device_kind(inputs: tf.Tensor) -> str:
    """The kind of device that will run an op on `inputs`, which a graph under construction often does not say."""
    kind = tf.DeviceSpec.from_string(inputs.device or "").device_type
    if kind is None and tf.distribute.has_strategy():
        kind = tf.DeviceSpec.from_string(tf.distribute.get_strategy().extended.worker_devices[0]).device_type
    return kind or ("GPU" if tf.config.list_logical_devices("GPU") else "CPU")


def _convolve(inputs: tf.Tensor, kernel: tf.Tensor, **window: Any) -> tf.Tensor:
    outputs = tf.nn.conv2d(inputs, kernel, **window)
    # Without oneDNN, TensorFlow's optimizer fuses a convolution on a CPU with the bias or norm behind it into an op
    # that refuses groups when it runs. It does not look through this one, which costs nothing and which the TFLite
    # converter removes. Under oneDNN it is kept too: a SavedModel written there may be served without.
    return tf.ensure_shape(outputs, outputs.shape)


def _with_own_gradient(
    inputs: tf.Tensor, kernel: tf.Tensor, *, window: dict[str, Any], groups: int, device: str
) -> tf.Tensor:
    """The native convolution, with a gradient that this device can compute."""
    # Half precision is several times slower than float32 on a CPU without the instructions, and less exact.
    work = "float32" if inputs.dtype.size < 4 else inputs.dtype.name
    gradients = _conv2d_gradients
    if not has_native_gradient(device, work):
        gradients = functools.partial(_split_gradients, groups=groups)

    @tf.custom_gradient
    def convolve(x: tf.Tensor, k: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], list[tf.Tensor]]]:
        def gradient(upstream: tf.Tensor) -> list[tf.Tensor]:
            found = gradients(*(tf.cast(tensor, work) for tensor in (x, k, upstream)), **window)
            return [tf.cast(tensor, x.dtype) for tensor in found]

        return _convolve(x, k, **window), gradient

    return convolve(inputs, kernel)


def _split_gradients(
    inputs: tf.Tensor, kernel: tf.Tensor, upstream: tf.Tensor, *, groups: int, **window: Any
) -> list[tf.Tensor]:
    """The gradients of `inputs` and `kernel`, one ordinary convolution a group."""
    parts = zip(*(tf.split(tensor, groups, axis=-1) for tensor in (inputs, kernel, upstream)), strict=True)
    gradients = [_conv2d_gradients(*part, **window) for part in parts]
    return [tf.concat(tensors, axis=-1) for tensors in zip(*gradients, strict=True)]


def _conv2d_gradients(
    inputs: tf.Tensor,
    kernel: tf.Tensor,
    upstream: tf.Tensor,
    *,
    strides: tuple[int, int],
    padding: str,
    dilations: tuple[int, int],
) -> list[tf.Tensor]:
    """The gradients of `inputs` and `kernel` by TensorFlow's own ops."""
    window = {"strides": [1, *strides, 1], "padding": padding, "dilations": [1, *dilations, 1]}
    return [
        tf.raw_ops.Conv2DBackpropInput(input_sizes=tf.shape(inputs), filter=kernel, out_backprop=upstream, **window),
        tf.raw_ops.Conv2DBackpropFilter(input=inputs, filter_sizes=tf.shape(kernel), out_backprop=upstream, **window),
    ]
