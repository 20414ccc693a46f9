"""Anti-aliased networks (Zhang 2019, arXiv 1904.11486) as timm has them: a filter strides, not a convolution.

`resnetaa` averages 2x2, `resnetblur` blurs by 1-2-1. Parameters: timm 1.0.31.
"""

from dataclasses import replace

from kres.zoo.resnet import BASIC, BASIC_D, BOTTLENECK, BOTTLENECK_D, WIDER
from kres.zoo.senet import SE_BOTTLENECK_D

AVG_BASIC_D = replace(BASIC_D, antialias="avg")
AVG_BOTTLENECK = replace(BOTTLENECK, antialias="avg")
AVG_BOTTLENECK_D = replace(BOTTLENECK_D, antialias="avg")
AVG_SE_BOTTLENECK_D = replace(SE_BOTTLENECK_D, antialias="avg")
AVG_SE_RESNEXT_D = replace(AVG_SE_BOTTLENECK_D, groups=32, group_width=8)
AVG_SE_RESNEXT_E = replace(AVG_SE_RESNEXT_D, stem_widths=WIDER)
BLUR_BASIC = replace(BASIC, antialias="blur")
BLUR_BOTTLENECK = replace(BOTTLENECK, antialias="blur")
BLUR_BOTTLENECK_D = replace(BOTTLENECK_D, antialias="blur")

ROWS = {
    "resnetaa34d": replace(AVG_BASIC_D, depths=(3, 4, 6, 3), params=21_816_904),
    "resnetaa50": replace(AVG_BOTTLENECK, depths=(3, 4, 6, 3), params=25_557_032),
    "resnetaa50d": replace(AVG_BOTTLENECK_D, depths=(3, 4, 6, 3), params=25_576_264),
    "resnetaa101d": replace(AVG_BOTTLENECK_D, depths=(3, 4, 23, 3), params=44_568_392),
    "resnetblur18": replace(BLUR_BASIC, depths=(2, 2, 2, 2), params=11_689_512),
    "resnetblur50": replace(BLUR_BOTTLENECK, depths=(3, 4, 6, 3), params=25_557_032),
    "resnetblur50d": replace(BLUR_BOTTLENECK_D, depths=(3, 4, 6, 3), params=25_576_264),
    "resnetblur101d": replace(BLUR_BOTTLENECK_D, depths=(3, 4, 23, 3), params=44_568_392),
    "seresnetaa50d": replace(AVG_SE_BOTTLENECK_D, depths=(3, 4, 6, 3), params=28_107_256),
    "seresnextaa101d_32x8d": replace(AVG_SE_RESNEXT_D, depths=(3, 4, 23, 3), input_size=288, params=93_588_280),
    "seresnextaa201d_32x8d": replace(AVG_SE_RESNEXT_E, depths=(3, 24, 36, 4), input_size=384, params=149_394_904),
}
