"""Published weights: one row a file, what its publisher says about it, and no logic.

timm's rows: names, preprocessing and licences from timm's `default_cfgs` (timm/models/resnet.py, resnetv2.py), top-1
from its `results-imagenet.csv` at 224 px. keras.applications' rows: files and MD5 from its resnet.py, top-1 from
keras.io/api/applications. Weights under non-commercial licences are not here.
"""

from dataclasses import dataclass, replace
from typing import Literal

from kres.preprocessing import PRESETS, Preprocess


@dataclass(frozen=True, kw_only=True)
class Published:
    """One file of published weights."""

    origin: Literal["timm", "torchvision", "keras", "kerashub", "bit"]
    file: str = "model.safetensors"
    licence: str | None
    """SPDX identifier; None where the publisher names none."""
    classes: int = 1000
    preprocess: Preprocess
    """What images went through for `top1`."""
    top1: float | None = None
    """Published accuracy on ImageNet's validation set, in percent."""
    md5: str | None = None
    """Where the publisher gives one."""
    sha256: str | None = None
    """Where the publisher gives one: all of it, or its first eight or more hexadecimal digits."""
    size_bytes: int | None = None


_BILINEAR = Preprocess(size=224, **PRESETS["torch"])
_BICUBIC = replace(_BILINEAR, interpolation="bicubic")

_TIMM = Published(origin="timm", licence="apache-2.0", preprocess=_BICUBIC)
_RSB = replace(_TIMM, preprocess=replace(_BICUBIC, crop=0.95))  # Wightman et al. 2021, arXiv 2110.00476
_V2 = replace(_TIMM, preprocess=replace(_RSB.preprocess, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)))
_TORCHVISION = Published(origin="timm", licence="bsd-3-clause", preprocess=_BILINEAR)
_TORCHVISION2 = replace(_TORCHVISION, preprocess=replace(_BILINEAR, crop=0.965))

_KERAS = Published(origin="keras", licence="mit", preprocess=Preprocess(size=224, **PRESETS["caffe"]))
_KERAS_V2 = replace(_KERAS, licence=None, preprocess=Preprocess(size=224, **PRESETS["tf"]))
_KERAS_FILE = "{}_weights_tf_dim_ordering_tf_kernels.h5"

DEFAULT = "imagenet"
"""The tag that stands for a network's first row."""

