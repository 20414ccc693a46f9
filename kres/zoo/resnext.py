"""ResNeXt (Xie et al. 2017, arXiv 1611.05431, table 1): grouped 3x3 convolutions.

Parameters: torchvision.
"""

from dataclasses import replace

from kres.zoo.resnet import BOTTLENECK

ROWS = {
    "resnext50_32x4d": replace(BOTTLENECK, depths=(3, 4, 6, 3), groups=32, group_width=4, params=25_028_904),
    "resnext101_32x8d": replace(BOTTLENECK, depths=(3, 4, 23, 3), groups=32, group_width=8, params=88_791_336),
    "resnext101_64x4d": replace(BOTTLENECK, depths=(3, 4, 23, 3), groups=64, group_width=4, params=83_455_272),
}
