"""KerasHub's ResNet-vd 18 and 34: ResNet-D with a projection in the first stage too, where nothing changes shape.

Its other networks are timm's: resnet18, 50, 101 and 152, resnetv2_50 and 101, and, as vd, resnet50d, 101d, 152d and
200d. Parameters: KerasHub 0.32.0's counts with the head, less the moving statistics.
"""

from dataclasses import replace

from kres.zoo.resnet import BASIC_D

BASIC_VD = replace(BASIC_D, shortcut="projection_first")

ROWS = {
    "resnet_vd_18": replace(BASIC_VD, depths=(2, 2, 2, 2), params=11_712_968),
    "resnet_vd_34": replace(BASIC_VD, depths=(3, 4, 6, 3), params=21_821_128),
}
