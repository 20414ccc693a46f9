"""What only a stride reads is computed at that stride, to the same values."""

from collections import Counter

import keras
import numpy as np
import pytest

from kres import export
from kres.export import formats
from kres.export.conversion import graph, models
from kres.export.conversion.strides import CONVOLUTIONS
from kres.export.files.flatbuffer import operator_names, unpack
from kres.export.runtimes.compatibility import lacking
from tests.export.calibrated import calibrated
from tests.export.conversion.test_graph import delegation, kinds, outputs
from tests.export.proof.test_tensors import EXACT_DECIBELS
from tests.export.test_networks import noise, shortened

layers = keras.layers
# A conversion of TensorFlow's takes about a second.
SIZES = {(12, 12): (3, 2), (9, 7): (5, 2), (10, 8): (4, (1, 2)), (10, 12): (2, 3)}


def block(size, *, width=8, kernel=3, strides=2, end=None, merge=layers.Add, tap=1):
    """A block of three convolutions with an identity beside it, and two convolutions that stride over what it makes."""
    keras.utils.set_random_seed(1)
    relu, image = {"activation": "relu"}, keras.Input((*size, 3))
    x = layers.Conv2D(width, 3, padding="same", bias_initializer="normal", name="stem", **relu)(image)
    y = layers.Conv2D(width, 1, name="conv1", **relu)(x)
    y = layers.Conv2D(width - 2, kernel, padding="same", bias_initializer="ones", name="conv2", **relu)(y)
    y = layers.Conv2D(width, 1, name="conv3")(y)
    x = layers.ReLU(name="out")(merge(name="sum")([x, y]))
    outputs = [layers.Conv2D(width, tap, strides=strides, padding="same", name=name)(x) for name in ("next1", "next2")]
    result = layers.Concatenate()(outputs)
    return keras.Model(image, result if end is None else [result, end(x)])


def strided(content):
    """The strides of each convolution, by its place among them."""
    model = unpack(content)
    nodes = zip(model.subgraphs[0].operators, operator_names(model), strict=True)
    found = [node.builtinOptions for node, kind in nodes if kind in CONVOLUTIONS]
    return [(options.strideH, options.strideW) for options in found]


def convolved(content):
    """The shapes (h, w, c) that the convolutions put out."""
    model = unpack(content)
    main = model.subgraphs[0]
    nodes = zip(main.operators, operator_names(model), strict=True)
    return [tuple(main.tensors[node.outputs[0]].shape[1:]) for node, kind in nodes if kind == "CONV_2D"]


CASES = [(size, name) for size in SIZES for name in ("float32", "int8")] + [((9, 7), "float16"), ((12, 12), "dynamic")]


@pytest.mark.parametrize(("size", "name"), CASES)
def test_the_same_values_of_less_work(stock, tmp_path, size, name):
    kernel, strides = SIZES[size]
    # `dynamic` leaves fewer than 1,024 weights in float32.
    width = 40 if name == "dynamic" else 8
    model = block(size, width=width, kernel=kernel, strides=strides)
    before = stock(model, tmp_path / "m.tflite", name=name, io="int8" if name == "int8" else "float32")
    after = graph.rewritten(before)
    # The last two convolutions of the block, the sum and the identity beside them stride; the others' work stays.
    high, wide = model.get_layer("next1").output.shape[1:3]
    shapes = [(*size, width)] * 2 + [(high, wide, width - 2), *[(high, wide, width)] * 3]
    assert sorted(convolved(after)) == sorted(shapes)
    assert kinds(after) - kinds(before) == Counter({"DEPTHWISE_CONV_2D": 1, "PAD": 1})
    if name == "dynamic":
        # A part's largest value is at most the whole's, so it is rounded by steps that are no coarser: as far from
        # the exact answers, but for chance, of which some 10,000 values have little.
        exact = outputs(stock(model, tmp_path / "exact.tflite", name="float32"))
        errors = [float(np.square(outputs(content) - exact).mean() ** 0.5) for content in (after, before)]
        assert 0 < errors[0] < 1.1 * errors[1] < 0.02 * np.abs(exact).max()
    else:
        # The same sums, in float32 in another order at most.
        np.testing.assert_allclose(outputs(after), outputs(before), rtol=0, atol=0 if name == "int8" else 1e-5)
    assert np.ptp(outputs(after)) > (100 if name == "int8" else 1)
    found = delegation(after)
    assert found["partitions"] == 1 and found["taken"] == found["nodes"]


