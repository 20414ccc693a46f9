"""A Spec refuses what no network can be."""

import dataclasses
import json

import pytest

import kres
from kres.zoo import ROWS


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"block": "bottle"}, "block='bottle'"),
        ({"order": "pre"}, "order='pre'"),
        ({"stem": "tiny"}, "stem='tiny'"),
        ({"shortcut": "a"}, "shortcut='a'"),
        ({"stride_conv": 3}, "stride_conv=3"),
        ({"depths": ()}, "positive integers, one at least"),
        ({"depths": (2, 0)}, r"\(2, 0\)"),
        ({"depths": (2, 2)}, "same stages"),
        ({"depths": 5}, "depths=5"),
        ({"depths": (2, 2, 2, True)}, "True"),
        ({"groups": 0}, "groups=0"),
        ({"groups": "4"}, "groups='4'"),
        ({"block": "basic", "groups": 4}, "block='basic', groups=4"),
        ({"conv_bias": ("conv1", "stem")}, "conv_bias=.*'stem'"),
        ({"conv_bias": "conv1"}, "conv_bias='conv1'"),
        ({"norm_epsilon": -1e-5}, "norm_epsilon=-1e-05"),
        ({"norm_momentum": 1.5}, "norm_momentum=1.5"),
        ({"shortcut": "none", "order": "preactivation"}, "post-activation"),
    ],
)
def test_an_impossible_field_is_named(fields, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(kres.spec("resnet50"), **fields)


@pytest.mark.parametrize("name", sorted(ROWS))
def test_a_row_survives_json(name):
    row = ROWS[name]
    assert kres.Spec(**json.loads(json.dumps(row.to_dict()))) == row


def test_strides():
    assert {kres.spec(n).stride for n in kres.list_models("resnet*")} == {32}
    assert {kres.spec(n).stride for n in kres.list_models("cifar*")} == {4}
