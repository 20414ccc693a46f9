"""What the files of one training have in common: licence, classes, resize and crop."""

from dataclasses import replace

from kres.preprocessing import PRESETS, Preprocess
from kres.weights.catalog.published import Published

BILINEAR = Preprocess(size=224, **PRESETS["torch"])
BICUBIC = replace(BILINEAR, interpolation="bicubic")

TIMM = Published(origin="timm", licence="apache-2.0", preprocess=BICUBIC)  # timm's earlier ones, Gluon's, MIIL's
RSB = replace(TIMM, preprocess=replace(BICUBIC, crop=0.95))  # Wightman et al. 2021, arXiv 2110.00476, and after
IN12K = replace(RSB, classes=11_821)  # timm's subset of ImageNet-22k
RA4 = replace(TIMM, preprocess=Preprocess(size=224, interpolation="bicubic", **{**PRESETS["tf"], "crop": 0.9}))
TORCHVISION = replace(TIMM, licence="bsd-3-clause", preprocess=BILINEAR)
TORCHVISION2 = replace(TORCHVISION, preprocess=replace(BILINEAR, crop=0.965))
# Yalniz et al. 2019 (arXiv 1905.00546) and Mahajan et al. 2018 (arXiv 1805.00932), on images of Flickr and Instagram.
FACEBOOK = replace(TIMM, licence="cc-by-nc-4.0", preprocess=BILINEAR)