MAKERS = {
    "valid": ((11, 9), layers.Conv2D(8, 3, bias_initializer="ones"), 2),
    "valid, of an even kernel": ((9, 12), layers.Conv2D(8, (2, 4), bias_initializer="ones"), 3),
    "same, that strides": ((13, 10), layers.Conv2D(8, 3, strides=2, padding="same", bias_initializer="ones"), 2),
    "depthwise": ((9, 12), layers.DepthwiseConv2D(3, padding="same", bias_initializer="ones"), 2),
    "depthwise, that strides": ((13, 10), layers.DepthwiseConv2D(3, strides=2, padding="same"), 2),
}


@pytest.mark.parametrize("name", ["float32", "int8"])
@pytest.mark.parametrize("maker", MAKERS)
def test_every_convolution_can_stride_for_another(stock, tmp_path, maker, name):
    size, layer, strides = MAKERS[maker]
    keras.utils.set_random_seed(1)
    image = keras.Input((*size, 3))
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="stem")(image)
    x = layers.ReLU()(type(layer).from_config({**layer.get_config(), "name": "maker"})(x))
    model = keras.Model(image, layers.Conv2D(8, 1, strides=strides, name="next")(x))
    before = stock(model, tmp_path / "m.tflite", name=name, io="int8" if name == "int8" else "float32")
    after = graph.rewritten(before)
    assert strided(before) == [(1, 1), layer.strides, (strides, strides)]
    assert strided(after) == [(1, 1), (strides * layer.strides[0],) * 2, (1, 1)]
    # The same sums, in float32 in another order at most.
    np.testing.assert_allclose(outputs(after), outputs(before), rtol=0, atol=0 if name == "int8" else 1e-5)
    assert np.ptp(outputs(after)) > (100 if name == "int8" else 1)


def test_a_sum_of_two_convolutions_needs_no_subsampling(stock, tmp_path):
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, strides=2, padding="same", name="stem")(image)
    x = layers.Add()([layers.Conv2D(8, 1, name="left")(x), layers.Conv2D(8, 1, name="right")(x)])
    model = keras.Model(image, layers.Conv2D(4, 1, strides=2, name="next")(x))
    before = stock(model, tmp_path / "m.tflite", name="float32")
    after = graph.rewritten(before)
    # As far up as it goes: the stem strides by four.
    assert set(convolved(after)) == {(2, 2, 4), (2, 2, 8)}
    np.testing.assert_allclose(outputs(after), outputs(before), atol=1e-5)


def test_a_tensor_added_to_itself_strides_once(stock, tmp_path):
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", name="conv")(image)
    branch = layers.Conv2D(4, 3, padding="same", name="other")(image)
    x = layers.Add(name="three")([layers.Add(name="twice")([x, x]), branch])
    model = keras.Model(image, layers.Conv2D(4, 1, strides=2, name="next")(x))
    before = stock(model, tmp_path / "m.tflite", name="float32")
    after = graph.rewritten(before)
    assert outputs(after).shape == outputs(before).shape
    np.testing.assert_allclose(outputs(after), outputs(before), atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"tap": 3},
        {"strides": 1},
        {"end": layers.Activation("linear", name="kept")},
        {"end": layers.Conv2D(2, 1, name="full")},
        {"end": layers.Conv2D(2, 1, strides=3, name="other")},
        {"merge": layers.Multiply},
    ],
    ids=["taps", "no stride", "an output", "a reader in full", "another stride", "a product"],
)
def test_what_is_read_stays(stock, tmp_path, options):
    content = stock(block((12, 12), **options), tmp_path / "m.tflite", name="float32")
    assert graph.rewritten(content) is content


def test_strides_in_the_3x3_leave_nothing_to_save(stock, tmp_path):
    content = stock(shortened("resnet50"), tmp_path / "m.tflite", name="float32")
    assert convolved(graph.rewritten(content)) == convolved(content)


@pytest.mark.parametrize("name", ["float32", "int8"])
def test_the_layers_of_the_original_resnet(tmp_path, name):
    """He et al. 2015: an older runtime has what is in the file, and layers that stride are still compared."""
    model, images = shortened("keras_resnet50"), noise()
    path = tmp_path / "m.tflite"
    options = calibrated(model, images) if name == "int8" else formats.Options()
    formats.FORMATS[name].write(models.without_norms(model), path, options)
    assert not lacking(path, "2.14")
    # 4x4 of the 8x8 positions of the first stage.
    assert model.get_layer("stage1_out").output.shape[1:] == (8, 8, 64)
    assert convolved(path.read_bytes()).count((4, 4, 64)) == 2
    found = {error.activation: error.snr_db for error in export.tensor_errors(model, path, images[:2])}
    assert {"stage1_out", "stage2_out"} <= found.keys()
    # 256 steps lose about 30 dB a layer.
    assert min(found.values()) > (15 if name == "int8" else EXACT_DECIBELS)
