"""torchvision's files at download.pytorch.org/models, under the names of its weight enums.

Files (their names end in the beginning of their SHA-256), resize, crop and top-1 from the weights' entries in
torchvision/models/resnet.py of torchvision 0.29.
"""

from dataclasses import replace

from kres.weights.catalog.published import Published
from kres.weights.catalog.timm import trainings

V1 = replace(trainings.TORCHVISION, origin="torchvision")
V2 = replace(trainings.TORCHVISION2, origin="torchvision")

ROWS: dict[str, Published] = {
    "resnet18.imagenet1k_v1": replace(V1, file="resnet18-f37072fd.pth", sha256="f37072fd", top1=69.758),
    "resnet34.imagenet1k_v1": replace(V1, file="resnet34-b627a593.pth", sha256="b627a593", top1=73.314),
    "resnet50.imagenet1k_v1": replace(V1, file="resnet50-0676ba61.pth", sha256="0676ba61", top1=76.13),
    "resnet50.imagenet1k_v2": replace(V2, file="resnet50-11ad3fa6.pth", sha256="11ad3fa6", top1=80.858),
    "resnet101.imagenet1k_v1": replace(V1, file="resnet101-63fe2227.pth", sha256="63fe2227", top1=77.374),
    "resnet101.imagenet1k_v2": replace(V2, file="resnet101-cd907fc2.pth", sha256="cd907fc2", top1=81.886),
    "resnet152.imagenet1k_v1": replace(V1, file="resnet152-394f9c45.pth", sha256="394f9c45", top1=78.312),
    "resnet152.imagenet1k_v2": replace(V2, file="resnet152-f82ba261.pth", sha256="f82ba261", top1=82.284),
    "wide_resnet50_2.imagenet1k_v1": replace(V1, file="wide_resnet50_2-95faca4d.pth", sha256="95faca4d", top1=78.468),
    "wide_resnet50_2.imagenet1k_v2": replace(V2, file="wide_resnet50_2-9ba9bcbe.pth", sha256="9ba9bcbe", top1=81.602),
    "wide_resnet101_2.imagenet1k_v1": replace(V1, file="wide_resnet101_2-32ee1156.pth", sha256="32ee1156", top1=78.848),
    "wide_resnet101_2.imagenet1k_v2": replace(V2, file="wide_resnet101_2-d733dc28.pth", sha256="d733dc28", top1=82.51),
    "resnext50_32x4d.imagenet1k_v1": replace(V1, file="resnext50_32x4d-7cdf4587.pth", sha256="7cdf4587", top1=77.618),
    "resnext50_32x4d.imagenet1k_v2": replace(V2, file="resnext50_32x4d-1a0047aa.pth", sha256="1a0047aa", top1=81.198),
    "resnext101_32x8d.imagenet1k_v1": replace(V1, file="resnext101_32x8d-8ba56ff5.pth", sha256="8ba56ff5", top1=79.312),
    "resnext101_32x8d.imagenet1k_v2": replace(V2, file="resnext101_32x8d-110c445d.pth", sha256="110c445d", top1=82.834),
    "resnext101_64x4d.imagenet1k_v1": replace(V2, file="resnext101_64x4d-173b62eb.pth", sha256="173b62eb", top1=83.246),
}
