"""The network that trains, or teaches."""

from dataclasses import dataclass
from typing import Annotated, Literal

from kres.training.settings.networks import network_spec
from kres.training.settings.parts.base import Part
from kres.training.settings.values import BelowOne, Bound, Count
from kres.weights import check_source

Dtype = Literal["float32", "float64", "mixed_bfloat16", "mixed_float16"]


@dataclass(frozen=True, kw_only=True)
class Network(Part):
    """A network to train, or to learn from."""

    row: str
    """A row of the zoo, or `keras.applications.NAME` for a teacher."""
    weights: str | None = None
    """Where training starts (and what a teacher knows): a published tag, `imagenet`, a file, or a folder's path with a
    slash in it; None: random."""
    depths: tuple[Count, ...] = ()
    """Blocks a stage, if other than the row's."""
    width: Annotated[float, Bound(above=0, high=4)] = 1.0
    """What the row's channels are multiplied by."""
    zero_init_residual: bool | None = None
    """Start the last norm of each block at zero (Goyal et al. 2017, section 5.1); None: as the row has it."""
    zero_init_head: bool = False
    """Start the classifier at zero, also where `weights` have one for as many classes (BiT's fine-tuning)."""
    norm: Literal["batch", "sync_batch", "frozen_batch", "group"] | None = None
    """`sync_batch` takes statistics over all replicas; None: the row's own."""
    drop_path: BelowOne = 0.0
    """Stochastic depth: the rate at the last block, growing linearly (Huang et al. 2016)."""
    dropout: BelowOne = 0.0
    """Before the classifier."""
    frozen_until: Literal["stem", "stage1", "stage2", "stage3", "stage4", "backbone"] | None = None
    """What does not train: everything from the images up to and including that; None: all trains."""
    dtype: Dtype = "float32"
    """A Keras dtype policy; in float16 the loss is scaled dynamically. In float64 runs that add in another order, as
    replicas do, agree to 1e-12: for checks, at a few times the cost."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.row.startswith("keras.applications."):
            return
        spec = network_spec(self)  # raises where the zoo has no such row, or another number of stages
        if self.weights is not None:
            try:
                check_source(self.weights, spec)
            except ValueError as error:
                raise ValueError(f"weights must be a published tag, a path or none (random). {error}") from error
