"""timm's ResNet-RS: the weights that Bello et al. 2021 (arXiv 2103.07579) published for TensorFlow."""

from dataclasses import replace

from kres.weights.catalog.published import Published
from kres.weights.catalog.timm.trainings import TIMM

TF = replace(TIMM, preprocess=replace(TIMM.preprocess, size=256, crop=1.0))

ROWS: dict[str, Published] = {
    "resnetrs50.tf_in1k": replace(TF, preprocess=replace(TF.preprocess, size=160, crop=0.91), top1=77.858),
    "resnetrs101.tf_in1k": replace(TF, preprocess=replace(TF.preprocess, size=192, crop=0.94), top1=80.706),
    "resnetrs152.tf_in1k": replace(TF, top1=82.9),
    "resnetrs200.tf_in1k": replace(TF, top1=83.884),
    "resnetrs270.tf_in1k": replace(TF, top1=83.596),
    "resnetrs350.tf_in1k": replace(TF, preprocess=replace(TF.preprocess, size=288), top1=84.304),
    "resnetrs420.tf_in1k": replace(TF, preprocess=replace(TF.preprocess, size=320), top1=84.24),
}
