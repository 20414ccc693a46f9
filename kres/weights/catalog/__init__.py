"""Published weights: one row a file, what its publisher says about it, and no logic.

A row is named by the network's row in the zoo, a dot, and the publisher's tag. A publisher who evaluated weights at
several sizes has several figures; the row carries the recipe and the accuracy at the size nearest to the network's own
`input_size`, which is the size that it is built and its cost is counted at.
"""

from kres.weights.catalog import bit, keras_applications, kerashub, timm, torchvision
from kres.weights.catalog.published import Published, is_non_commercial

__all__ = ["DEFAULT", "PUBLISHED", "Published", "is_non_commercial"]

DEFAULT = "imagenet"
"""The tag that stands for a network's first row, which is free for any use wherever one of its rows is."""

PUBLISHED: dict[str, Published] = {
    **timm.ROWS,
    **torchvision.ROWS,
    **keras_applications.ROWS,
    **kerashub.ROWS,
    **bit.ROWS,
}
