"""Every row of the zoo against its source."""

import inspect
import json
from pathlib import Path

import keras
import numpy as np
import pytest

import kres
from kres.constructors import CONSTRUCTORS, constructor_name
from kres.zoo import FAMILIES, ROWS
from tests.families import without_values

GOLDEN = Path(__file__).parent / "golden"


def parameters(model: keras.Model) -> int:
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def as_printed(count: int, like: str) -> str:
    """`count` in millions with as many decimals as `like` has."""
    return f"{count / 1e6:.{len(like.rstrip('M').partition('.')[2])}f}M"


@pytest.mark.parametrize("name", sorted(ROWS))
def test_parameters_are_those_of_the_source(name):
    published = kres.spec(name).params
    with without_values():
        model = kres.build(name)
    count = parameters(model)
    assert (as_printed(count, published) if isinstance(published, str) else count) == published


def test_every_row_has_a_parameter_count_from_its_source():
    assert [name for name, row in ROWS.items() if row.params is None] == []


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_parameters_in_the_table_are_those_of_the_reference_run(path):
    assert ROWS[path.stem].params == json.loads(path.read_text())["params"]


KERAS_APPLICATIONS = {
    "keras_resnet50": keras.applications.ResNet50,
    "keras_resnet101": keras.applications.ResNet101,
    "keras_resnet152": keras.applications.ResNet152,
    "keras_resnet50v2": keras.applications.ResNet50V2,
    "keras_resnet101v2": keras.applications.ResNet101V2,
    "keras_resnet152v2": keras.applications.ResNet152V2,
}


@pytest.mark.parametrize("name", KERAS_APPLICATIONS)
def test_parameters_in_the_table_are_keras_applications(name):
    with without_values():
        model = KERAS_APPLICATIONS[name](weights=None)
    assert ROWS[name].params == parameters(model)


def test_the_families_that_keras_applications_builds_are_whole():
    removed = {"keras_resnext50", "keras_resnext101"}  # Keras lists their files and builds them no more
    assert set(FAMILIES["keras_applications"]) == set(KERAS_APPLICATIONS) | removed


# The papers print CIFAR parameters in millions: He et al. 2015, table 6; He et al. 2016, table 4.
PAPERS = {
    "cifar_resnet20": "0.27M",
    "cifar_resnet32": "0.46M",
    "cifar_resnet44": "0.66M",
    "cifar_resnet56": "0.85M",
    "cifar_resnet110": "1.7M",
    "cifar_resnet1202": "19.4M",
    "cifar_resnetv2_110": "1.7M",
    "cifar_resnetv2_164": "1.7M",
}


@pytest.mark.parametrize(("name", "printed"), PAPERS.items())
def test_the_table_agrees_with_what_the_papers_print(name, printed):
    params = ROWS[name].params
    assert (params if isinstance(params, str) else as_printed(params, printed)) == printed


@pytest.mark.parametrize("n", [3, 5, 7, 9, 18])
@pytest.mark.parametrize("option", ["", "_b", "_c"])
def test_cifar_parameters_follow_from_the_papers_text(n, option):
    """Counted by hand from section 4.2: 6n + 2 layers of 3x3 in widths 16, 32, 64, a norm behind each."""
    convolutions = 9 * (3 * 16 + 2 * n * 16 * 16)
    convolutions += 9 * (16 * 32 + (2 * n - 1) * 32 * 32) + 9 * (32 * 64 + (2 * n - 1) * 64 * 64)
    norms = 2 * (16 + 2 * n * (16 + 32 + 64))
    head = 64 * 10 + 10
    projections = {
        "": 0,
        "_b": 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64,
        "_c": n * (16 * 16 + 2 * 16)
        + (16 * 32 + 2 * 32)
        + (n - 1) * (32 * 32 + 2 * 32)
        + (32 * 64 + 2 * 64)
        + (n - 1) * (64 * 64 + 2 * 64),
    }[option]
    assert ROWS[f"cifar_resnet{6 * n + 2}{option}"].params == convolutions + norms + head + projections


