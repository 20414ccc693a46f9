"""The residual networks of keras.applications, weight for weight.

v1 strides in the first 1x1 and gives every convolution a bias; v2 strides in a stage's last block, with a bias where
no norm follows. keras.applications still lists the files of two ResNeXts whose builders are gone. Parameters:
keras.applications' own trainable counts; of the ResNeXts those of the grouped networks that theirs are equivalent to.
"""

from dataclasses import replace

from kres.specs import Spec

V1 = Spec(
    depths=(3, 4, 6, 3),
    stride_conv=1,
    conv_bias=("stem_conv", "conv1", "conv2", "conv3", "shortcut_conv"),
    norm_epsilon=1.001e-5,
    norm_momentum=0.99,
    preset="caffe",
)
V2 = replace(
    V1,
    block="bottleneck",
    order="preactivation",
    shortcut="projection_or_pool",
    stride_conv=2,
    strided_block="last",
    stem_pool_zero_pad=True,
    conv_bias=("stem_conv", "conv3", "shortcut_conv"),
    preset="tf",
)
RESNEXT = replace(V1, stride_conv=2, conv_bias=(), groups=32, group_width=4, preset="torch")

ROWS = {
    "keras_resnet50": replace(V1, depths=(3, 4, 6, 3), params=25_583_592),
    "keras_resnet101": replace(V1, depths=(3, 4, 23, 3), params=44_601_832),
    "keras_resnet152": replace(V1, depths=(3, 8, 36, 3), params=60_268_520),
    "keras_resnet50v2": replace(V2, depths=(3, 4, 6, 3), params=25_568_360),
    "keras_resnet101v2": replace(V2, depths=(3, 4, 23, 3), params=44_577_896),
    "keras_resnet152v2": replace(V2, depths=(3, 8, 36, 3), params=60_236_904),
    "keras_resnext50": replace(RESNEXT, depths=(3, 4, 6, 3), params=25_028_904),
    "keras_resnext101": replace(RESNEXT, depths=(3, 4, 23, 3), params=44_177_704),
}
