"""timm's files of the first squeeze-and-excitation networks, converted from Caffe or trained beside those."""

from dataclasses import replace

from kres.weights.catalog.published import Published
from kres.weights.catalog.timm.trainings import BILINEAR, TIMM

CAFFE = replace(TIMM, preprocess=BILINEAR)

ROWS: dict[str, Published] = {
    "legacy_senet154.in1k": replace(CAFFE, top1=81.32),
    "legacy_seresnet18.in1k": replace(TIMM, top1=71.742),
    "legacy_seresnet34.in1k": replace(CAFFE, top1=74.788),
    "legacy_seresnet50.in1k": replace(CAFFE, top1=77.65),
    "legacy_seresnet101.in1k": replace(CAFFE, top1=78.37),
    "legacy_seresnet152.in1k": replace(CAFFE, top1=78.662),
    "legacy_seresnext26_32x4d.in1k": replace(TIMM, top1=77.1),
    "legacy_seresnext50_32x4d.in1k": replace(CAFFE, top1=79.08),
    "legacy_seresnext101_32x4d.in1k": replace(CAFFE, top1=80.274),
}
