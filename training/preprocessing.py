"""How images reach the network of a recipe."""

from kres.preprocessing import Preprocess
from kres.training.settings import Images


def preprocess_of(images: Images, *, size_px: int | None = None) -> Preprocess:
    """How images of `size_px` reach a network; None: of the size of evaluation."""
    return Preprocess(
        size=size_px or images.test_size_px,
        crop=images.crop,
        mean=images.mean,
        std=images.std,
        interpolation=images.interpolation,
        order=images.order,
    )
