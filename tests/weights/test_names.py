"""What the sources call our layers and variables."""

from dataclasses import replace

import pytest

import kres
from kres.weights.forms import FORMS
from kres.weights.names import BIT, KERAS_APPLICATIONS, KERASHUB, KRES, TIMM


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


def test_a_stem_pool_alone_makes_no_network_of_the_older_senet() -> None:
    for row in ("resnet50", "seresnet50"):
        spec = replace(kres.spec(row), stem_pool="max_ceil")
        assert TIMM.tensor_name(spec, "stem_conv1", "kernel") == "conv1.weight"
        assert TIMM.tensor_name(spec, "predictions", "bias") == "fc.bias"
    for row in ("legacy_senet154", "legacy_seresnet18", "legacy_seresnext50_32x4d"):
        spec = kres.spec(row)
        assert TIMM.tensor_name(spec, "stem_conv1", "kernel") == "layer0.conv1.weight"
        assert TIMM.tensor_name(spec, "stage1_block1_se_fc2", "kernel") == "layer1.0.se_module.fc2.weight"


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


@pytest.mark.parametrize(
    ("row", "layer", "variable", "expected"),
    [
        ("resnet50d", "stem_conv3", "kernel", "conv3_conv/kernel"),
        ("resnet50d", "stage2_block1_shortcut_norm", "beta", "stack1_block0_0_bn/beta"),
        ("resnet50", "stage4_block3_conv2", "kernel", "stack3_block2_2_conv/kernel"),
        ("resnetv2_50", "stage1_block2_norm1", "gamma", "stack0_block1_pre_activation_bn/gamma"),
        ("resnetv2_50", "stage1_block2_norm3", "gamma", "stack0_block1_2_bn/gamma"),
    ],
)
def test_kerashub(row: str, layer: str, variable: str, expected: str) -> None:
    assert KERASHUB.tensor_name(kres.spec(row), layer, variable) == expected


@pytest.mark.parametrize(
    ("layer", "variable", "expected"),
    [
        ("stage3_block12_conv2", "kernel", "resnet/block3/unit12/b/standardized_conv2d/kernel"),
        ("stage1_block1_shortcut_conv", "kernel", "resnet/block1/unit01/a/proj/standardized_conv2d/kernel"),
        ("stage1_block2_norm3", "beta", "resnet/block1/unit02/c/group_norm/beta"),
        ("predictions", "bias", "resnet/head/conv2d/bias"),
        ("stage1_block2_norm3", "moving_mean", None),
    ],
)
def test_bit(layer: str, variable: str, expected: str | None) -> None:
    assert BIT.tensor_name(kres.spec("resnetv2_101x1_bit"), layer, variable) == expected


def test_only_grouped_networks_of_keras_applications_have_depthwise_kernels() -> None:
    for row, form in (("keras_resnext50", "depthwise"), ("keras_resnet50", "keras")):
        assert KERAS_APPLICATIONS.form(kres.spec(row), "stage1_block1_conv2") is FORMS[form]
        assert KERAS_APPLICATIONS.form(kres.spec(row), "stage1_block1_conv1") is FORMS["keras"]