PUBLISHED: dict[str, Published] = {
    "resnet18.a1_in1k": replace(_RSB, top1=71.504),
    "resnet18.a2_in1k": replace(_RSB, top1=70.634),
    "resnet18.a3_in1k": replace(_RSB, top1=68.25),
    "resnet18.gluon_in1k": replace(_TIMM, top1=70.844),
    "resnet18.tv_in1k": replace(_TORCHVISION, top1=69.752),
    "resnet34.a1_in1k": replace(_RSB, top1=76.42),
    "resnet34.a2_in1k": replace(_RSB, top1=75.52),
    "resnet34.a3_in1k": replace(_RSB, top1=72.996),
    "resnet34.bt_in1k": replace(_TIMM, top1=75.176),
    "resnet34.gluon_in1k": replace(_TIMM, top1=74.574),
    "resnet34.tv_in1k": replace(_TORCHVISION, top1=73.298),
    "resnet50.a1_in1k": replace(_RSB, top1=80.382),
    "resnet50.a1h_in1k": replace(_RSB, preprocess=replace(_BICUBIC, crop=1.0), top1=80.654),
    "resnet50.a2_in1k": replace(_RSB, top1=79.828),
    "resnet50.a3_in1k": replace(_RSB, top1=78.052),
    "resnet50.am_in1k": replace(_TIMM, top1=79.004),
    "resnet50.b1k_in1k": replace(_RSB, top1=79.564),
    "resnet50.b2k_in1k": replace(_RSB, top1=79.388),
    "resnet50.bt_in1k": replace(_TIMM, top1=78.444),
    "resnet50.c1_in1k": replace(_RSB, top1=79.766),
    "resnet50.c2_in1k": replace(_RSB, top1=79.868),
    "resnet50.d_in1k": replace(_RSB, top1=79.904),
    "resnet50.gluon_in1k": replace(_TIMM, top1=77.58),
    "resnet50.ra_in1k": replace(_TIMM, top1=78.82),
    "resnet50.ram_in1k": replace(_TIMM, top1=79.034),
    "resnet50.tv2_in1k": replace(_TORCHVISION2, top1=80.846),
    "resnet50.tv_in1k": replace(_TORCHVISION, top1=76.156),
    "resnet101.a1h_in1k": replace(_RSB, top1=81.95),
    "resnet101.a1_in1k": replace(_RSB, top1=81.494),
    "resnet101.a2_in1k": replace(_RSB, top1=81.344),
    "resnet101.a3_in1k": replace(_RSB, top1=79.836),
    "resnet101.gluon_in1k": replace(_TIMM, top1=79.306),
    "resnet101.tv2_in1k": replace(_TORCHVISION2, top1=81.906),
    "resnet101.tv_in1k": replace(_TORCHVISION, top1=77.404),
    "resnet152.a1h_in1k": replace(_RSB, top1=82.818),
    "resnet152.a1_in1k": replace(_RSB, top1=81.998),
    "resnet152.a2_in1k": replace(_RSB, top1=81.764),
    "resnet152.a3_in1k": replace(_RSB, top1=80.548),
    "resnet152.gluon_in1k": replace(_TIMM, top1=79.712),
    "resnet152.tv2_in1k": replace(_TORCHVISION2, top1=82.294),
    "resnet152.tv_in1k": replace(_TORCHVISION, top1=78.33),
    "resnext50_32x4d.a1h_in1k": replace(_RSB, top1=81.14),
    "resnext50_32x4d.a1_in1k": replace(_RSB, top1=80.526),
    "resnext50_32x4d.a2_in1k": replace(_RSB, top1=80.444),
    "resnext50_32x4d.a3_in1k": replace(_RSB, top1=79.258),
    "resnext50_32x4d.gluon_in1k": replace(_TIMM, top1=79.354),
    "resnext50_32x4d.ra_in1k": replace(_TIMM, top1=79.8),
    "resnext50_32x4d.tv2_in1k": replace(_TORCHVISION2, top1=81.19),
    "resnext50_32x4d.tv_in1k": replace(_TORCHVISION, top1=77.632),
    "resnext101_32x8d.tv2_in1k": replace(_TORCHVISION2, top1=82.832),
    "resnext101_32x8d.tv_in1k": replace(_TORCHVISION, top1=79.308),
    "resnext101_64x4d.c1_in1k": replace(_RSB, top1=82.446),
    "resnext101_64x4d.gluon_in1k": replace(_TIMM, top1=80.64),
    "resnext101_64x4d.tv_in1k": replace(_TORCHVISION, top1=82.978),
    "resnetv2_50.a1h_in1k": replace(_V2, top1=80.41),
    "resnetv2_101.a1h_in1k": replace(_V2, top1=82.042),
    "keras_resnet50.imagenet": replace(
        _KERAS, file=_KERAS_FILE.format("resnet50"), md5="2cb95161c43110f7111970584f804107", top1=74.9
    ),
    "keras_resnet101.imagenet": replace(
        _KERAS, file=_KERAS_FILE.format("resnet101"), md5="f1aeb4b969a6efcfb50fad2f0c20cfc5", top1=76.4
    ),
    "keras_resnet152.imagenet": replace(
        _KERAS, file=_KERAS_FILE.format("resnet152"), md5="100835be76be38e30d865e96f2aaae62", top1=76.6
    ),
    "keras_resnet50v2.imagenet": replace(
        _KERAS_V2, file=_KERAS_FILE.format("resnet50v2"), md5="3ef43a0b657b3be2300d5770ece849e0", top1=76.0
    ),
    "keras_resnet101v2.imagenet": replace(
        _KERAS_V2, file=_KERAS_FILE.format("resnet101v2"), md5="6343647c601c52e1368623803854d971", top1=77.2
    ),
    "keras_resnet152v2.imagenet": replace(
        _KERAS_V2, file=_KERAS_FILE.format("resnet152v2"), md5="a49b44d1979771252814e80f8ec446f9", top1=78.0
    ),
}
