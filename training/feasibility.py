"""What a recipe needs of its batch and its image sizes, asked before anything of a run begins."""

import math

import kres
from kres.training.augmentation import check_mixing
from kres.training.augmentation.mixing import mixes
from kres.training.data.crops import check_crop
from kres.training.settings import Recipe


def require_feasible(recipe: Recipe, *, replicas: int = 1) -> None:
    """ValueError where a run of `recipe` on so many replicas would fail, be it hours later at another image size."""
    _require_whole_parts(recipe, replicas)
    check_mixing(recipe.augmentation, batch_size=recipe.batch_size, parts=replicas * recipe.optimizer.accumulate)
    for size in recipe.images.training_sizes_px:
        check_crop(recipe.augmentation, size=size)
    _require_a_whole_batch_at_once(recipe, replicas)


def _require_whole_parts(recipe: Recipe, replicas: int) -> None:
    accumulate = recipe.optimizer.accumulate
    factors = {
        f"{replicas} replicas": replicas,
        f"accumulate={accumulate}": accumulate,
        "2 images of a mixed pair": 2 if mixes(recipe.augmentation) else 1,
    }
    multiple = math.prod(factors.values())
    if recipe.batch_size % multiple:
        below = recipe.batch_size - recipe.batch_size % multiple
        choices = " or ".join(str(size) for size in (below, below + multiple) if size)
        raise ValueError(
            f"batch_size must be a multiple of {multiple} ({' x '.join(word for word in factors if factors[word] > 1)})"
            f": use {choices}. Received: batch_size={recipe.batch_size}"
        )


def _require_a_whole_batch_at_once(recipe: Recipe, replicas: int) -> None:
    accumulate, norm = recipe.optimizer.accumulate, recipe.network.norm or kres.spec(recipe.network.row).norm
    if accumulate == 1 or replicas == 1:
        return
    if norm == "sync_batch":
        raise ValueError(
            "norms that are synchronized over replicas take a batch as a whole: use accumulate=1, norm='batch' or one "
            f"replica. Received: norm={norm!r}, accumulate={accumulate}, {replicas} replicas"
        )
    if recipe.quantization is not None and recipe.quantization.ranges == "moving_average":
        raise ValueError(
            "ranges that follow the extremes over all replicas take a batch as a whole: use accumulate=1, "
            "quantization.ranges='learned' or one replica. "
            f"Received: ranges='moving_average', accumulate={accumulate}, {replicas} replicas"
        )
