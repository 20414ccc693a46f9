"""Costs against published ones, against sums by hand, and against what a network really holds in memory."""

import csv
import json
import math
from pathlib import Path

import keras
import pytest

import kres
from kres.convolution import GroupedConv2D, StandardizedConv2D
from kres.layers import BlurPool2D, PadChannels
from kres.profiling import Profile
from tests.families import without_values

# timm 1.0.31's results/model_metadata-in1k.csv: counted by fvcore, activations of convolutions and matrix products.
PUBLISHED = list(csv.DictReader(Path(__file__).with_name("published_macs.csv").read_text().splitlines()))


@pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: row["network"])
def test_costs_equal_the_published_ones(row):
    """timm prints two decimals, and its fvcore left out averages written as a mean, as in attention: 0.3 %."""
    size = int(row["image_size"])
    with without_values():
        model = kres.build(row["network"], input_shape=(size, size, 3))
    found = kres.profile(model)
    assert not found.unknown
    assert found.macs / 1e9 == pytest.approx(float(row["gmacs"]), rel=3e-3, abs=6e-3)
    assert found.conv_activations / 1e6 == pytest.approx(float(row["million_activations"]), abs=6e-3)
    assert found.params / 1e6 == pytest.approx(float(row["million_parameters"]), abs=6e-3)


def test_enough_networks_of_every_family_are_compared():
    assert len(PUBLISHED) >= 20
    fields = ("block", "order", "norm", "attention", "antialias", "shortcut_pool", "stem_pool")
    seen = {(field, getattr(kres.spec(row["network"]), field)) for row in PUBLISHED for field in fields}
    of_size_224 = [kres.spec(name) for name in kres.list_models() if kres.spec(name).stem == "imagenet"]
    assert {(field, getattr(spec, field)) for spec in of_size_224 for field in fields} <= seen


def small(**options) -> keras.Model:
    spec = kres.Spec(block="basic", depths=(1, 1), widths=(8, 16), stem="cifar", classes=5, input_size=8)
    return kres.build(spec, **options)


def chain(*layers: keras.layers.Layer, shape=(8, 8, 4)) -> Profile:
    inputs = x = keras.Input(shape)
    for layer in layers:
        x = layer(x)
    return kres.profile(keras.Model(inputs, x))


