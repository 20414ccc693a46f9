"""timm's ECA-Nets."""

from dataclasses import replace

from kres.weights.catalog.published import Published
from kres.weights.catalog.timm.trainings import RSB, TIMM

ROWS: dict[str, Published] = {
    "ecaresnet26t.ra2_in1k": replace(TIMM, preprocess=replace(TIMM.preprocess, size=256), top1=78.894),
    "ecaresnet50d.miil_in1k": replace(TIMM, top1=80.634),
    "ecaresnet50t.ra2_in1k": replace(TIMM, preprocess=replace(TIMM.preprocess, size=256), top1=81.45),
    "ecaresnet50t.a1_in1k": replace(RSB, top1=81.282),
    "ecaresnet50t.a2_in1k": replace(RSB, top1=80.884),
    "ecaresnet50t.a3_in1k": replace(RSB, top1=79.548),
    "ecaresnet101d.miil_in1k": replace(TIMM, top1=82.18),
    "ecaresnet269d.ra2_in1k": replace(RSB, preprocess=replace(RSB.preprocess, size=320), top1=84.724),
    "ecaresnetlight.miil_in1k": replace(TIMM, top1=80.454),
}
