"""timm's BiT (Kolesnikov et al. 2020, arXiv 1912.11370): Google's files under timm's names.

`goog_in21k` knows ImageNet-21k's classes, `goog_in21k_ft_in1k` is that tuned on ImageNet-1k; the distilled network and
its teacher are those of Beyer et al. 2022 (arXiv 2106.05237).
"""

from dataclasses import replace

from kres.preprocessing import PRESETS
from kres.weights.catalog.published import Published
from kres.weights.catalog.timm.trainings import TIMM

DISTILLED = replace(TIMM, preprocess=replace(TIMM.preprocess, **PRESETS["tf"]))
DISTILLED_384 = replace(DISTILLED, preprocess=replace(DISTILLED.preprocess, size=384, crop=1.0))
IN21K = replace(DISTILLED, classes=21_843, preprocess=replace(DISTILLED.preprocess, interpolation="bilinear"))
FINE_TUNED = replace(IN21K, classes=1000, preprocess=replace(IN21K.preprocess, size=448, crop=1.0))
FINE_TUNED_480 = replace(FINE_TUNED, preprocess=replace(FINE_TUNED.preprocess, size=480))

ROWS: dict[str, Published] = {
    "resnetv2_50x1_bit.goog_distilled_in1k": replace(DISTILLED, top1=82.82),
    "resnetv2_50x1_bit.goog_in21k_ft_in1k": replace(FINE_TUNED, top1=80.386),
    "resnetv2_50x1_bit.goog_in21k": IN21K,
    "resnetv2_50x3_bit.goog_in21k_ft_in1k": replace(FINE_TUNED, top1=83.982),
    "resnetv2_50x3_bit.goog_in21k": IN21K,
    "resnetv2_101x1_bit.goog_in21k_ft_in1k": replace(FINE_TUNED, top1=82.332),
    "resnetv2_101x1_bit.goog_in21k": IN21K,
    "resnetv2_101x3_bit.goog_in21k_ft_in1k": replace(FINE_TUNED, top1=84.43),
    "resnetv2_101x3_bit.goog_in21k": IN21K,
    "resnetv2_152x2_bit.goog_teacher_in21k_ft_in1k": replace(DISTILLED, top1=82.918),
    "resnetv2_152x2_bit.goog_teacher_in21k_ft_in1k_384": replace(DISTILLED_384, top1=83.858),
    "resnetv2_152x2_bit.goog_in21k_ft_in1k": replace(FINE_TUNED, top1=84.468),
    "resnetv2_152x2_bit.goog_in21k": IN21K,
    "resnetv2_152x4_bit.goog_in21k_ft_in1k": replace(FINE_TUNED_480, top1=84.936),
    "resnetv2_152x4_bit.goog_in21k": IN21K,
}
