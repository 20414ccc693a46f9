"""Pre-activation ResNet on ImageNet (He et al. 2016, arXiv 1603.05027) as timm has it; letters as in ResNet's table.

Parameters: timm 1.0.31.
"""

from dataclasses import replace

from kres.specs import Spec
from kres.zoo.resnet import DEEP, TIERED

BOTTLENECK = Spec(block="bottleneck", order="preactivation", depths=(3, 4, 6, 3), preset="tf")
BOTTLENECK_D = replace(BOTTLENECK, stem_widths=DEEP, shortcut_pool="avg")
BOTTLENECK_T = replace(BOTTLENECK_D, stem_widths=TIERED)
BASIC = replace(BOTTLENECK, block="basic")
BASIC_D = replace(BOTTLENECK_D, block="basic")

ROWS = {
    "resnetv2_18": replace(BASIC, depths=(2, 2, 2, 2), params=11_687_720),
    "resnetv2_18d": replace(BASIC_D, depths=(2, 2, 2, 2), params=11_706_952),
    "resnetv2_34": replace(BASIC, depths=(3, 4, 6, 3), params=21_795_880),
    "resnetv2_34d": replace(BASIC_D, depths=(3, 4, 6, 3), params=21_815_112),
    "resnetv2_50": replace(BOTTLENECK, depths=(3, 4, 6, 3), params=25_549_352),
    "resnetv2_50d": replace(BOTTLENECK_D, depths=(3, 4, 6, 3), params=25_568_584),
    "resnetv2_50d_gn": replace(BOTTLENECK_D, depths=(3, 4, 6, 3), norm="group", params=25_568_584),
    "resnetv2_50t": replace(BOTTLENECK_T, depths=(3, 4, 6, 3), params=25_566_048),
    "resnetv2_101": replace(BOTTLENECK, depths=(3, 4, 23, 3), params=44_541_480),
    "resnetv2_101d": replace(BOTTLENECK_D, depths=(3, 4, 23, 3), params=44_560_712),
    "resnetv2_152": replace(BOTTLENECK, depths=(3, 8, 36, 3), params=60_185_128),
    "resnetv2_152d": replace(BOTTLENECK_D, depths=(3, 8, 36, 3), params=60_204_360),
}
