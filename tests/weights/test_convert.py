"""The engine on a small network: everything fits and is loaded, or one error tells why and nothing changes."""

import logging
from dataclasses import replace
from pathlib import Path

import keras
import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

import kres
from kres.weights.saving import state_dict
from tests.weights.small import PREACTIVATION, SPEC, assert_same, network, scramble, values

State = dict[str, np.ndarray]


@pytest.fixture
def state() -> State:
    return state_dict(network())


def written(state: State, folder: Path) -> Path:
    path = folder / "weights.safetensors"
    save_file(state, path)
    return path


@pytest.mark.parametrize("spec", [SPEC, PREACTIVATION, replace(SPEC, groups=4, group_width=16)])
def test_every_bit_arrives(spec: kres.Spec, tmp_path: Path) -> None:
    source, target = network(spec), kres.build(spec)
    kres.load_weights(target, written(state_dict(source), tmp_path))
    for ours, theirs in zip(target.weights, source.weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy(), err_msg=ours.path)


def test_the_head_of_a_preactivation_network_may_be_a_dense_layer(tmp_path: Path) -> None:
    source, target = network(PREACTIVATION), kres.build(PREACTIVATION)
    state = state_dict(source)  # where it is a 1x1 convolution
    state["head.fc.weight"] = state["head.fc.weight"][:, :, 0, 0]
    kres.load_weights(target, written(state, tmp_path))
    np.testing.assert_array_equal(target.get_layer("predictions").kernel, source.get_layer("predictions").kernel)


@pytest.mark.parametrize("dtype", ["float16", "float64", ml_dtypes.bfloat16])
def test_other_float_types_are_converted(dtype: str, state: State, tmp_path: Path) -> None:
    model = kres.build(SPEC)
    state = {name: x.astype(dtype) if x.dtype == "float32" else x for name, x in state.items()}
    kres.load_weights(model, written(state, tmp_path))
    expected = state["conv1.weight"].astype("float32").transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(model.get_layer("stem_conv1").kernel.numpy(), expected)


def test_a_missing_and_a_foreign_tensor_are_both_named(state: State, tmp_path: Path) -> None:
    state["layer9.0.conv1.weight"] = state.pop("layer2.1.conv2.weight")
    model = network()
    before = values(model)
    with pytest.raises(ValueError, match="nothing was loaded") as caught:
        kres.load_weights(model, written(state, tmp_path))
    assert "1 missing from the file: layer2.1.conv2.weight (for stage2_block2_conv2/kernel)" in str(caught.value)
    assert "1 in the file, but not in the model: layer9.0.conv1.weight" in str(caught.value)
    assert "weights.safetensors" in str(caught.value)
    assert_same(before, model)


def test_another_shape_is_named_with_both_shapes(state: State, tmp_path: Path) -> None:
    state["layer1.0.conv2.weight"] = np.zeros((8, 8, 5, 5), "float32")
    model = network()
    before = values(model)
    with pytest.raises(ValueError, match=r"layer1.0.conv2.weight \(8, 8, 5, 5\) .*which is \(3, 3, 8, 8\)"):
        kres.load_weights(model, written(state, tmp_path))
    assert_same(before, model)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused(bad: float, state: State, tmp_path: Path) -> None:
    # The last tensor in walking order: everything else has been found good by then.
    state["fc.bias"][3] = bad
    model = network()
    before = values(model)
    with pytest.raises(ValueError, match=r"finite; 1 of .*: fc\.bias with 1 of 5 values not finite"):
        kres.load_weights(model, written(state, tmp_path))
    assert_same(before, model)


def test_what_overflows_float32_is_refused(state: State, tmp_path: Path) -> None:
    state["bn1.bias"] = np.full(8, 1e300)
    with pytest.raises(ValueError, match=r"bn1\.bias with 8 of 8 values not finite"):
        kres.load_weights(network(), written(state, tmp_path))


def test_integers_are_no_weights(state: State, tmp_path: Path) -> None:
    state["bn1.bias"] = np.ones(8, "int8")
    with pytest.raises(ValueError, match=r"floating-point.*bn1.bias of int8"):
        kres.load_weights(network(), written(state, tmp_path))


