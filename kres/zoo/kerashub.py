"""KerasHub's ResNet-vd 18, 34 and 200, which are PaddleClas's.

18 and 34 are ResNet-D with a projection in the first stage too, where nothing changes shape; 200 has other depths than
timm's. Its other networks are timm's: resnet18, 50, 101 and 152, resnetv2_50 and 101, and, as vd, resnet50d, 101d and
152d. Parameters: KerasHub 0.32.0's counts with the head, less the moving statistics.
"""

from dataclasses import replace

from kres.zoo.resnet import BASIC_D, BOTTLENECK_D

BASIC_VD = replace(BASIC_D, shortcut="projection_first")

ROWS = {
    "resnet_vd_18": replace(BASIC_VD, depths=(2, 2, 2, 2), params=11_712_968),
    "resnet_vd_34": replace(BASIC_VD, depths=(3, 4, 6, 3), params=21_821_128),
    "resnet_vd_200": replace(BOTTLENECK_D, depths=(3, 12, 48, 3), params=74_933_064 - 194_560),
}
