"""timm's squeeze-and-excitation networks."""

from dataclasses import replace

from kres.weights.catalog.published import Published
from kres.weights.catalog.timm.trainings import RSB, TIMM

ROWS: dict[str, Published] = {
    "senet154.gluon_in1k": replace(TIMM, top1=81.258),
    "seresnet50.a1_in1k": replace(RSB, top1=80.012),
    "seresnet50.a2_in1k": replace(RSB, top1=80.102),
    "seresnet50.a3_in1k": replace(RSB, top1=77.036),
    "seresnet50.ra2_in1k": replace(TIMM, top1=80.26),
    "seresnet152d.ra2_in1k": replace(RSB, preprocess=replace(RSB.preprocess, size=256), top1=83.702),
    "seresnext26d_32x4d.bt_in1k": replace(TIMM, top1=77.592),
    "seresnext26t_32x4d.bt_in1k": replace(TIMM, top1=77.98),
    "seresnext50_32x4d.racm_in1k": replace(TIMM, top1=81.268),
    "seresnext50_32x4d.gluon_in1k": replace(TIMM, top1=79.916),
    "seresnext101_32x4d.gluon_in1k": replace(TIMM, top1=80.886),
    "seresnext101_32x8d.ah_in1k": replace(RSB, top1=83.618),
    "seresnext101_64x4d.gluon_in1k": replace(TIMM, top1=80.884),
    "seresnext101d_32x8d.ah_in1k": replace(RSB, top1=83.702),
}
