"""A new head on a trained network, and what is frozen: it trains nothing, moves no statistics, and survives saving."""

import dataclasses

import keras
import numpy as np
import pytest

import kres

SPEC = dataclasses.replace(
    kres.spec("cifar_resnet20"), depths=(1, 1, 1), widths=(8, 16, 16), block_dropout=0.1, params=None, classes=4
)
PREACTIVATION = dataclasses.replace(SPEC, order="preactivation")
STAGES = ["stem", "stage1", "stage2", "stage3"]


def network(spec=SPEC, **options):
    model = kres.build(spec, input_shape=(16, 16, 3), **options)
    rng = np.random.default_rng(0)
    for variable in model.weights:
        variable.assign(rng.uniform(0.5, 1.5, variable.shape) * (0.1 if variable.name == "kernel" else 1))
    return model


def images(n=8):
    return np.random.default_rng(1).standard_normal((n, 16, 16, 3)).astype("float32")


def outputs(model, layer):
    tap = keras.Model(model.input, model.get_layer(layer).output)
    return keras.ops.convert_to_numpy(tap(images(2), training=False))


def values(model):
    return {f"{layer.name}/{v.name}": keras.ops.convert_to_numpy(v) for layer in model.layers for v in layer.weights}


def layers_that_move(model):
    """Layers of which anything, moving statistics too, differs after an epoch of two steps."""
    before = values(model)
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "sparse_categorical_crossentropy")
    model.fit(images(), np.arange(8) % 2, batch_size=4, verbose=0)
    return {path.split("/")[0] for path, value in values(model).items() if (before[path] != value).any()}


def layers_of(model, *parts):
    return {layer.name for layer in model.layers if layer.weights and layer.name.split("_")[0] in parts}


def frozen(model):
    return {layer.name for layer in model.layers if layer.weights and not layer.trainable}


def test_a_new_head_on_the_same_network():
    model = network(dropout=0.3, classifier_activation=None)
    model.weights_tag = "timm/of.its_own"
    result = kres.replace_head(model, 6)
    assert result.output.shape == (None, 6)
    assert isinstance(result, kres.ResNet)
    np.testing.assert_array_equal(outputs(result, "avg_pool"), outputs(model, "avg_pool"))
    for known in ("spec", "preprocess", "weights_tag", "name"):
        assert getattr(result, known) == getattr(model, known)
    assert result.options == {**model.options, "classes": 6}
    assert result.get_layer("dropout").rate == 0.3
    assert model.output.shape == (None, 4)


def test_its_dropout_may_be_another():
    assert kres.replace_head(network(), 6, dropout=0.5).get_layer("dropout").rate == 0.5


@pytest.mark.parametrize("pooling", [None, "max"])
def test_a_network_without_the_top_gets_one(pooling):
    model = network(include_top=False, pooling=pooling)
    result = kres.replace_head(model, 6)
    assert result.output.shape == (None, 6)
    np.testing.assert_array_equal(outputs(result, "stage3_out"), outputs(model, "stage3_out"))


def test_what_was_frozen_stays_so_beside_a_new_head():
    model = network()
    kres.freeze(model, until="stage1")
    assert frozen(kres.replace_head(model, 6)) == layers_of(model, "stem", "stage1")
    model.trainable = False
    result = kres.replace_head(model, 6)
    assert [v.path for v in result.trainable_variables] == ["predictions/kernel", "predictions/bias"]


def test_a_fused_network_gets_a_new_head_too():
    fused = kres.fuse(network())
    result = kres.replace_head(fused, 6)
    np.testing.assert_array_equal(outputs(result, "avg_pool"), outputs(fused, "avg_pool"))


@pytest.mark.parametrize(
    ("spec", "until"),
    [(SPEC, "stem"), (SPEC, "stage2"), (SPEC, "backbone"), (PREACTIVATION, "stage3"), (PREACTIVATION, "backbone")],
)
def test_what_is_frozen_does_not_move(spec, until):
    model = network(spec)
    kres.freeze(model, until=until)
    still = [*STAGES, "final"] if until == "backbone" else STAGES[: STAGES.index(until) + 1]
    every = {layer.name for layer in model.layers if layer.weights}
    assert layers_that_move(model) == every - layers_of(model, *still)


