"""Every row of the zoo against its source."""

import inspect
import json
from pathlib import Path

import keras
import numpy as np
import pytest

import kres
from kres.constructors import _named
from kres.zoo import FAMILIES, ROWS

GOLDEN = Path(__file__).parent / "golden"
DEEP = {name for name, row in ROWS.items() if sum(row.depths) > 300}


def parameters(model: keras.Model) -> int:
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def as_printed(count: int, like: str) -> str:
    """`count` in millions with as many decimals as `like` has."""
    return f"{count / 1e6:.{len(like.rstrip('M').partition('.')[2])}f}M"


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if n in DEEP else ()) for n in sorted(ROWS)])
def test_parameters_are_those_of_the_source(name):
    published = kres.spec(name).params
    count = parameters(kres.build(name))
    assert (as_printed(count, published) if isinstance(published, str) else count) == published


def test_every_row_has_a_parameter_count_from_its_source():
    assert [name for name, row in ROWS.items() if row.params is None] == []


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_parameters_in_the_table_are_those_of_the_reference_run(path):
    assert ROWS[path.stem].params == json.loads(path.read_text())["params"]


@pytest.mark.parametrize("name", sorted(FAMILIES["keras_applications"]))
def test_parameters_in_the_table_are_keras_applications(name):
    reference = {
        "keras_resnet50": keras.applications.ResNet50,
        "keras_resnet101": keras.applications.ResNet101,
        "keras_resnet152": keras.applications.ResNet152,
        "keras_resnet50v2": keras.applications.ResNet50V2,
        "keras_resnet101v2": keras.applications.ResNet101V2,
        "keras_resnet152v2": keras.applications.ResNet152V2,
    }[name]
    assert ROWS[name].params == parameters(reference(weights=None))


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


def test_every_row_has_a_constructor_of_its_own():
    constructors = [f for f in vars(kres).values() if inspect.isfunction(f) and f.__module__ == "kres.constructors"]
    made_with = [inspect.getclosurevars(constructor).nonlocals["network"] for constructor in constructors]
    assert sorted(made_with) == sorted(ROWS)


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
    assert kres.ResNet50.__name__ == "ResNet50"
    with pytest.raises(ValueError, match="resnet50"):
        _named(kres.build, "resnet5O", "Typo")
