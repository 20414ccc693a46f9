"""Wide networks on CIFAR: WRN-d-k (Zagoruyko & Komodakis 2016, arXiv 1605.07146) and ResNeXt-29 (Xie et al. 2017).

WRN-d-k has (d - 4) / 6 pre-activation blocks a stage at k times the width; the paper's best ones on CIFAR-10 drop 30 %
inside a block: `dataclasses.replace(row, block_dropout=0.3)`. Parameters: counted from the papers' text by hand; what
their tables print is tested.
"""

from dataclasses import replace

from kres.zoo.cifar import OPTION_B, PREACTIVATION

X1 = replace(PREACTIVATION, block="basic", stem_widths=(16,), first_shortcut_activated=False)
X2 = replace(X1, widths=(32, 64, 128))
X4 = replace(X1, widths=(64, 128, 256))
X8 = replace(X1, widths=(128, 256, 512))
X10 = replace(X1, widths=(160, 320, 640))
X12 = replace(X1, widths=(192, 384, 768))
RESNEXT29 = replace(OPTION_B, block="bottleneck", depths=(3, 3, 3), widths=(64, 128, 256), group_width=64)

ROWS = {
    "cifar_wrn_40_1": replace(X1, depths=(6, 6, 6), params=563_930),
    "cifar_wrn_40_2": replace(X2, depths=(6, 6, 6), params=2_243_546),
    "cifar_wrn_16_4": replace(X4, depths=(2, 2, 2), params=2_748_890),
    "cifar_wrn_40_4": replace(X4, depths=(6, 6, 6), params=8_949_210),
    "cifar_wrn_16_8": replace(X8, depths=(2, 2, 2), params=10_961_370),
    "cifar_wrn_22_8": replace(X8, depths=(3, 3, 3), params=17_158_106),
    "cifar_wrn_40_8": replace(X8, depths=(6, 6, 6), params=35_748_314),
    "cifar_wrn_16_10": replace(X10, depths=(2, 2, 2), params=17_116_634),
    "cifar_wrn_22_10": replace(X10, depths=(3, 3, 3), params=26_797_914),
    "cifar_wrn_28_10": replace(X10, depths=(4, 4, 4), params=36_479_194),
    "cifar_wrn_28_12": replace(X12, depths=(4, 4, 4), params=52_517_850),
    "cifar_resnext29_8x64d": replace(RESNEXT29, groups=8, params=34_426_698),
    "cifar_resnext29_16x64d": replace(RESNEXT29, groups=16, params=68_155_210),
}
