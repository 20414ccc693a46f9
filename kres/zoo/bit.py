"""BiT (Kolesnikov et al. 2020, arXiv 1912.11370): wide pre-activation ResNets with group norm and standardized kernels.

`50x3` is ResNet-50 at three times the width. Epsilons as in timm. Parameters: timm 1.0.31.
"""

from dataclasses import replace

from kres.zoo.resnetv2 import BOTTLENECK

X1 = replace(BOTTLENECK, norm="group", weight_standardization=1e-8, stem_pool_zero_pad=True)
X2 = replace(X1, widths=(128, 256, 512, 1024))
X3 = replace(X1, widths=(192, 384, 768, 1536))
X4 = replace(X1, widths=(256, 512, 1024, 2048))

ROWS = {
    "resnetv2_50x1_bit": replace(X1, depths=(3, 4, 6, 3), params=25_549_352),
    "resnetv2_50x3_bit": replace(X3, depths=(3, 4, 6, 3), input_size=448, params=217_319_080),
    "resnetv2_101x1_bit": replace(X1, depths=(3, 4, 23, 3), input_size=448, params=44_541_480),
    "resnetv2_101x3_bit": replace(X3, depths=(3, 4, 23, 3), input_size=448, params=387_934_888),
    "resnetv2_152x2_bit": replace(X2, depths=(3, 8, 36, 3), params=236_335_208),
    "resnetv2_152x4_bit": replace(X4, depths=(3, 8, 36, 3), input_size=480, params=936_533_224),
}
