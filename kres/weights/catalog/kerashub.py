"""KerasHub's presets on the Hugging Face hub, repository `keras/<preset>`: the preset's name is the tag.

KerasHub publishes neither accuracies nor resize and crop. Those here are of the very numbers that it converted: timm's
(keras-hub's convert_resnet_checkpoints.py) and, for the vd networks, PaddleClas's (convert_resnet_vd_checkpoints.py),
top-1 from its model zoo.
"""

from dataclasses import replace

from kres.weights.catalog.published import Published
from kres.weights.catalog.timm import resnetv2, trainings

HUB = replace(trainings.TIMM, origin="kerashub", file="model.weights.h5", head_file="task.weights.h5")
VD = replace(HUB, preprocess=trainings.BILINEAR)
RSB = replace(HUB, preprocess=trainings.RSB.preprocess)
V2 = replace(HUB, preprocess=resnetv2.AH.preprocess)

ROWS: dict[str, Published] = {
    "resnet18.resnet_18_imagenet": replace(RSB, top1=71.504),
    "resnet50.resnet_50_imagenet": replace(RSB, top1=80.382),
    "resnet101.resnet_101_imagenet": replace(RSB, top1=81.494),
    "resnet152.resnet_152_imagenet": replace(RSB, top1=81.998),
    "resnetv2_50.resnet_v2_50_imagenet": replace(V2, top1=80.41),
    "resnetv2_101.resnet_v2_101_imagenet": replace(V2, top1=82.042),
    "resnet_vd_18.resnet_vd_18_imagenet": replace(VD, top1=72.26),
    "resnet_vd_34.resnet_vd_34_imagenet": replace(VD, top1=75.98),
    "resnet50d.resnet_vd_50_imagenet": replace(VD, top1=79.12),
    "resnet50d.resnet_vd_50_ssld_imagenet": replace(VD, top1=82.4),
    "resnet50d.resnet_vd_50_ssld_v2_imagenet": replace(VD, top1=83.0),
    "resnet50d.resnet_vd_50_ssld_v2_fix_imagenet": replace(
        VD, preprocess=replace(VD.preprocess, size=320, crop=1.0), top1=84.0
    ),
    "resnet101d.resnet_vd_101_imagenet": replace(VD, top1=80.17),
    "resnet101d.resnet_vd_101_ssld_imagenet": replace(VD, top1=83.73),
    "resnet152d.resnet_vd_152_imagenet": replace(VD, top1=80.59),
    "resnet_vd_200.resnet_vd_200_imagenet": replace(VD, top1=80.93),
}
