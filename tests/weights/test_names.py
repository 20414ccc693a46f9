"""Our layer names parsed, and what the sources call them."""

import pytest

import kres
from kres.weights.names import KERAS_APPLICATIONS, KRES, TIMM
from kres.weights.rules import parse


@pytest.mark.parametrize(
    ("name", "role", "n", "stage", "block"),
    [
        ("stem_conv1", "stem_conv", 1, None, None),
        ("stage3_block12_norm2", "block_norm", 2, 3, 12),
        ("stage1_block1_shortcut_conv", "block_shortcut_conv", None, 1, 1),
        ("final_norm", "final_norm", None, None, None),
        ("predictions", "predictions", None, None, None),
    ],
)
def test_layer_names_fall_into_parts(name: str, role: str, n: int | None, stage: int | None, block: int | None) -> None:
    parsed = parse(name)
    assert parsed is not None
    assert (parsed.role, parsed.n, parsed.stage, parsed.block) == (role, n, stage, block)


@pytest.mark.parametrize("name", ["", "Stage1_block1_conv1", "stage1_block1_", "conv2d/kernel", "7"])
def test_other_names_are_not_ours(name: str) -> None:
    assert parse(name) is None


@pytest.mark.parametrize(
    ("row", "layer", "variable", "expected"),
    [
        ("resnet50", "stem_norm1", "moving_variance", "bn1.running_var"),
        ("resnet50", "stage2_block1_shortcut_norm", "gamma", "layer2.0.downsample.1.weight"),
        ("resnetv2_50", "stage2_block3_norm1", "beta", "stages.1.blocks.2.norm1.bias"),
        ("resnetv2_50", "final_norm", "moving_mean", "norm.running_mean"),
        ("resnetv2_50", "predictions", "kernel", "head.fc.weight"),
    ],
)
def test_timm(row: str, layer: str, variable: str, expected: str) -> None:
    assert TIMM.tensor_name(kres.spec(row), layer, variable) == expected


@pytest.mark.parametrize(
    ("row", "layer", "variable", "expected"),
    [
        ("keras_resnet50", "stem_conv1", "bias", "conv1_conv/bias"),
        ("keras_resnet50", "stage4_block1_shortcut_norm", "gamma", "conv5_block1_0_bn/gamma"),
        ("keras_resnet50", "stage1_block2_norm3", "beta", "conv2_block2_3_bn/beta"),
        ("keras_resnet50v2", "stage1_block2_norm1", "beta", "conv2_block2_preact_bn/beta"),
        ("keras_resnet50v2", "stage1_block2_norm3", "beta", "conv2_block2_2_bn/beta"),
        ("keras_resnet50v2", "final_norm", "gamma", "post_bn/gamma"),
    ],
)
def test_keras_applications(row: str, layer: str, variable: str, expected: str) -> None:
    assert KERAS_APPLICATIONS.tensor_name(kres.spec(row), layer, variable) == expected


def test_a_source_has_no_name_for_what_it_does_not_have() -> None:
    assert KERAS_APPLICATIONS.tensor_name(kres.spec("keras_resnet50v2"), "stem_norm1", "gamma") is None
    assert TIMM.tensor_name(kres.spec("resnet50"), "stem_conv1", "seed_generator_state") is None


def test_our_own_files_use_our_own_names() -> None:
    assert KRES.tensor_name(kres.spec("cifar_resnet20"), "stage1_block1_norm1", "gamma") == "stage1_block1_norm1/gamma"
