"""keras.applications' files: storage.googleapis.com/tensorflow/keras-applications/resnet.

Names and MD5 from keras/src/applications/resnet.py, which still lists the files of ResNeXts that it builds no more;
top-1 and licences from Keras's documentation of its applications, for the ResNeXts that of version 2.2.4.
"""

from dataclasses import replace

from kres.preprocessing import PRESETS, Preprocess
from kres.weights.catalog.published import Published

V1 = Published(origin="keras", licence="mit", preprocess=Preprocess(size=224, **PRESETS["caffe"]))
V2 = replace(V1, licence="bsd-3-clause", preprocess=Preprocess(size=224, **PRESETS["tf"]))
RESNEXT = replace(V2, preprocess=Preprocess(size=224, **PRESETS["torch"]))
FILE = "{}_weights_tf_dim_ordering_tf_kernels.h5"

ROWS: dict[str, Published] = {
    "keras_resnet50.imagenet": replace(
        V1, file=FILE.format("resnet50"), md5="2cb95161c43110f7111970584f804107", top1=74.9
    ),
    "keras_resnet101.imagenet": replace(
        V1, file=FILE.format("resnet101"), md5="f1aeb4b969a6efcfb50fad2f0c20cfc5", top1=76.4
    ),
    "keras_resnet152.imagenet": replace(
        V1, file=FILE.format("resnet152"), md5="100835be76be38e30d865e96f2aaae62", top1=76.6
    ),
    "keras_resnet50v2.imagenet": replace(
        V2, file=FILE.format("resnet50v2"), md5="3ef43a0b657b3be2300d5770ece849e0", top1=76.0
    ),
    "keras_resnet101v2.imagenet": replace(
        V2, file=FILE.format("resnet101v2"), md5="6343647c601c52e1368623803854d971", top1=77.2
    ),
    "keras_resnet152v2.imagenet": replace(
        V2, file=FILE.format("resnet152v2"), md5="a49b44d1979771252814e80f8ec446f9", top1=78.0
    ),
    "keras_resnext50.imagenet": replace(
        RESNEXT, file=FILE.format("resnext50"), md5="67a5b30d522ed92f75a1f16eef299d1a", top1=77.7
    ),
    "keras_resnext101.imagenet": replace(
        RESNEXT, file=FILE.format("resnext101"), md5="34fb605428fcc7aa4d62f44404c11509", top1=78.7
    ),
}
