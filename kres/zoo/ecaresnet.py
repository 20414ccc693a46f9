"""ECA-Net (Wang et al. 2020, arXiv 1910.03151): efficient channel attention in ResNet-D and ResNet-T.

Parameters: timm 1.0.31.
"""

from dataclasses import replace

from kres.zoo.resnet import BOTTLENECK, BOTTLENECK_D, BOTTLENECK_T

ECA_D = replace(BOTTLENECK_D, attention="eca")
ECA_T = replace(BOTTLENECK_T, attention="eca")
ECA_LIGHT = replace(BOTTLENECK, attention="eca", shortcut_pool="avg")

ROWS = {
    "ecaresnet26t": replace(ECA_T, depths=(2, 2, 2, 2), input_size=256, params=16_011_916),
    "ecaresnet50d": replace(ECA_D, depths=(3, 4, 6, 3), params=25_576_350),
    "ecaresnet50t": replace(ECA_T, depths=(3, 4, 6, 3), input_size=256, params=25_573_814),
    "ecaresnet101d": replace(ECA_D, depths=(3, 4, 23, 3), params=44_568_563),
    "ecaresnet200d": replace(ECA_D, depths=(3, 24, 36, 3), input_size=256, params=64_693_400),
    "ecaresnet269d": replace(ECA_D, depths=(3, 30, 48, 8), input_size=320, params=102_093_077),
    "ecaresnetlight": replace(ECA_LIGHT, depths=(1, 1, 11, 3), params=30_162_046),
    "ecaresnext26t_32x4d": replace(ECA_T, depths=(2, 2, 2, 2), groups=32, group_width=4, params=15_406_220),
    "ecaresnext50t_32x4d": replace(ECA_T, depths=(3, 4, 6, 3), groups=32, group_width=4, params=25_045_686),
}
