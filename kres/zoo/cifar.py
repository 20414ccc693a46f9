"""The CIFAR networks: He et al. 2015, section 4.2 (6n + 2 layers), and the pre-activation nets of He et al. 2016.

Shortcut options: A (the paper's, no suffix), B (`_b`) and C (`_c`). Parameters: option A is the paper's table 6, exact
where the count follows from its text by hand; B adds two projections and C one a block, each with its norm.
Pre-activation: counted from the text of He et al. 2016, whose table 4 leaves out the norms.
"""

from dataclasses import replace

from kres.specs import Spec

OPTION_A = Spec(
    block="basic",
    depths=(3, 3, 3),
    widths=(16, 32, 64),
    stem="cifar",
    shortcut="zero_pad",
    classes=10,
    input_size=32,
    preset="cifar",
)
OPTION_B = replace(OPTION_A, shortcut="projection")
OPTION_C = replace(OPTION_A, shortcut="projection_all")
PREACTIVATION_BASIC = replace(OPTION_A, order="preactivation", first_shortcut_activated=True)
PREACTIVATION = replace(OPTION_B, block="bottleneck", order="preactivation", first_shortcut_activated=True)

ROWS = {
    "cifar_resnet20": replace(OPTION_A, depths=(3, 3, 3), params=269_722),
    "cifar_resnet32": replace(OPTION_A, depths=(5, 5, 5), params=464_154),
    "cifar_resnet44": replace(OPTION_A, depths=(7, 7, 7), params=658_586),
    "cifar_resnet56": replace(OPTION_A, depths=(9, 9, 9), params=853_018),
    "cifar_resnet110": replace(OPTION_A, depths=(18, 18, 18), params=1_727_962),
    "cifar_resnet1202": replace(OPTION_A, depths=(200, 200, 200), params="19.4M"),
    "cifar_resnet20_b": replace(OPTION_B, depths=(3, 3, 3), params=269_722 + 2_752),
    "cifar_resnet32_b": replace(OPTION_B, depths=(5, 5, 5), params=464_154 + 2_752),
    "cifar_resnet44_b": replace(OPTION_B, depths=(7, 7, 7), params=658_586 + 2_752),
    "cifar_resnet56_b": replace(OPTION_B, depths=(9, 9, 9), params=853_018 + 2_752),
    "cifar_resnet110_b": replace(OPTION_B, depths=(18, 18, 18), params=1_727_962 + 2_752),
    "cifar_resnet1202_b": replace(OPTION_B, depths=(200, 200, 200), params="19.4M"),
    "cifar_resnet20_c": replace(OPTION_C, depths=(3, 3, 3), params=269_722 + 3 * 5_600 - 2_560),
    "cifar_resnet32_c": replace(OPTION_C, depths=(5, 5, 5), params=464_154 + 5 * 5_600 - 2_560),
    "cifar_resnet44_c": replace(OPTION_C, depths=(7, 7, 7), params=658_586 + 7 * 5_600 - 2_560),
    "cifar_resnet56_c": replace(OPTION_C, depths=(9, 9, 9), params=853_018 + 9 * 5_600 - 2_560),
    "cifar_resnet110_c": replace(OPTION_C, depths=(18, 18, 18), params=1_727_962 + 18 * 5_600 - 2_560),
    "cifar_resnet1202_c": replace(OPTION_C, depths=(200, 200, 200), params="20.5M"),
    "cifar_resnetv2_110": replace(PREACTIVATION_BASIC, depths=(18, 18, 18), params=1_727_962),
    "cifar_resnetv2_164": replace(PREACTIVATION, depths=(18, 18, 18), params=1_703_258),
    "cifar_resnetv2_1001": replace(PREACTIVATION, depths=(111, 111, 111), params=10_327_706),
}
