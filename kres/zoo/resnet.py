"""ResNet (He et al. 2015, arXiv 1512.03385, table 1) as torchvision and timm have it: stride in the 3x3, "v1.5".

Letters as in timm: C has a deep stem of three 3x3s (He et al. 2018, arXiv 1812.01187, figure 2b), S a wider one; D
averages before its projections besides (figure 2c); T is D with a tiered stem. Wide ResNet (Zagoruyko & Komodakis 2016,
arXiv 1605.07146, table 8) doubles the channels of the 3x3s. Parameters: timm 1.0.31, and torchvision where it has the
network.
"""

from dataclasses import replace

from kres.specs import Spec

DEEP, WIDER, TIERED = (32, 32, 64), (64, 64, 128), (24, 32, 64)

BASIC = Spec(block="basic", depths=(2, 2, 2, 2))
BASIC_D = replace(BASIC, stem_widths=DEEP, shortcut_pool="avg")
BASIC_T = replace(BASIC_D, stem_widths=TIERED)
BOTTLENECK = Spec(block="bottleneck", depths=(3, 4, 6, 3))
BOTTLENECK_C = replace(BOTTLENECK, stem_widths=DEEP)
BOTTLENECK_D = replace(BOTTLENECK_C, shortcut_pool="avg")
BOTTLENECK_S = replace(BOTTLENECK, stem_widths=WIDER)
BOTTLENECK_T = replace(BOTTLENECK_D, stem_widths=TIERED)
WIDE = replace(BOTTLENECK, group_width=128)

ROWS = {
    "resnet10t": replace(BASIC_T, depths=(1, 1, 1, 1), input_size=176, params=5_435_488),
    "resnet14t": replace(BOTTLENECK_T, depths=(1, 1, 1, 1), input_size=176, params=10_081_632),
    "resnet18": replace(BASIC, depths=(2, 2, 2, 2), params=11_689_512),
    "resnet18d": replace(BASIC_D, depths=(2, 2, 2, 2), params=11_708_744),
    "resnet26": replace(BOTTLENECK, depths=(2, 2, 2, 2), params=15_995_176),
    "resnet26d": replace(BOTTLENECK_D, depths=(2, 2, 2, 2), params=16_014_408),
    "resnet26t": replace(BOTTLENECK_T, depths=(2, 2, 2, 2), input_size=256, params=16_011_872),
    "resnet34": replace(BASIC, depths=(3, 4, 6, 3), params=21_797_672),
    "resnet34d": replace(BASIC_D, depths=(3, 4, 6, 3), params=21_816_904),
    "resnet50": replace(BOTTLENECK, depths=(3, 4, 6, 3), params=25_557_032),
    "resnet50_gn": replace(BOTTLENECK, depths=(3, 4, 6, 3), norm="group", params=25_557_032),
    "resnet50c": replace(BOTTLENECK_C, depths=(3, 4, 6, 3), params=25_576_264),
    "resnet50d": replace(BOTTLENECK_D, depths=(3, 4, 6, 3), params=25_576_264),
    "resnet50s": replace(BOTTLENECK_S, depths=(3, 4, 6, 3), params=25_680_808),
    "resnet50t": replace(BOTTLENECK_T, depths=(3, 4, 6, 3), params=25_573_728),
    "resnet101": replace(BOTTLENECK, depths=(3, 4, 23, 3), params=44_549_160),
    "resnet101c": replace(BOTTLENECK_C, depths=(3, 4, 23, 3), params=44_568_392),
    "resnet101d": replace(BOTTLENECK_D, depths=(3, 4, 23, 3), input_size=256, params=44_568_392),
    "resnet101s": replace(BOTTLENECK_S, depths=(3, 4, 23, 3), params=44_672_936),
    "resnet152": replace(BOTTLENECK, depths=(3, 8, 36, 3), params=60_192_808),
    "resnet152c": replace(BOTTLENECK_C, depths=(3, 8, 36, 3), params=60_212_040),
    "resnet152d": replace(BOTTLENECK_D, depths=(3, 8, 36, 3), input_size=256, params=60_212_040),
    "resnet152s": replace(BOTTLENECK_S, depths=(3, 8, 36, 3), params=60_316_584),
    "resnet200": replace(BOTTLENECK, depths=(3, 24, 36, 3), params=64_673_832),
    "resnet200d": replace(BOTTLENECK_D, depths=(3, 24, 36, 3), input_size=256, params=64_693_064),
    "wide_resnet50_2": replace(WIDE, depths=(3, 4, 6, 3), params=68_883_240),
    "wide_resnet101_2": replace(WIDE, depths=(3, 4, 23, 3), params=126_886_696),
}
