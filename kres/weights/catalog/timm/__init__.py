"""timm's files on the Hugging Face hub, repository `timm/<network>.<tag>`: one table a family of the zoo.

Tags, preprocessing, classes and licences from timm 1.0.31's `default_cfgs` (resnet.py, resnetv2.py and senet.py), top-1
from its `results-imagenet.csv`. A network's first row is timm's own default, but torchvision's newer weights before its
older ones, and free weights before non-commercial ones. Hashes are the hub's: it publishes them with the files.
"""

from kres.weights.catalog.published import Published
from kres.weights.catalog.timm import (
    antialiased,
    bit,
    ecaresnet,
    legacy_senet,
    resnet,
    resnetrs,
    resnetv2,
    resnext,
    senet,
)

ROWS: dict[str, Published] = {
    **resnet.ROWS,
    **resnext.ROWS,
    **senet.ROWS,
    **legacy_senet.ROWS,
    **ecaresnet.ROWS,
    **resnetrs.ROWS,
    **antialiased.ROWS,
    **resnetv2.ROWS,
    **bit.ROWS,
}