@pytest.mark.parametrize(
    ("name", "n", "printed"), [("cifar_resnetv2_164", 18, "1.7M"), ("cifar_resnetv2_1001", 111, "10.2M")]
)
def test_preactivation_parameters_follow_from_the_papers_text(name, n, printed):
    """Counted by hand: 9n + 2 layers. What He et al. 2016 print in table 4 is the kernels, without the norms."""
    kernels, norms, channels = 9 * 3 * 16, 0, 16
    for width in (16, 32, 64):
        for block in range(n):
            kernels += channels * width + 9 * width * width + width * 4 * width
            kernels += channels * 4 * width if block == 0 else 0
            norms += 2 * (channels + width + width)
            channels = 4 * width
    kernels += channels * 10
    assert as_printed(kernels, printed) == printed
    assert ROWS[name].params == kernels + norms + 2 * channels + 10


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("cifar_wrn_40_1", "0.6M"),
        ("cifar_wrn_40_2", "2.2M"),
        ("cifar_wrn_40_4", "8.9M"),
        ("cifar_wrn_16_8", "11.0M"),
        ("cifar_wrn_22_8", "17.2M"),
        ("cifar_wrn_40_8", "35.7M"),
        ("cifar_wrn_16_10", "17.1M"),
        ("cifar_wrn_22_10", "26.8M"),
        ("cifar_wrn_28_10", "36.5M"),
        ("cifar_wrn_28_12", "52.5M"),
        ("cifar_wrn_16_4", None),  # in the paper's figures alone
    ],
)
def test_wide_parameters_follow_from_the_papers_text(name, printed):
    """Counted by hand: (d - 4) / 6 blocks of two 3x3s a stage; printed in tables 4 and 5 of the paper."""
    depth, factor = map(int, name.removeprefix("cifar_wrn_").split("_"))
    kernels, norms, channels = 9 * 3 * 16, 0, 16
    for width in (16 * factor, 32 * factor, 64 * factor):
        for _ in range((depth - 4) // 6):
            kernels += 9 * channels * width + 9 * width * width + (channels * width if channels != width else 0)
            norms += 2 * (channels + width)
            channels = width
    params = kernels + norms + 2 * channels + 10 * channels + 10
    assert ROWS[name].params == params
    assert printed is None or as_printed(params, printed) == printed


@pytest.mark.parametrize(("groups", "printed"), [(8, "34.4M"), (16, "68.1M")])
def test_cifar_resnext_parameters_follow_from_the_papers_text(groups, printed):
    """Counted by hand; what Xie et al. 2017 print in table 7 leaves out the norms."""
    kernels, norms, channels = 9 * 3 * 64, 64, 64
    for width in (64, 128, 256):
        inner = width * groups
        for block in range(3):
            kernels += channels * inner + 9 * inner * inner // groups + inner * 4 * width
            norms += 2 * inner + 4 * width
            if block == 0:
                kernels, norms = kernels + channels * 4 * width, norms + 4 * width
            channels = 4 * width
    head = 10 * channels + 10
    assert as_printed(kernels + head, printed) == printed
    assert ROWS[f"cifar_resnext29_{groups}x64d"].params == kernels + 2 * norms + head


@pytest.mark.parametrize("order", ["", "_bn_after_addition", "_relu_before_addition", "_relu_only_preactivation"])
def test_parameters_of_the_orders_follow_from_the_papers_text(order):
    """Counted by hand: the orders move norms; only behind an addition does a projection need none of its own."""
    kernels, norms, channels = 9 * 3 * 16, 16, 16
    for width in (16, 32, 64):
        for block in range(18):
            kernels += channels * width + 9 * width * width + width * 4 * width
            norms += 2 * width + 4 * width
            if block == 0:
                kernels += channels * 4 * width
                norms += 0 if order == "_bn_after_addition" else 4 * width
            channels = 4 * width
    assert ROWS[f"cifar_resnet164{order}"].params == kernels + 2 * norms + 10 * channels + 10
    assert ROWS[f"cifar_resnet110{order}"].params == ROWS["cifar_resnet110"].params  # option A projects nothing


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ("resnet50", "ResNet50"),
        ("resnet50d", "ResNet50D"),
        ("resnet50_gn", "ResNet50GN"),
        ("resnext101_64x4d", "ResNeXt101_64x4d"),
        ("wide_resnet50_2", "WideResNet50_2"),
        ("seresnext26t_32x4d", "SEResNeXt26T_32x4d"),
        ("seresnextaa101d_32x8d", "SEResNeXtAA101D_32x8d"),
        ("ecaresnetlight", "ECAResNetLight"),
        ("senet154", "SENet154"),
        ("resnetrs420", "ResNetRS420"),
        ("resnetv2_50", "ResNet50V2"),
        ("resnetv2_50d_gn", "ResNet50DV2GN"),
        ("resnetv2_152x4_bit", "ResNet152x4V2BiT"),
        ("keras_resnet50v2", "KerasResNet50V2"),
        ("cifar_resnet1202_c", "CifarResNet1202C"),
        ("cifar_wrn_28_10", "CifarWRN28_10"),
        ("cifar_resnet110_relu_before_addition", "CifarResNet110ReLUBeforeAddition"),
        ("plainnet56", "PlainNet56"),
    ],
)
def test_a_constructors_name_follows_from_the_rows(row, name):
    assert constructor_name(row) == name
    assert getattr(kres, name).__name__ == name


def test_every_row_has_a_constructor_of_its_own():
    assert len({constructor_name(row) for row in ROWS}) == len(ROWS)
    assert {constructor_name(row) for row in ROWS} | {"ResNeXt50", "ResNeXt101"} == set(CONSTRUCTORS)
    assert set(CONSTRUCTORS) <= set(kres.__all__) & set(dir(kres))


def test_a_short_name_is_the_commonest_network():
    assert kres.ResNeXt50(input_shape=(32, 32, 3)).network == "resnext50_32x4d"


def test_a_constructor_is_documented_and_has_the_signature_of_keras_applications():
    theirs = list(inspect.signature(keras.applications.ResNet50).parameters)
    ours = list(inspect.signature(kres.ResNet50).parameters)
    assert ours[:7] == [
        "include_top",
        "weights",
        "input_tensor",
        "input_shape",
        "pooling",
        "classes",
        "classifier_activation",
    ]
    assert set(theirs) <= set(ours)
    assert "resnet50" in kres.ResNet50.__doc__
