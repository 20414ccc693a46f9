"""ResNet (He et al. 2015, arXiv 1512.03385, table 1) as torchvision and timm have it: stride in the 3x3, "v1.5".

Parameters: torchvision.
"""

from dataclasses import replace

from kres.specs import Spec

BASIC = Spec(block="basic", depths=(2, 2, 2, 2))
BOTTLENECK = Spec(block="bottleneck", depths=(3, 4, 6, 3))

ROWS = {
    "resnet18": replace(BASIC, depths=(2, 2, 2, 2), params=11_689_512),
    "resnet34": replace(BASIC, depths=(3, 4, 6, 3), params=21_797_672),
    "resnet50": replace(BOTTLENECK, depths=(3, 4, 6, 3), params=25_557_032),
    "resnet101": replace(BOTTLENECK, depths=(3, 4, 23, 3), params=44_549_160),
    "resnet152": replace(BOTTLENECK, depths=(3, 8, 36, 3), params=60_192_808),
}
