"""timm's pre-activation networks."""

from dataclasses import replace

from kres.weights.catalog.published import Published
from kres.weights.catalog.timm.trainings import RA4

AH = replace(RA4, preprocess=replace(RA4.preprocess, crop=0.95))  # the tags a1h and ah
RA4_384 = replace(RA4, preprocess=replace(RA4.preprocess, size=384, crop=1.0))

ROWS: dict[str, Published] = {
    "resnetv2_18.ra4_e3600_r224_in1k": replace(RA4, top1=73.572),
    "resnetv2_18d.ra4_e3600_r224_in1k": replace(RA4, top1=74.422),
    "resnetv2_34.ra4_e3600_r224_in1k": replace(RA4, top1=77.626),
    "resnetv2_34d.ra4_e3600_r224_in1k": replace(RA4, top1=78.27),
    "resnetv2_34d.ra4_e3600_r384_in1k": replace(RA4_384, top1=79.792),
    "resnetv2_50.a1h_in1k": replace(AH, top1=80.41),
    "resnetv2_50d_gn.ah_in1k": replace(AH, top1=80.8),
    "resnetv2_101.a1h_in1k": replace(AH, top1=82.042),
}
