"""Names of tensors as the converters write them, and the layers that they are of."""

import pytest

from kres.export.conversion.layer_names import computed_layers, listed_layers

CONV = "net_1/act_1/Relu;net_1/conv_1/BiasAdd;net_1/conv_1/convolution"
TRACED_ONCE = ("net/conv_1/convolution", "net/conv_2/Relu;net/conv_2/convolution", "net/flat/Reshape")


def test_numbers_of_a_second_tracing_are_none_of_the_layer():
    assert listed_layers([CONV]) == [["act", "conv", "conv"]]
    # One name without a number says that the numbers are the layers' own.
    assert computed_layers(TRACED_ONCE) == ["conv_1", "conv_2", "flat"]
    # Where the layers are known, they decide.
    assert listed_layers(["net/conv_1/Conv2D"], {"conv_1"}) == [["conv_1"]]
    assert listed_layers(["net/conv_1/Conv2D"], {"conv"}) == [["conv"]]


@pytest.mark.parametrize(
    ("tensor", "layer"),
    [
        (CONV, "conv"),
        ("net_1/out_1/Relu;net_1/sum_1/Add", "sum"),
        ("net_1/out_1/Relu6;net_1/norm_1/batchnorm/add_1;net_1/conv_1/Conv2D", "conv"),
        ("net_1/out_1/Relu;net_1/norm_1/FusedBatchNormV3", "norm"),  # of a network that norms before
        ("net_1/gate_1/Sigmoid;net_1/conv_1/convolution/Squeeze", "gate"),
        ("net_1/maps_1/Reshape;net_1/gate_quantized_1/FakeQuantWithMinMaxVars", "maps"),
        ("net_1/image_quantized_1/FakeQuantWithMinMaxVars;net_1/image_quantized_1/Minimum", "image"),
        ("padded/net_1/out_1/Relu;net_1/sum_1/Add", "sum"),
        ("strided/net_1/conv_1/BiasAdd@2x2", "conv"),
        ("net_1/MirrorPad", ""),
        ("Identity", ""),
    ],
)
def test_the_layer_that_computes_a_tensor(tensor, layer):
    assert computed_layers([CONV, tensor])[1] == layer


def test_parts_that_int8_makes_of_a_layer_are_its_own():
    made = ["net_1/head_linear_1/MatMul", "net_1/head_1/Softmax", "net_1/silu_gate_1/Sigmoid", "net_1/silu_1/mul"]
    assert computed_layers(made) == ["head", "head", "silu", "silu"]
    # A layer that is called so itself.
    assert computed_layers(["net_1/se_gate_1/Sigmoid", "net_1/old_linear_1/MatMul"]) == ["se_gate", "old_linear"]
