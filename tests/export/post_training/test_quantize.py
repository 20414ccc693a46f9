"""Networks that int8 hurts, and what each remedy gives back."""

import re

import keras
import numpy as np
import pytest

from kres import export
from kres.export.formats import FORMATS
from kres.export.losses import LayerError, Quantized, decibels
from kres.export.post_training import quantize as post_training
from kres.export.post_training.bias import correct_bias
from kres.export.post_training.calibration import collect_ranges
from kres.export.post_training.equalization import equalized
from kres.export.post_training.layers import energy
from kres.export.post_training.quantize import Goal, PostTraining, quantize
from kres.export.post_training.units import Units
from kres.folding import folded
from kres.lowering import lower
from kres.quantization import quantized_twin, ranges, set_ranges


@pytest.fixture(scope="module")
def many():
    """Normalised images (64, 16, 16, 3)."""
    return np.random.default_rng(5).normal(size=(64, 16, 16, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def logits(build_net):
    """The small residual network without a softmax, which would hide what changes."""
    return folded(build_net(activation=None))


@pytest.fixture(scope="module")
def scaled(logits):
    """The same network with badly scaled channels between the convolutions of a block: the same answers in float32."""
    model = folded(logits)
    rng = np.random.default_rng(0)
    for block in (0, 1):
        first, second = (model.get_layer(f"block{block}_{index}_conv") for index in (1, 2))
        (kernel, bias), (following, other) = first.get_weights(), second.get_weights()
        scale = 10 ** rng.uniform(-1.5, 1.5, kernel.shape[-1])
        first.set_weights([kernel * scale, bias * scale])
        second.set_weights([following / scale[:, None], other])
    return model


def goal(expected, max_drop):
    """What `deliver` makes of `max_drop`."""
    return Goal(expected, FORMATS["int8"].tolerance.allowing(max_drop))


def loss(model, twin, images):
    """Signal to noise of a twin's answers in dB."""
    exact = np.asarray(model(images), np.float64)
    return decibels(energy(exact), energy(np.asarray(twin(images)) - exact))


def calibrated(model, images, **options):
    """A quantized twin with min-max ranges."""
    twin = quantized_twin(model, **options)
    set_ranges(twin, collect_ranges(model, images))
    return twin


def test_equalization_gives_back_what_badly_scaled_channels_lose(logits, scaled, many):
    np.testing.assert_allclose(scaled(many), logits(many), atol=1e-4)
    good, bad = loss(logits, calibrated(logits, many), many), loss(scaled, calibrated(scaled, many), many)
    mended = equalized(scaled)
    np.testing.assert_allclose(mended(many), scaled(many), atol=1e-4)
    fair = loss(mended, calibrated(mended, many), many)
    assert bad < good - 6
    assert fair > good - 2


def test_bias_correction_takes_off_what_coarse_kernels_add(logits, many):
    twin = calibrated(logits, many[:32], weight_bits=4)
    before = np.asarray(twin(many[32:])) - np.asarray(logits(many[32:]))
    kernels = [value for layer in twin.layers for value in layer.weights if "kernel" in value.name]
    exact = [np.array(value) for value in kernels]
    assert correct_bias(twin, lower(logits).model, many[:32]) == 8
    after = np.asarray(twin(many[32:])) - np.asarray(logits(many[32:]))
    # On images that it has not seen.
    assert np.abs(after.mean(0)).max() < 0.5 * np.abs(before.mean(0)).max()
    assert (after**2).sum() < 0.9 * (before**2).sum()
    for value, old in zip(kernels, exact, strict=True):
        np.testing.assert_array_equal(value, old)


def test_bias_correction_leaves_nothing_of_the_mean_on_its_own_images(logits, many):
    twin = calibrated(logits, many[:32], weight_bits=4)
    correct_bias(twin, lower(logits).model, many[:32])
    left = (np.asarray(twin(many[:32])) - np.asarray(logits(many[:32]))).mean(0)
    # The last activation is rounded after the correction: half a step, and seldom all one way.
    low, high = list(ranges(twin).values())[-1]
    assert np.abs(left).max() < (high - low) / 255


def test_ranges_go_into_the_twin(logits, many):
    found = {}
    for method in ("minmax", "percentile", "mse"):
        how = PostTraining(ranges=method, percentile=99.0 if method == "percentile" else None)
        found[method] = ranges(quantize(logits, many, how).twin)
    for name, (low, high) in found["minmax"].items():
        for method in ("percentile", "mse"):
            assert low <= found[method][name][0] <= 0 <= found[method][name][1] <= high
    assert found["percentile"] != found["minmax"] != found["mse"] != found["percentile"]


@pytest.mark.parametrize("option", ["equalize", "correct_bias"])
def test_options_change_the_twin(logits, many, option):
    plain = quantize(logits, many, PostTraining()).twin(many)
    changed = quantize(logits, many, PostTraining(**{option: True})).twin(many)
    assert 0 < np.abs(plain - changed).max() < 0.1 * np.abs(plain).max()


def test_layers_by_name_and_pattern_stay_in_float32(logits, many):
    found = quantize(logits, many, PostTraining(keep_float=("stem_conv", "block1_*")))
    kept = ("stem_conv", "block1_1_conv", "block1_2_conv", "block1_shortcut_conv")
    assert sorted(found.kept_float) == sorted(kept)
    assert type(found.twin.get_layer("stem_conv")) is keras.layers.Conv2D
    assert type(found.twin.get_layer("block0_1_conv")) is not keras.layers.Conv2D
    with pytest.raises(ValueError, match=r"Closest: block1_1_conv. Received: 'block1_1_con'"):
        quantize(logits, many, PostTraining(keep_float=("block1_1_con",)))


@pytest.fixture(scope="module")
def spoilt(logits):
    """The network with one channel of the stem that takes all of the range, though hardly anything reads it."""
    model = folded(logits)
    stem = model.get_layer("stem_conv")
    scale = np.where(np.arange(8) == 0, 1e4, 1)
    stem.set_weights([value * scale for value in stem.get_weights()])
    for name in ("block0_1_conv", "block0_shortcut_conv"):
        kernel, bias = model.get_layer(name).get_weights()
        model.get_layer(name).set_weights([kernel / scale[:, None], bias])
    return model


def test_the_worst_layers_stay_in_float32_until_the_drop_is_met(spoilt, many):
    expected = export.reference(spoilt, many)
    without = quantize(spoilt, many, PostTraining())
    found = quantize(spoilt, many, PostTraining(), goal(expected, 1.6))
    agreement = [np.mean(np.argmax(made.twin(many), 1) == expected.outputs.argmax(1)) for made in (without, found)]
    assert agreement[0] < 0.8 < 0.95 < agreement[1]
    assert without.kept_float == ()
    # For the stem's output to stay exact, what reads it has to be in float32 too.
    assert sorted(found.kept_float) == ["block0_1_conv", "block0_shortcut_conv", "stem_conv"]


def test_the_search_spares_the_layers_that_integer_input_and_output_need(spoilt, many, monkeypatch):
    tried, make = [], post_training._Maker.make
    monkeypatch.setattr(post_training._Maker, "make", lambda maker, kept: tried.append(set(kept)) or make(maker, kept))
    assert Units(lower(spoilt)).edges() == {"stem_conv", "predictions"}
    # The stem is what loses here, so that nothing else helps.
    found = quantize(spoilt, many, PostTraining(), goal(export.reference(spoilt, many), 1.6), io="int8")
    assert f"of {len(tried)} trials" in found.shortfall and set(found.kept_float) in tried
    assert len(tried) > 1 and not set().union(*tried) & {"stem_conv", "predictions"}


def test_a_drop_that_cannot_be_met_gives_the_best_trial_and_says_why_there_is_no_better(logits, many):
    other = (np.asarray(logits(many)).argmax(1) + 1) % 5
    expected = export.Reference(images=many, labels=other, outputs=np.eye(5, dtype=np.float32)[other])
    found = quantize(logits, many, PostTraining(), goal(expected, 0.0))
    words = (
        r"This is the best of \d trials, with \d of 11 layers in float32\. At most half may be, .*: (.*), the next, "
    )
    said = re.match(words + r"and what goes with it would turn the \d tried into (\d+)$", found.shortfall)
    assert said and int(said[2]) > 5 >= len(found.kept_float)
    assert said[1] in Units(lower(logits)).layers() - set(found.kept_float)


def test_the_best_trial_is_not_always_the_last(spoilt, many, monkeypatch):
    losses = iter([9.0, 5.0, 7.0, 7.0, 7.0])
    measured = {"max_difference": 0.1, "cosine": 1.0, "agreement": 0.5}
    monkeypatch.setattr(post_training, "_measured", lambda *arguments: {**measured, "lost": next(losses)})
    tried, make = [], post_training._Maker.make
    monkeypatch.setattr(
        post_training._Maker, "make", lambda maker, kept: tried.append(tuple(kept)) or make(maker, kept)
    )
    found = quantize(spoilt, many, PostTraining(), goal(export.reference(spoilt, many), 1.0))
    assert len(tried) > 2 and found.kept_float == tried[1]


def test_sets_of_layers_grow_to_all_that_may_be(logits):
    units = Units(lower(logits))
    # Keras counts the layers that it names itself over the whole process.
    first, second = (layer.name for layer in logits.layers if isinstance(layer, keras.layers.Add))

    def growing(*worst, kept=()):
        layers = tuple(LayerError(name=name, snr_db=1.0, own_snr_db=1.0) for name in worst)
        return post_training._growing(Quantized(twin=None, kept_float=kept, layers=layers), units, {"predictions"})

    stem, block = units.around("stem_conv"), units.around("block1_2_conv")
    assert len(stem | block) <= 5 and not stem & block
    # What goes with the stem is kept already: the next one's turn. The output's layer is never one.
    sets, end = growing("stem_conv", "predictions", "block1_2_conv", kept=tuple(stem))
    assert sets == [stem | block] and end == "No other layer that may be in float32 loses anything"
    # A layer that does not fit into half with what goes with it is passed over for one that does.
    sets, end = growing("block1_2_conv", second, first, "stem_conv")
    four = block | units.around(second)
    assert sets == [block, four, four | stem] and len(sets[-1]) == 5
    assert end.startswith("At most half may be, ")
    assert end.endswith(f": {first}, the next, and what goes with it would turn the 5 tried into 8")
    most = tuple(sorted(units.layers())[:6])
    sets, end = growing("stem_conv", "block1_2_conv", kept=most)
    assert not sets and end.startswith("More than half were to be from the start, ")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"ranges": "max"}, "minmax.*percentile.*mse"),
        ({"percentile": 0.999, "ranges": "percentile"}, "percentile=0.999"),
        ({"max_drop": -1.0}, "max_drop=-1"),
    ],
)
def test_values_that_cannot_be(values, words):
    with pytest.raises(ValueError, match=words):
        PostTraining(**values)
