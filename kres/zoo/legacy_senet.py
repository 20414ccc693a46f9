"""The first squeeze-and-excitation networks in PyTorch, converted from Caffe's: timm's older `senet.py`.

They pool in the stem as Caffe does and do not round the squeezed channels; SE-ResNet 50 to 152 stride in the first
convolution of a block. Parameters: timm 1.0.31.
"""

from dataclasses import replace

from kres.zoo.senet import SE_BASIC, SE_BOTTLENECK, SENET

CAFFE = replace(SE_BOTTLENECK, stem_pool="max_ceil", se_multiple=1)
STRIDE_FIRST = replace(CAFFE, stride_conv=1)
BASIC = replace(SE_BASIC, stem_pool="max_ceil", se_multiple=1, order="activation_around_addition")
RESNEXT = replace(CAFFE, groups=32, group_width=4)
CAFFE_SENET = replace(SENET, stem_pool="max_ceil", se_multiple=1)

ROWS = {
    "legacy_senet154": replace(CAFFE_SENET, depths=(3, 8, 36, 3), params=115_088_984),
    "legacy_seresnet18": replace(BASIC, depths=(2, 2, 2, 2), params=11_778_592),
    "legacy_seresnet34": replace(BASIC, depths=(3, 4, 6, 3), params=21_958_868),
    "legacy_seresnet50": replace(STRIDE_FIRST, depths=(3, 4, 6, 3), params=28_088_024),
    "legacy_seresnet101": replace(STRIDE_FIRST, depths=(3, 4, 23, 3), params=49_326_872),
    "legacy_seresnet152": replace(STRIDE_FIRST, depths=(3, 8, 36, 3), params=66_821_848),
    "legacy_seresnext26_32x4d": replace(RESNEXT, depths=(2, 2, 2, 2), params=16_790_280),
    "legacy_seresnext50_32x4d": replace(RESNEXT, depths=(3, 4, 6, 3), params=27_559_896),
    "legacy_seresnext101_32x4d": replace(RESNEXT, depths=(3, 4, 23, 3), params=48_955_416),
}
