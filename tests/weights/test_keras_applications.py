"""keras.applications' own networks: its saved files into ours, and the same numbers out."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

import kres
from tests.weights.small import assert_same, scramble, values

# Keras's own saving code under NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SIZE = 96
ROWS = {
    "keras_resnet50": keras.applications.ResNet50,
    "keras_resnet101": keras.applications.ResNet101,
    "keras_resnet152": keras.applications.ResNet152,
    "keras_resnet50v2": keras.applications.ResNet50V2,
    "keras_resnet101v2": keras.applications.ResNet101V2,
    "keras_resnet152v2": keras.applications.ResNet152V2,
}
SLOW = [row for row in ROWS if "50" not in row]


def theirs(row: str, **options: Any) -> keras.Model:
    model = ROWS[row](weights=None, input_shape=(SIZE, SIZE, 3), classifier_activation=None, **options)
    scramble(model)
    return model


def assert_equal_logits(ours: keras.Model, reference: keras.Model) -> None:
    images = np.random.default_rng(3).standard_normal((2, SIZE, SIZE, 3)).astype("float32")
    expected = np.array(reference(images, training=False))
    # Float32 arithmetic in another order of operations is off by up to 1e-6 of the largest.
    assert np.abs(np.array(ours(images, training=False)) - expected).max() <= 1e-5 * np.abs(expected).max()


def write_published_layout(model: keras.Model, path: Path) -> None:
    """The layout of keras.applications' published files, from Keras 2: one group a layer, names with :0."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
        file.attrs["backend"] = b"tensorflow"
        file.attrs["keras_version"] = b"2.2.4"
        for layer in model.layers:
            group = file.create_group(layer.name)
            prefix = "depthwise_" if isinstance(layer, keras.layers.DepthwiseConv2D) else ""
            names = [f"{layer.name}/{prefix}{variable.name}:0" for variable in layer.weights]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, variable in zip(names, layer.weights, strict=True):
                group.create_dataset(name, data=variable.numpy())


@pytest.mark.parametrize("row", [pytest.param(row, marks=pytest.mark.slow) if row in SLOW else row for row in ROWS])
def test_a_saved_file_gives_the_same_logits(row: str, tmp_path: Path) -> None:
    reference = theirs(row)
    path = tmp_path / "saved.weights.h5"
    reference.save_weights(path)
    ours = kres.build(row, input_shape=(SIZE, SIZE, 3), classifier_activation=None)
    kres.load_weights(ours, path)
    assert ours.count_params() == reference.count_params()
    assert_equal_logits(ours, reference)


@pytest.mark.parametrize("row", [pytest.param(row, marks=pytest.mark.slow) if row in SLOW else row for row in ROWS])
def test_keras_applications_loads_what_kres_writes(row: str, tmp_path: Path) -> None:
    ours = kres.build(row, input_shape=(SIZE, SIZE, 3), classifier_activation=None)
    scramble(ours)
    path = tmp_path / "ours.h5"
    kres.export_weights(ours, path)
    options: Any = {"weights": None, "input_shape": (SIZE, SIZE, 3), "classifier_activation": None}
    reader = ROWS[row](**options)
    reader.load_weights(path)
    assert_equal_logits(ours, reader)
    by_order = values(reader)
    for variable in reader.weights:
        variable.assign(keras.ops.zeros_like(variable))
    reader.load_weights(path, by_name=True)
    assert_same(by_order, reader)
    back = kres.build(row, input_shape=(SIZE, SIZE, 3), weights=path)
    assert_same(values(ours), back)


@pytest.mark.parametrize("row", ["resnet50", "keras_resnext50"])
def test_what_keras_applications_does_not_build_is_not_written_for_it(row: str, tmp_path: Path) -> None:
    model = kres.build(row, input_shape=(32, 32, 3))
    with pytest.raises(ValueError, match=f"keras_resnet50, .*Received: a model of '{row}'"):
        kres.export_weights(model, tmp_path / "w.h5")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("row", ["keras_resnet50", "keras_resnet50v2"])
