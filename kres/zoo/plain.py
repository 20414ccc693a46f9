"""Plain nets, the residual nets' controls for the degradation problem (He et al. 2015, figures 1, 4 and 6).

Parameters: a plain net is its residual twin without shortcuts, and option A's have no parameter; from ResNet-18
and 34 three projections of stage widths 64 to 512, each with its norm, are gone.
"""

from dataclasses import replace

from kres.zoo.cifar import OPTION_A
from kres.zoo.resnet import BASIC

CIFAR = replace(OPTION_A, shortcut="none")
IMAGENET = replace(BASIC, shortcut="none")
PROJECTIONS = 64 * 128 + 128 * 256 + 256 * 512 + 2 * (128 + 256 + 512)

ROWS = {
    "plainnet20": replace(CIFAR, depths=(3, 3, 3), params=269_722),
    "plainnet32": replace(CIFAR, depths=(5, 5, 5), params=464_154),
    "plainnet44": replace(CIFAR, depths=(7, 7, 7), params=658_586),
    "plainnet56": replace(CIFAR, depths=(9, 9, 9), params=853_018),
    "plainnet110": replace(CIFAR, depths=(18, 18, 18), params=1_727_962),
    "plainnet18": replace(IMAGENET, depths=(2, 2, 2, 2), params=11_689_512 - PROJECTIONS),
    "plainnet34": replace(IMAGENET, depths=(3, 4, 6, 3), params=21_797_672 - PROJECTIONS),
}