def test_other_classes_load_everything_but_the_head(
    state: State, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = kres.build(SPEC, classes=3)
    scramble(model, seed=1)
    head = [variable.numpy() for variable in model.get_layer("predictions").weights]
    with caplog.at_level(logging.WARNING, logger="kres"):
        kres.load_weights(model, written(state, tmp_path))
    np.testing.assert_array_equal(
        model.get_layer("stage2_block2_conv3").kernel.numpy(),
        state["layer2.1.conv3.weight"].transpose(2, 3, 1, 0),
    )
    for variable, value in zip(model.get_layer("predictions").weights, head, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    (record,) = caplog.records
    assert "5 classes in the file and 3 in" in record.getMessage()


def test_a_head_that_differs_in_more_than_classes_is_refused(state: State, tmp_path: Path) -> None:
    state["fc.weight"] = np.zeros((7, 12), "float32")
    state["fc.bias"] = np.zeros(7, "float32")
    model = network()
    before = values(model)
    with pytest.raises(ValueError, match=r"fc.weight \(7, 12\)"):
        kres.load_weights(model, written(state, tmp_path))
    assert_same(before, model)


def test_a_network_without_a_top_ignores_the_head(
    state: State, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = kres.build(SPEC, include_top=False)
    kres.load_weights(model, written(state, tmp_path))
    np.testing.assert_array_equal(model.get_layer("stem_norm1").gamma.numpy(), state["bn1.weight"])
    assert not caplog.records


def test_long_differences_are_shortened(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"missing from the file: conv1.weight .*, and \d+ more") as caught:
        kres.load_weights(network(), written({f"encoder.{i}": np.zeros(2, "float32") for i in range(50)}, tmp_path))
    assert "50 in the file, but not in the model: encoder.0" in str(caught.value)
    assert len(str(caught.value)) < 2000


def test_mixed_precision_keeps_its_float32_variables(state: State, tmp_path: Path) -> None:
    model = kres.build(SPEC, dtype="mixed_bfloat16")
    kres.load_weights(model, written(state, tmp_path))
    kernel = model.get_layer("stem_conv1").kernel
    assert kernel.dtype == "float32"
    np.testing.assert_array_equal(kernel.numpy(), state["conv1.weight"].transpose(2, 3, 1, 0))


def test_what_overflows_a_narrower_variable_is_refused(state: State, tmp_path: Path) -> None:
    """Finite in the file's float32, infinite in the model's float16, whose largest number is 65504."""
    state["bn1.bias"] = np.full(8, 1e5, "float32")
    path = written(state, tmp_path)
    model = kres.build(SPEC, dtype="float16")
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"bn1\.bias with 8 of 8 values not finite in float16"):
        kres.load_weights(model, path)
    for value, expected in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, expected)
    kres.load_weights(kres.build(SPEC, dtype="bfloat16"), path)  # which has float32's range


@pytest.mark.parametrize("suffix", [".safetensors", ".weights.h5"])
def test_layers_before_an_input_tensor_are_no_part_of_the_network(suffix: str, state: State, tmp_path: Path) -> None:
    path = tmp_path / f"w{suffix}"
    save_file(state, path) if suffix == ".safetensors" else network().save_weights(path)
    images = keras.Input((32, 32, 3))
    normalization = keras.layers.Normalization(mean=None)
    normalization.adapt(np.random.default_rng(0).uniform(0, 255, (4, 32, 32, 3)))
    x = keras.layers.Conv2D(3, 1, name="colours")(normalization(images))
    own = [value.copy() for value in normalization.get_weights()]
    model = kres.build(SPEC, input_tensor=x, weights=path)
    for value, expected in zip(normalization.get_weights(), own, strict=True):
        np.testing.assert_array_equal(value, expected)
    kernel = model.get_layer("stem_conv1").kernel.numpy()
    np.testing.assert_array_equal(kernel, state["conv1.weight"].transpose(2, 3, 1, 0))


def test_a_fused_network_takes_its_own_files_alone(state: State, tmp_path: Path) -> None:
    fused, other = kres.fuse(network()), kres.fuse(kres.build(SPEC))
    before = values(other)
    with pytest.raises(ValueError, match=r"load them into what `kres\.build` makes, then fuse"):
        kres.load_weights(other, written(state, tmp_path))
    assert_same(before, other)
    fused.save_weights(tmp_path / "fused.weights.h5")
    kres.load_weights(other, tmp_path / "fused.weights.h5")
    assert_same(values(fused), other)


def test_a_negative_variance_is_refused(tmp_path: Path) -> None:
    """Its root would be NaN, in the first image."""
    model = network()
    before = values(model)
    tensors = state_dict(model)
    tensors["bn1.running_var"] = -tensors["bn1.running_var"]
    save_file(tensors, tmp_path / "w.safetensors")
    with pytest.raises(ValueError, match=r"Variances are not negative; 1 of .* bn1\.running_var"):
        kres.load_weights(model, tmp_path / "w.safetensors")
    assert_same(before, model)


def test_half_a_head_is_not_no_head(tmp_path: Path) -> None:
    tensors = state_dict(network())
    del tensors["fc.bias"]
    save_file(tensors, tmp_path / "w.safetensors")
    with pytest.raises(ValueError, match=r"1 missing from the file: fc\.bias") as error:
        kres.load_weights(network(), tmp_path / "w.safetensors")
    assert "has no head" not in str(error.value)
