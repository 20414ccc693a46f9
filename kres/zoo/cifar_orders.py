"""The orders of norm, activation and addition that He et al. 2016 compare: arXiv 1603.05027, figure 4 and table 2.

(a) is `cifar_resnet110` and, here, `cifar_resnet164`; (e) is `cifar_resnetv2_110` and `cifar_resnetv2_164`. Parameters:
counted from the text by hand; the orders move norms, and only (b) has none in its projections.
"""

from dataclasses import replace

from kres.zoo.cifar import OPTION_A, OPTION_B

R110 = replace(OPTION_A, depths=(18, 18, 18), params=1_727_962)
R164 = replace(OPTION_B, block="bottleneck", depths=(18, 18, 18), params=1_704_154)
R110_RELU_ONLY = replace(R110, order="activation_only_preactivation", first_shortcut_activated=True)
R164_RELU_ONLY = replace(R164, order="activation_only_preactivation", first_shortcut_activated=True)

ROWS = {
    "cifar_resnet164": R164,
    "cifar_resnet110_bn_after_addition": replace(R110, order="norm_after_addition"),
    "cifar_resnet164_bn_after_addition": replace(R164, order="norm_after_addition", params=1_703_258),
    "cifar_resnet110_relu_before_addition": replace(R110, order="activation_before_addition"),
    "cifar_resnet164_relu_before_addition": replace(R164, order="activation_before_addition"),
    "cifar_resnet110_relu_only_preactivation": R110_RELU_ONLY,
    "cifar_resnet164_relu_only_preactivation": R164_RELU_ONLY,
}