@pytest.mark.parametrize(
    ("layer", "shape", "macs"),
    [
        (keras.layers.Conv2D(6, 3, padding="same"), (8, 8, 4), 64 * 9 * 4 * 6),
        (keras.layers.Conv2D(6, 3, strides=2, padding="same"), (8, 8, 4), 16 * 9 * 4 * 6),
        (GroupedConv2D(6, 3, groups=2, padding="same"), (8, 8, 4), 64 * 9 * 2 * 6),
        (StandardizedConv2D(6, 1), (8, 8, 4), 64 * 4 * 6 + 4 * 4 * 6),
        (keras.layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same"), (8, 8, 4), 64 * 9 * 8),
        (keras.layers.SeparableConv2D(6, 3, padding="same"), (8, 8, 4), 64 * (9 * 4 + 4 * 6)),
        (keras.layers.Conv2DTranspose(6, 2, strides=2), (8, 8, 4), 64 * 4 * 4 * 6),
        (keras.layers.Conv1D(6, 3, padding="same"), (8, 4), 8 * 3 * 4 * 6),
        (keras.layers.Dense(6), (8, 4), 8 * 4 * 6),
        (keras.layers.EinsumDense("abc,cde->abde", (None, 2, 3)), (8, 4), 8 * 4 * 6),
        (keras.layers.EinsumDense("...x,xy->...y", 6), (8, 8, 4), 64 * 4 * 6),
        (keras.layers.MaxPooling2D(), (8, 8, 4), 0),
        (keras.layers.GlobalAveragePooling2D(), (8, 8, 4), 256),
        (keras.layers.GroupNormalization(2), (8, 8, 4), 5 * 256),
        (keras.layers.BatchNormalization(), (8, 8, 4), 2 * 256),
        (BlurPool2D(2), (8, 8, 4), 16 * 9 * 4),
        (PadChannels(6), (8, 8, 4), 0),
    ],
    ids=lambda value: type(value).__name__,
)
def test_macs_by_hand(layer, shape, macs):
    found = chain(layer, shape=shape)
    assert found.macs == macs and not found.unknown
    # BlurPool2D writes a padded map besides.
    assert found.layers[-1].activations >= math.prod(found.layers[-1].output_shape)


def test_attention_is_counted_by_what_it_calls():
    inputs = keras.Input((10, 8))
    model = keras.Model(inputs, keras.layers.MultiHeadAttention(2, 4)(inputs, inputs))
    found = kres.profile(model)
    # Four projections, and two products over all pairs of positions.
    assert found.macs == 4 * 10 * 8 * 8 + 2 * 10 * 10 * 8
    assert found.params == 4 * (8 * 8 + 8)


def test_what_is_not_known_is_named_and_not_zero():
    @keras.saving.register_keras_serializable("test")
    class Opaque(keras.layers.Layer):
        def call(self, inputs):
            import tensorflow as tf

            return tf.nn.relu(inputs)

        def compute_output_shape(self, input_shape):
            return input_shape

    found = chain(Opaque(name="opaque"), keras.layers.LSTM(3, name="lstm"), shape=(8, 4))
    assert found.unknown == ("opaque", "lstm")
    assert [row.macs for row in found.layers] == [None, None]


def test_memory_by_hand():
    """A shortcut stays alive over the branch: 3 maps at the sum, none after it."""
    inputs = keras.Input((8, 8, 4))
    x = keras.layers.Conv2D(4, 3, padding="same", name="a")(inputs)
    y = keras.layers.ReLU(name="b")(x)
    z = keras.layers.Add(name="c")([x, y])
    z = keras.layers.Flatten(name="d")(z)
    found = kres.profile(keras.Model(inputs, keras.layers.Dense(2, name="e")(z)))
    map_bytes = 8 * 8 * 4 * 4
    alive = {row.name: row.alive_bytes for row in found.layers}
    assert alive == {"a": 2 * map_bytes, "b": 2 * map_bytes, "c": 3 * map_bytes, "d": map_bytes, "e": map_bytes + 8}
    assert found.peak_bytes == 3 * map_bytes
    assert found.activations == 3 * 256 + 2


def test_the_compute_dtype_halves_memory_and_changes_no_count():
    full, half = (kres.profile(small(dtype=dtype)) for dtype in ("float32", "mixed_bfloat16"))
    assert (half.macs, half.activations, half.params) == (full.macs, full.activations, full.params)
    # The images stay float32.
    assert full.peak_bytes / 2 <= half.peak_bytes < 0.75 * full.peak_bytes


def test_an_open_size_is_given():
    model = small(input_shape=(None, None, 3))
    assert kres.profile(model, input_shape=(8, 8, 3)).macs == kres.profile(small()).macs
    with pytest.raises(ValueError, match="give `input_shape`"):
        kres.profile(model)
    with pytest.raises(ValueError, match="Received: input_shape=\\(16, 16, 3\\)"):
        kres.profile(small(), input_shape=(16, 16, 3))
    for wrong in (8, (0, 8, 3), (-8, 8, 3), ("8", 8, 3)):
        with pytest.raises(ValueError, match=r"`input_shape` is \(h, w, c\)|The model's input shape is"):
            kres.profile(model, input_shape=wrong)


def test_nested_models_and_shared_layers():
    inner = small(include_top=False, name="inner")
    images = keras.Input((8, 8, 3), name="pixels")
    x = keras.Sequential([keras.layers.Rescaling(1 / 255, name="scale")], name="prepare")(images)
    outer = keras.Model(images, keras.layers.Add(name="twice")([inner(x), inner(x)]))
    found, once = kres.profile(outer), kres.profile(inner, input_shape=(8, 8, 3))
    assert found.layers[0].name == "prepare/scale" and "inner/stem_conv1" in [row.name for row in found.layers]
    assert (found.macs, found.params) == (2 * once.macs, once.params)


def test_the_model_is_left_as_it_was():
    inputs = keras.Input((10, 8))
    model = keras.Model(inputs, keras.layers.MultiHeadAttention(2, 4, name="mha")(inputs, inputs))
    kres.profile(model)
    assert model.get_layer("mha").output is not None
    weights = model.get_weights()
    assert len(kres.profile(model).layers) == 1 and len(model.get_weights()) == len(weights)


def test_frozen_layers_keep_their_parameters():
    model = small()
    before = kres.profile(model).params
    model.trainable = False
    assert kres.profile(model).params == before == kres.profile(small(norm="frozen_batch")).params


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("resnet18", "functional model. Received: str"),
        (keras.layers.Dense(3), "functional model. Received: Dense"),
        (keras.Sequential([keras.layers.Dense(3)]), "functional model. Received: Sequential"),
    ],
)
def test_bad_models(model, words):
    with pytest.raises(ValueError, match=words):
        kres.profile(model)


def test_two_inputs_are_refused():
    inputs = [keras.Input((3,)), keras.Input((3,))]
    with pytest.raises(ValueError, match="Received: 2 inputs"):
        kres.profile(keras.Model(inputs, keras.layers.Add()(inputs)))


def test_to_dict_is_json():
    found = json.loads(json.dumps(kres.profile(small()).to_dict()))
    assert found["layers"][0]["name"] == "stem_conv1" and found["input_shape"] == [8, 8, 3]
    assert len(repr(kres.profile(small()))) < 300
