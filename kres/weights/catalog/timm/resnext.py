"""timm's ResNeXts."""

from dataclasses import replace

from kres.weights.catalog.published import Published
from kres.weights.catalog.timm.trainings import FACEBOOK, RSB, TIMM, TORCHVISION, TORCHVISION2

ROWS: dict[str, Published] = {
    "resnext50_32x4d.a1h_in1k": replace(RSB, top1=81.14),
    "resnext50_32x4d.a1_in1k": replace(RSB, top1=80.526),
    "resnext50_32x4d.a2_in1k": replace(RSB, top1=80.444),
    "resnext50_32x4d.a3_in1k": replace(RSB, top1=79.258),
    "resnext50_32x4d.ra_in1k": replace(TIMM, top1=79.8),
    "resnext50_32x4d.tv_in1k": replace(TORCHVISION, top1=77.632),
    "resnext50_32x4d.tv2_in1k": replace(TORCHVISION2, top1=81.19),
    "resnext50_32x4d.gluon_in1k": replace(TIMM, top1=79.354),
    "resnext50_32x4d.fb_ssl_yfcc100m_ft_in1k": replace(FACEBOOK, top1=80.316),
    "resnext50_32x4d.fb_swsl_ig1b_ft_in1k": replace(FACEBOOK, top1=82.162),
    "resnext50d_32x4d.bt_in1k": replace(TIMM, top1=79.672),
    "resnext101_32x4d.gluon_in1k": replace(TIMM, top1=80.336),
    "resnext101_32x4d.fb_ssl_yfcc100m_ft_in1k": replace(FACEBOOK, top1=80.936),
    "resnext101_32x4d.fb_swsl_ig1b_ft_in1k": replace(FACEBOOK, top1=83.268),
    "resnext101_32x8d.tv2_in1k": replace(TORCHVISION2, top1=82.832),
    "resnext101_32x8d.tv_in1k": replace(TORCHVISION, top1=79.308),
    "resnext101_32x8d.fb_wsl_ig1b_ft_in1k": replace(FACEBOOK, top1=82.72),
    "resnext101_32x8d.fb_ssl_yfcc100m_ft_in1k": replace(FACEBOOK, top1=81.62),
    "resnext101_32x8d.fb_swsl_ig1b_ft_in1k": replace(FACEBOOK, top1=84.276),
    "resnext101_32x16d.fb_wsl_ig1b_ft_in1k": replace(FACEBOOK, top1=84.166),
    "resnext101_32x16d.fb_ssl_yfcc100m_ft_in1k": replace(FACEBOOK, top1=81.856),
    "resnext101_32x16d.fb_swsl_ig1b_ft_in1k": replace(FACEBOOK, top1=83.34),
    "resnext101_32x32d.fb_wsl_ig1b_ft_in1k": replace(FACEBOOK, top1=85.09),
    "resnext101_64x4d.c1_in1k": replace(RSB, top1=82.446),
    "resnext101_64x4d.tv_in1k": replace(TORCHVISION, top1=82.978),
    "resnext101_64x4d.gluon_in1k": replace(TIMM, top1=80.64),
}