def test_frozen_norms_use_their_moving_statistics_in_training():
    model = network(dataclasses.replace(SPEC, block_dropout=0.0))
    kres.freeze(model)
    training, inference = (keras.ops.convert_to_numpy(model(images(), training=flag)) for flag in (True, False))
    # One batch through two kernels for the same sums.
    np.testing.assert_allclose(training, inference, rtol=1e-5)


@pytest.mark.parametrize("norms", [True, False])
def test_unfreezing_from_a_stage_on(norms):
    model = network()
    kres.freeze(model)
    kres.unfreeze(model, since="stage3", norms=norms)
    moved = layers_of(model, "stage3", "predictions")
    if not norms:
        moved = {name for name in moved if "norm" not in name}
    assert layers_that_move(model) == moved


def test_unfreezing_is_the_inverse_of_freezing():
    model = network(PREACTIVATION)
    trainable = [v.path for v in model.trainable_variables]
    kres.freeze(model)
    kres.unfreeze(model)
    assert [v.path for v in model.trainable_variables] == trainable


def test_a_model_frozen_as_a_whole_is_set_free_in_part():
    model = network()
    model.trainable = False
    kres.unfreeze(model, since="stage3")
    assert model.trainable
    assert frozen(model) == layers_of(model, "stem", "stage1", "stage2")


def test_a_frozen_batch_norm_is_never_set_free():
    model = network(norm="frozen_batch")
    kres.unfreeze(model)
    assert frozen(model) == {name for name in layers_of(model, *STAGES) if "norm" in name}


@pytest.mark.parametrize("call", [kres.freeze, kres.unfreeze])
def test_a_compiled_model_asks_to_be_compiled_again(call):
    """Keras keeps the training step that it traced, and would train what is frozen now."""
    model = network()
    layers_that_move(model)
    call(model, "stem")
    with pytest.raises(ValueError, match="call `compile"):
        model.fit(images(), np.arange(8) % 2, verbose=0)
    frozen_now = layers_of(model, "stem") if call is kres.freeze else set()
    assert layers_that_move(model) == {layer.name for layer in model.layers if layer.weights} - frozen_now


def test_what_is_frozen_survives_saving(tmp_path):
    model = kres.replace_head(network(), 6)
    kres.freeze(model, until="stage2")
    model.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    assert frozen(loaded) == frozen(model) != set()
    assert layers_that_move(loaded) == layers_of(model, "stage3", "predictions")


def test_a_network_on_an_input_tensor_is_frozen_too():
    raw = keras.Input((16, 16, 3))
    model = kres.build(SPEC, input_tensor=keras.layers.Rescaling(2.0)(raw))
    kres.freeze(model, until="stem")
    assert frozen(model) == layers_of(model, "stem")


@pytest.mark.parametrize("value", ["stage4", "head", "predictions", "", None, 3])
def test_an_unknown_stage_is_refused_with_the_known_ones(value):
    model = network()
    with pytest.raises(ValueError, match=r"'stem', 'stage1', 'stage2', 'stage3', 'backbone'.*until="):
        kres.freeze(model, until=value)
    with pytest.raises(ValueError, match=r"'stem', 'stage1', 'stage2', 'stage3'\].*since="):
        kres.unfreeze(model, since=value)
    assert frozen(model) == set()


@pytest.mark.parametrize("call", [kres.freeze, kres.unfreeze, lambda model: kres.replace_head(model, 3)])
def test_another_model_is_refused(call):
    x = keras.Input((4,))
    with pytest.raises(ValueError, match=r"kres\.build"):
        call(keras.Model(x, keras.layers.Dense(2)(x)))
    with pytest.raises(ValueError, match=r"kres\.build"):
        call("resnet18")


@pytest.mark.parametrize(("arguments", "message"), [((0,), "classes=0"), ((3.0,), "classes=3.0")])
def test_a_wrong_head_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        kres.replace_head(network(), *arguments)
    with pytest.raises(ValueError, match="dropout="):
        kres.replace_head(network(), 3, dropout=1.5)
