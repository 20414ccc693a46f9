"""ResNeXt (Xie et al. 2017, arXiv 1611.05431, table 1): grouped 3x3 convolutions.

Parameters: timm 1.0.31, and torchvision where it has the network.
"""

from dataclasses import replace

from kres.zoo.resnet import BOTTLENECK, BOTTLENECK_D

ROWS = {
    "resnext50_32x4d": replace(BOTTLENECK, depths=(3, 4, 6, 3), groups=32, group_width=4, params=25_028_904),
    "resnext50d_32x4d": replace(BOTTLENECK_D, depths=(3, 4, 6, 3), groups=32, group_width=4, params=25_048_136),
    "resnext101_32x4d": replace(BOTTLENECK, depths=(3, 4, 23, 3), groups=32, group_width=4, params=44_177_704),
    "resnext101_32x8d": replace(BOTTLENECK, depths=(3, 4, 23, 3), groups=32, group_width=8, params=88_791_336),
    "resnext101_32x16d": replace(BOTTLENECK, depths=(3, 4, 23, 3), groups=32, group_width=16, params=194_026_792),
    "resnext101_32x32d": replace(BOTTLENECK, depths=(3, 4, 23, 3), groups=32, group_width=32, params=468_530_472),
    "resnext101_64x4d": replace(BOTTLENECK, depths=(3, 4, 23, 3), groups=64, group_width=4, params=83_455_272),
}
