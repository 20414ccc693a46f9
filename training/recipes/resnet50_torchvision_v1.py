"""torchvision's first weights: the classic 90 epochs. Set `network.row` for the other depths."""

from kres.training.recipes._bases import TORCHVISION_V1

RECIPE = TORCHVISION_V1