def test_a_file_without_layer_names_gives_the_same_logits(row: str, tmp_path: Path) -> None:
    """As Keras wrote them before version 3.6: groups are numbered there, in the order of KerasHub's networks too."""
    reference = theirs(row)
    path = tmp_path / "saved.weights.h5"
    reference.save_weights(path)
    with h5py.File(path, "a") as file:
        for group in file["layers"].values():
            del group["vars"].attrs["name"]
    ours = kres.build(row, weights=path, input_shape=(SIZE, SIZE, 3), classifier_activation=None)
    assert_equal_logits(ours, reference)


@pytest.fixture(scope="module")
def reference() -> keras.Model:
    return theirs("keras_resnet50")


@pytest.mark.filterwarnings("ignore:.*HDF5 file")
@pytest.mark.parametrize("name", ["saved.keras", "saved.h5", "published.h5"])
def test_every_layout_that_keras_writes(name: str, reference: keras.Model, tmp_path: Path) -> None:
    path = tmp_path / name
    if name == "published.h5":
        write_published_layout(reference, path)
    else:
        reference.save(path)
    ours = kres.build("keras_resnet50", weights=path, input_shape=(SIZE, SIZE, 3), classifier_activation=None)
    assert_equal_logits(ours, reference)


def test_a_network_without_a_top_takes_files_with_and_without_one(reference: keras.Model, tmp_path: Path) -> None:
    images = np.random.default_rng(3).standard_normal((1, SIZE, SIZE, 3)).astype("float32")
    headless = keras.Model(reference.input, reference.get_layer("avg_pool").output)
    expected = np.array(headless(images, training=False))
    for model, name in ((reference, "whole.h5"), (headless, "notop.h5")):
        write_published_layout(model, tmp_path / name)
        ours = kres.build("keras_resnet50", include_top=False, pooling="avg", input_shape=(SIZE, SIZE, 3))
        kres.load_weights(ours, tmp_path / name)
        assert np.abs(np.array(ours(images, training=False)) - expected).max() <= 1e-5 * np.abs(expected).max()


def test_a_file_without_a_top_is_refused_by_a_network_with_one(reference: keras.Model, tmp_path: Path) -> None:
    write_published_layout(keras.Model(reference.input, reference.get_layer("avg_pool").output), tmp_path / "notop.h5")
    ours = kres.build("keras_resnet50", input_shape=(SIZE, SIZE, 3))
    before = values(ours)
    with pytest.raises(ValueError, match=r"predictions/kernel[\s\S]*include_top=False"):
        kres.load_weights(ours, tmp_path / "notop.h5")
    assert_same(before, ours)


def test_weights_of_another_network_of_the_family_are_refused(reference: keras.Model, tmp_path: Path) -> None:
    write_published_layout(reference, tmp_path / "saved.h5")
    for row in ("keras_resnet50v2", "resnet50"):
        ours = kres.build(row, input_shape=(SIZE, SIZE, 3))
        before = values(ours)
        with pytest.raises(ValueError, match="nothing was loaded"):
            kres.load_weights(ours, tmp_path / "saved.h5")
        assert_same(before, ours)


RESNEXT = replace(kres.spec("keras_resnext50"), depths=(1, 2), widths=(64, 128), classes=7)


