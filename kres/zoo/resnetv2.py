"""Pre-activation ResNet on ImageNet (He et al. 2016, arXiv 1603.05027) as timm has it.

Parameters: timm; exact for 50, printed in millions for the others.
"""

from dataclasses import replace

from kres.specs import Spec

PREACTIVATION = Spec(
    block="bottleneck", order="preactivation", depths=(3, 4, 6, 3), stem_pool_zero_pad=False, preset="tf"
)

ROWS = {
    "resnetv2_50": replace(PREACTIVATION, depths=(3, 4, 6, 3), params=25_549_352),
    "resnetv2_101": replace(PREACTIVATION, depths=(3, 4, 23, 3), params="44.54M"),
    "resnetv2_152": replace(PREACTIVATION, depths=(3, 8, 36, 3), params="60.19M"),
}
