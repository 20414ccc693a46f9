"""A Spec refuses what no network can be."""

import dataclasses
import json

import numpy as np
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
        ({"conv_bias": 3}, "conv_bias=3"),
        ({"first_shortcut_activated": "yes"}, "first_shortcut_activated='yes'"),
        ({"stem_pool_zero_pad": 1}, "stem_pool_zero_pad=1"),
        ({"norm_epsilon": float("nan")}, "norm_epsilon=nan"),
        ({"norm_epsilon": "small"}, "norm_epsilon='small'"),
        ({"norm_momentum": None}, "norm_momentum=None"),
        ({"weight_standardization": -1.0}, r"weight_standardization=-1\.0"),
        ({"se_ratio": 0}, "se_ratio=0"),
        ({"se_multiple": 0}, "se_multiple=0"),
        ({"block_dropout": 1.0}, r"block_dropout=1\.0"),
        ({"stem_widths": (32, 0)}, r"stem_widths=\(32, 0\)"),
        ({"stem_widths": ()}, r"stem_widths=\(\)"),
        ({"stem_pool": "avg"}, "stem_pool='avg'"),
        ({"attention": "cbam"}, "attention='cbam'"),
        ({"antialias": "blur5"}, "antialias='blur5'"),
        ({"antialias": "avg", "stride_conv": 1}, "antialias='avg', stride_conv=1"),
        ({"norm": "layer"}, "norm='layer'"),
        ({"norm": "frozen_batch", "zero_init_residual": True}, "stays there"),
        ({"activation": "swish"}, "activation='swish'"),
        ({"stem_pool": "max_ceil", "activation": "silu"}, "activation='silu'"),
        ({"shortcut_pool": "max"}, "shortcut_pool='max'"),
        ({"shortcut_kernel": 2}, "shortcut_kernel=2"),
        ({"widths": (1, 2, 4, 8), "reduce_first": 2}, "reduce_first=2"),
        ({"widths": (32, 64, 128, 256), "group_width": 1}, "group_width=1"),
        ({"shortcut": "none", "order": "preactivation"}, "post-activation"),
    ],
)
def test_an_impossible_field_is_named(fields, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(kres.spec("resnet50"), **fields)


def test_numpys_integers_are_integers():
    spec = dataclasses.replace(kres.spec("resnet50"), depths=np.array([1, 1, 1, 1]), classes=np.int64(7))
    assert json.loads(json.dumps(spec.to_dict()))["depths"] == [1, 1, 1, 1]
    assert spec.classes == 7


@pytest.mark.parametrize("name", sorted(ROWS))
def test_a_row_survives_json(name):
    row = ROWS[name]
    assert kres.Spec(**json.loads(json.dumps(row.to_dict()))) == row


def test_strides():
    assert {kres.spec(n).stride for n in kres.list_models("resnet*")} == {32}
    assert {kres.spec(n).stride for n in kres.list_models("cifar*")} == {4}
