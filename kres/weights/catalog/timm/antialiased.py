"""timm's anti-aliased networks."""

from dataclasses import replace

from kres.weights.catalog.published import Published
from kres.weights.catalog.timm.trainings import IN12K, RSB, TIMM

RSB_288 = replace(RSB, preprocess=replace(RSB.preprocess, size=288, crop=1.0))
RSB_384 = replace(RSB, preprocess=replace(RSB.preprocess, size=384, crop=1.0))

ROWS: dict[str, Published] = {
    "resnetaa50.a1h_in1k": replace(RSB, top1=80.614),
    "resnetaa50d.sw_in12k_ft_in1k": replace(RSB, top1=81.782),
    "resnetaa50d.sw_in12k": IN12K,
    "resnetaa50d.d_in12k": IN12K,
    "resnetaa101d.sw_in12k_ft_in1k": replace(RSB, top1=83.544),
    "resnetaa101d.sw_in12k": IN12K,
    "resnetblur50.bt_in1k": replace(TIMM, top1=79.306),
    "seresnextaa101d_32x8d.sw_in12k_ft_in1k_288": replace(
        RSB, preprocess=replace(RSB.preprocess, size=288), top1=86.53
    ),
    "seresnextaa101d_32x8d.sw_in12k_ft_in1k": replace(RSB_288, top1=86.524),
    "seresnextaa101d_32x8d.sw_in12k": IN12K,
    "seresnextaa101d_32x8d.ah_in1k": replace(RSB_288, top1=84.58),
    "seresnextaa201d_32x8d.sw_in12k_ft_in1k_384": replace(RSB_384, top1=87.304),
    "seresnextaa201d_32x8d.sw_in12k": replace(IN12K, preprocess=replace(IN12K.preprocess, size=320)),
}
