"""Squeeze-and-excitation networks (Hu et al. 2018, arXiv 1709.01507): SE-ResNet, SE-ResNeXt and SENet-154.

As in timm's `resnet.py`; letters as in ResNet's table. Parameters: timm 1.0.31.
"""

from dataclasses import replace

from kres.zoo.resnet import BASIC, BOTTLENECK, BOTTLENECK_D, BOTTLENECK_T, WIDER

SE_BASIC = replace(BASIC, attention="se")
SE_BOTTLENECK = replace(BOTTLENECK, attention="se")
SE_BOTTLENECK_D = replace(BOTTLENECK_D, attention="se")
SE_BOTTLENECK_T = replace(BOTTLENECK_T, attention="se")
SENET = replace(SE_BOTTLENECK, groups=64, group_width=4, reduce_first=2, shortcut_kernel=3, stem_widths=WIDER)

ROWS = {
    "senet154": replace(SENET, depths=(3, 8, 36, 3), params=115_088_984),
    "seresnet18": replace(SE_BASIC, depths=(2, 2, 2, 2), params=11_779_624),
    "seresnet34": replace(SE_BASIC, depths=(3, 4, 6, 3), params=21_960_416),
    "seresnet50": replace(SE_BOTTLENECK, depths=(3, 4, 6, 3), params=28_088_024),
    "seresnet50t": replace(SE_BOTTLENECK_T, depths=(3, 4, 6, 3), params=28_104_720),
    "seresnet101": replace(SE_BOTTLENECK, depths=(3, 4, 23, 3), params=49_326_872),
    "seresnet152": replace(SE_BOTTLENECK, depths=(3, 8, 36, 3), params=66_821_848),
    "seresnet152d": replace(SE_BOTTLENECK_D, depths=(3, 8, 36, 3), input_size=256, params=66_841_080),
    "seresnet200d": replace(SE_BOTTLENECK_D, depths=(3, 24, 36, 3), input_size=256, params=71_855_096),
    "seresnet269d": replace(SE_BOTTLENECK_D, depths=(3, 30, 48, 8), input_size=256, params=113_672_760),
    "seresnext26d_32x4d": replace(SE_BOTTLENECK_D, depths=(2, 2, 2, 2), groups=32, group_width=4, params=16_809_512),
    "seresnext26t_32x4d": replace(SE_BOTTLENECK_T, depths=(2, 2, 2, 2), groups=32, group_width=4, params=16_806_976),
    "seresnext50_32x4d": replace(SE_BOTTLENECK, depths=(3, 4, 6, 3), groups=32, group_width=4, params=27_559_896),
    "seresnext101_32x4d": replace(SE_BOTTLENECK, depths=(3, 4, 23, 3), groups=32, group_width=4, params=48_955_416),
    "seresnext101_32x8d": replace(SE_BOTTLENECK, depths=(3, 4, 23, 3), groups=32, group_width=8, params=93_569_048),
    "seresnext101_64x4d": replace(SE_BOTTLENECK, depths=(3, 4, 23, 3), groups=64, group_width=4, params=88_232_984),
    "seresnext101d_32x8d": replace(SE_BOTTLENECK_D, depths=(3, 4, 23, 3), groups=32, group_width=8, params=93_588_280),
}
