"""BiT's own files, storage.googleapis.com/bit_models: the file's name is the tag.

Files from the README of google-research/big_transfer: S is trained on ImageNet-1k, M on ImageNet-21k, and M-ILSVRC2012
is M tuned on ImageNet-1k. Recipe and top-1 are timm's of the same numbers (`goog_*`); of R50x1_160 they are those of
Beyer et al. 2022 (arXiv 2106.05237).
"""

from dataclasses import replace

from kres.weights.catalog.published import Published
from kres.weights.catalog.timm import bit

M = replace(bit.IN21K, origin="bit")
S = replace(M, classes=1000)
TUNED = replace(bit.FINE_TUNED, origin="bit")
DISTILLED = replace(bit.DISTILLED, origin="bit")
DISTILLED_160 = replace(DISTILLED, preprocess=replace(DISTILLED.preprocess, size=160))
TEACHER_384 = replace(DISTILLED, preprocess=bit.DISTILLED_384.preprocess)

ROWS: dict[str, Published] = {
    "resnetv2_50x1_bit.BiT-M-R50x1-ILSVRC2012": replace(TUNED, file="BiT-M-R50x1-ILSVRC2012.npz", top1=80.386),
    "resnetv2_50x1_bit.BiT-M-R50x1": replace(M, file="BiT-M-R50x1.npz"),
    "resnetv2_50x1_bit.BiT-S-R50x1": replace(S, file="BiT-S-R50x1.npz"),
    "resnetv2_50x1_bit.R50x1_224": replace(DISTILLED, file="distill/R50x1_224.npz", top1=82.82),
    "resnetv2_50x1_bit.R50x1_160": replace(DISTILLED_160, file="distill/R50x1_160.npz", top1=80.5),
    "resnetv2_50x3_bit.BiT-M-R50x3-ILSVRC2012": replace(TUNED, file="BiT-M-R50x3-ILSVRC2012.npz", top1=83.982),
    "resnetv2_50x3_bit.BiT-M-R50x3": replace(M, file="BiT-M-R50x3.npz"),
    "resnetv2_50x3_bit.BiT-S-R50x3": replace(S, file="BiT-S-R50x3.npz"),
    "resnetv2_101x1_bit.BiT-M-R101x1-ILSVRC2012": replace(TUNED, file="BiT-M-R101x1-ILSVRC2012.npz", top1=82.332),
    "resnetv2_101x1_bit.BiT-M-R101x1": replace(M, file="BiT-M-R101x1.npz"),
    "resnetv2_101x1_bit.BiT-S-R101x1": replace(S, file="BiT-S-R101x1.npz"),
    "resnetv2_101x3_bit.BiT-M-R101x3-ILSVRC2012": replace(TUNED, file="BiT-M-R101x3-ILSVRC2012.npz", top1=84.43),
    "resnetv2_101x3_bit.BiT-M-R101x3": replace(M, file="BiT-M-R101x3.npz"),
    "resnetv2_101x3_bit.BiT-S-R101x3": replace(S, file="BiT-S-R101x3.npz"),
    "resnetv2_152x2_bit.BiT-M-R152x2-ILSVRC2012": replace(TUNED, file="BiT-M-R152x2-ILSVRC2012.npz", top1=84.468),
    "resnetv2_152x2_bit.BiT-M-R152x2": replace(M, file="BiT-M-R152x2.npz"),
    "resnetv2_152x2_bit.BiT-S-R152x2": replace(S, file="BiT-S-R152x2.npz"),
    "resnetv2_152x2_bit.R152x2_T_224": replace(DISTILLED, file="distill/R152x2_T_224.npz", top1=82.918),
    "resnetv2_152x2_bit.R152x2_T_384": replace(TEACHER_384, file="distill/R152x2_T_384.npz", top1=83.858),
    "resnetv2_152x4_bit.BiT-M-R152x4-ILSVRC2012": replace(
        TUNED, preprocess=bit.FINE_TUNED_480.preprocess, file="BiT-M-R152x4-ILSVRC2012.npz", top1=84.936
    ),
    "resnetv2_152x4_bit.BiT-M-R152x4": replace(M, file="BiT-M-R152x4.npz"),
    "resnetv2_152x4_bit.BiT-S-R152x4": replace(S, file="BiT-S-R152x4.npz"),
}