def old_resnext(*, sums: bool = True) -> keras.Model:
    """What keras.applications 1.0.7 built of stock layers: a depthwise convolution and a 1x1 that adds up its channels.

    With `sums` those are a layer with a kernel of zeros and ones; later versions had no such layer in the file.
    """
    layers = keras.layers

    def conv(x: Any, filters: int, size: int, *, name: str, stride: int = 1) -> Any:
        x = layers.Conv2D(filters, size, strides=stride, use_bias=False, name=f"{name}_conv")(x)
        return layers.BatchNormalization(epsilon=1.001e-5, name=f"{name}_bn")(x)

    def block(x: Any, filters: int, *, stride: int, first: bool, name: str) -> Any:
        shortcut = conv(x, 2 * filters, 1, stride=stride, name=f"{name}_0") if first else x
        x = layers.ReLU()(conv(x, filters, 1, name=f"{name}_1"))
        c = filters // 32
        x = layers.ZeroPadding2D(1)(x)
        x = layers.DepthwiseConv2D(3, stride, depth_multiplier=c, use_bias=False, name=f"{name}_2_conv")(x)
        if sums:
            x = layers.Conv2D(filters, 1, use_bias=False, trainable=False, name=f"{name}_2_gconv")(x)
        else:
            side = x.shape[1]
            x = keras.ops.sum(layers.Reshape((side, side, 32, c, c))(x), axis=4)
            x = layers.Reshape((side, side, filters))(x)
        x = layers.ReLU()(layers.BatchNormalization(epsilon=1.001e-5, name=f"{name}_2_bn")(x))
        return layers.ReLU()(layers.Add()([shortcut, conv(x, 2 * filters, 1, name=f"{name}_3")]))

    images = keras.Input((SIZE, SIZE, 3))
    x = layers.ReLU()(conv(layers.ZeroPadding2D(3)(images), 64, 7, stride=2, name="conv1"))
    x = layers.MaxPooling2D(3, strides=2)(layers.ZeroPadding2D(1)(x))
    x = block(x, 128, stride=1, first=True, name="conv2_block1")
    x = block(x, 256, stride=2, first=True, name="conv3_block1")
    x = block(x, 256, stride=1, first=False, name="conv3_block2")
    model = keras.Model(images, layers.Dense(7, name="predictions")(layers.GlobalAveragePooling2D()(x)))
    scramble(model)
    for layer in model.layers:
        if layer.name.endswith("_2_gconv"):
            layer.kernel.assign(sums_by_loop(layer.kernel.shape[-1]))
    return model


def sums_by_loop(filters: int) -> np.ndarray:
    """Output i adds up the channels that multiplier i % c made of the inputs of i's group, the group i // c of c."""
    c = filters // 32
    kernel = np.zeros((1, 1, filters * c, filters), "float32")
    for i in range(filters):
        for k in range(c):
            kernel[0, 0, ((i // c) * c + k) * c + i % c, i] = 1
    return kernel


@pytest.mark.filterwarnings("ignore:.*HDF5 file")
@pytest.mark.parametrize("name", ["saved.h5", "published.h5", "without_sums.h5", "saved.weights.h5"])
def test_the_old_resnext_layout_gives_the_same_logits(name: str, tmp_path: Path) -> None:
    reference = old_resnext(sums=name != "without_sums.h5")
    path = tmp_path / name
    if name in ("published.h5", "without_sums.h5"):
        write_published_layout(reference, path)
    elif name.endswith(".weights.h5"):
        reference.save_weights(path)
    else:
        reference.save(path)
    ours = kres.build(RESNEXT, weights=path, input_shape=(SIZE, SIZE, 3), classifier_activation=None)
    assert_equal_logits(ours, reference)


@pytest.mark.parametrize(
    ("fault", "match"),
    [
        ("value", "add up.*: conv3_block2_2_gconv/kernel"),
        ("order", "add up.*: conv3_block2_2_gconv/kernel"),
        ("shape", r"conv3_block2_2_gconv/kernel \(1, 1, 4, 256\) \(which is \(1, 1, 2048, 256\)\)"),
        ("type", "conv3_block2_2_gconv/kernel of int64"),
        ("missing", "missing from the file: conv3_block2_2_conv/kernel"),
    ],
)
def test_old_resnext_files_with_other_sums_are_refused(fault: str, match: str, tmp_path: Path) -> None:
    path = tmp_path / "old.h5"
    write_published_layout(old_resnext(), path)
    with h5py.File(path, "a") as file:
        name = "conv3_block2_2_gconv/conv3_block2_2_gconv/kernel:0"
        kernel = file[name][()]
        del file[name]
        if fault == "value":
            kernel[0, 0, 0, 0] = 0.5
        elif fault == "order":
            kernel = kernel[..., ::-1]
        elif fault == "shape":
            kernel = kernel[:, :, :4]
        elif fault == "type":
            kernel = kernel.astype("int64")
        else:
            del file["conv3_block2_2_conv/conv3_block2_2_conv/depthwise_kernel:0"]
        file[name] = kernel
    ours = kres.build(RESNEXT, input_shape=(SIZE, SIZE, 3))
    before = values(ours)
    with pytest.raises(ValueError, match=match):
        kres.load_weights(ours, path)
    assert_same(before, ours)
