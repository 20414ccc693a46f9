"""ResNet-RS (Bello et al. 2021, arXiv 2103.07579, table 7): ResNet-D with attention and a convolution as stem pool.

Sizes are those of the published weights. Parameters: timm 1.0.31.
"""

from dataclasses import replace

from kres.zoo.senet import SE_BOTTLENECK_D

RS = replace(SE_BOTTLENECK_D, se_ratio=0.25, stem_pool="conv")

ROWS = {
    "resnetrs50": replace(RS, depths=(3, 4, 6, 3), input_size=160, params=35_691_912),
    "resnetrs101": replace(RS, depths=(3, 4, 23, 3), input_size=192, params=63_618_696),
    "resnetrs152": replace(RS, depths=(3, 8, 36, 3), input_size=256, params=86_621_576),
    "resnetrs200": replace(RS, depths=(3, 24, 36, 3), input_size=256, params=93_209_992),
    "resnetrs270": replace(RS, depths=(4, 29, 53, 4), input_size=256, params=129_861_448),
    "resnetrs350": replace(RS, depths=(4, 36, 72, 4), input_size=288, params=163_956_168),
    "resnetrs420": replace(RS, depths=(4, 44, 87, 4), input_size=320, params=191_891_656),
}
