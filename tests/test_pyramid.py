"""The maps that detection and segmentation build on: right strides, right layers, for every row."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import kres
from kres.pyramid import level_layers
from kres.stages import Resolution
from kres.zoo import ROWS
from tests.families import REPRESENTATIVES, small


def images(size: int, n: int = 1, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((n, size, size, channels)).astype("float32")


@pytest.mark.parametrize("name", sorted(ROWS))
def test_every_row_has_a_layer_for_each_stride(name: str) -> None:
    """From the Spec alone; that the layers are there, and their maps of that stride, the families show."""
    spec = ROWS[name]
    taps = level_layers(spec, resolution=Resolution())
    strides = [spec.stem_stride * 2**k for k in range(len(spec.depths))]
    assert sorted(taps) == ([spec.stem_stride // 2] if spec.stem == "imagenet" else []) + strides
    assert taps[spec.stride] == f"stage{len(spec.depths)}_out"
    displaced = spec.strided_block == "last"
    for stage, stride in enumerate(strides[:-1], start=1):
        last = spec.depths[stage - 1]
        assert taps[stride] == (f"stage{stage}_block{last - 1}_out" if displaced else f"stage{stage}_out")


@pytest.mark.parametrize("name", REPRESENTATIVES)
@pytest.mark.parametrize("dilated", [False, True])
def test_maps_have_their_stride_and_static_shapes(name: str, dilated: bool) -> None:
    spec = small(name)
    size = spec.input_size
    model = kres.build(spec, output_stride=spec.stride // 2 if dilated else None)
    levels = sorted(level_layers(spec, resolution=Resolution()))
    pyramid = kres.features(model, levels)
    found = pyramid(images(size), training=False)
    assert sorted(found) == levels
    for level, value in found.items():
        reached = min(level, spec.stride // 2) if dilated else level
        assert value.shape[1:3] == (size // reached, size // reached), level
        assert tuple(pyramid.output[level].shape[1:]) == tuple(value.shape[1:]), level


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("resnet50", ["stem_act1", "stage1_out", "stage2_out", "stage3_out", "stage4_out"]),
        ("resnet50d", ["stem_act3", "stage1_out", "stage2_out", "stage3_out", "stage4_out"]),
        ("resnetv2_50", ["stem_conv1", "stage1_out", "stage2_out", "stage3_out", "stage4_out"]),
        # Of keras.applications v2 the stages put out the next stride already: compatibility, conv2_block2_out etc.
        (
            "keras_resnet50v2",
            ["stem_conv1", "stage1_block2_out", "stage2_block3_out", "stage3_block5_out", "stage4_out"],
        ),
    ],
)
def test_levels_are_c1_to_c5(name: str, layers: list[str]) -> None:
    assert level_layers(kres.spec(name), resolution=Resolution()) == dict(zip((2, 4, 8, 16, 32), layers, strict=True))


@pytest.mark.parametrize("name", ["resnetv2_50", "keras_resnet50v2", "cifar_resnet164_relu_only_preactivation"])
def test_activated_is_the_norm_and_activation_that_follow(name: str) -> None:
    spec = small(name)
    model = kres.build(spec)
    last = max(level_layers(spec, resolution=Resolution()))
    raw, activated = (
        kres.features(model, [last], activated=flag)(images(spec.input_size))[last] for flag in (False, True)
    )
    backbone = kres.build(spec, include_top=False)
    backbone.set_weights(model.get_weights()[: len(backbone.weights)])
    np.testing.assert_array_equal(activated, backbone(images(spec.input_size)))
    assert np.min(activated) >= 0 > np.min(raw)


@pytest.mark.parametrize("name", ["resnet50", "cifar_resnet20", "keras_resnet50"])
def test_other_networks_are_activated_already(name: str) -> None:
    resolution = Resolution()
    spec = kres.spec(name)
    assert level_layers(spec, resolution=resolution, activated=True) == level_layers(spec, resolution=resolution)


@pytest.mark.parametrize("fused", [False, True])
def test_saved_and_loaded_it_keeps_its_levels(fused: bool, tmp_path: Path) -> None:
    model = kres.build(small("resnetv2_50"))
    pyramid = kres.features(kres.fuse(model) if fused else model, [16, 8], activated=True)
    expected = pyramid(images(64))
    pyramid.save(tmp_path / "pyramid.keras")
    found = keras.saving.load_model(tmp_path / "pyramid.keras")(images(64))
    assert sorted(found) == [8, 16]
    for level, value in expected.items():
        np.testing.assert_array_equal(found[level], value)


def test_a_fused_network_has_the_levels_of_the_network() -> None:
    """Of this order the stem ends in a norm, which fusing folds away."""
    model = kres.build(replace(small("resnet18"), order="activation_only_preactivation"))
    expected = kres.features(model, [2, 4])(images(64))
    found = kres.features(kres.fuse(model), [2, 4])(images(64))
    for level, value in expected.items():
        np.testing.assert_allclose(found[level], value, atol=1e-5 * np.abs(value).max())  # float32 sums


def test_weights_are_shared_with_the_model() -> None:
    model = kres.build(small("resnet18"))
    pyramid = kres.features(model, [8])
    before = np.array(pyramid(images(64))[8])
    model.get_layer("stem_conv1").kernel.assign(model.get_layer("stem_conv1").kernel * 2)
    assert not np.array_equal(before, pyramid(images(64))[8])


def test_any_input_size_is_kept() -> None:
    model = kres.build(small("resnet18"), include_top=False, input_shape=(None, None, 3))
    pyramid = kres.features(model)
    assert pyramid.output[8].shape == (None, None, None, 16)
    assert pyramid(images(96))[32].shape == (1, 3, 3, 64)


def test_a_model_on_the_users_own_tensor_is_told_its_network() -> None:
    spec = small("resnet18")
    model = kres.build(spec, input_tensor=keras.Input((64, 64, 3)))
    with pytest.raises(ValueError, match="needs `network`"):
        kres.features(model)
    assert kres.features(model, [16], network=spec).output[16].shape == (None, 4, 4, 32)


@pytest.mark.parametrize("levels", [(), (3,), (8, 64), ("8",), 64])
def test_other_levels_are_refused(levels: Any) -> None:
    with pytest.raises(ValueError, match=r"`levels` of resnet with activated=False are some of \[2, 4, 8, 16, 32\]"):
        kres.features(kres.build(small("resnet18")), levels)


def test_the_stem_of_a_preactivation_network_has_no_activated_map() -> None:
    with pytest.raises(ValueError, match=r"activated=True are some of \[4, 8, 16, 32\]"):
        kres.features(kres.build(small("resnetv2_50")), [2], activated=True)
