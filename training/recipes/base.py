"""What a recipe is: everything that a published training run fixes, as one typed value."""

import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, get_type_hints

import kres


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All of a training run but the data, the seed and the place; ValueError when a field makes no sense."""

    name: str
    model: str
    """A row of the zoo."""
    zero_init_residual: bool
    """Start the last norm of each block at zero (Goyal et al. 2017, section 5.1)."""
    compute_dtype: str
    """A Keras dtype policy."""

    image_size_px: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    """Of each channel, of pixels in 0..1."""
    interpolation: str
    crop: float
    """Share of the resized shorter side that is kept."""
    padding_px: int
    flip: bool
    """Left-right flips, where the source says that they keep the label."""

    batch_size: int
    """Images a step, over all replicas."""
    steps: int
    learning_rate: float
    warmup_steps: int
    warmup_learning_rate: float
    """Where the linear warm-up starts."""
    decay_at_steps: tuple[int, ...]
    decay_factor: float
    momentum: float
    weight_decay: float
    """L2 on tensors of more than one dimension, joined to the gradient before momentum."""

    log_every_steps: int
    evaluate_every_steps: int
    checkpoint_every_steps: int
    keep_checkpoints: int

    def __post_init__(self) -> None:
        _require_types(self)
        kres.spec(self.model)  # raises and names the closest row
        for name in _POSITIVE:
            _require(self, name, getattr(self, name) > 0, "must be above 0")
        for name in _NOT_NEGATIVE:
            _require(self, name, getattr(self, name) >= 0, "must be 0 or more")
        _require(self, "momentum", self.momentum < 1, "must be below 1")
        _require(self, "crop", self.crop <= 1, "must be at most 1")
        _require(self, "decay_factor", self.decay_factor <= 1, "must be at most 1")
        _require(self, "warmup_steps", self.warmup_steps < self.steps, f"must be below steps={self.steps}")
        increasing = all(a < b for a, b in zip((0, *self.decay_at_steps), self.decay_at_steps, strict=False))
        _require(self, "decay_at_steps", increasing, "must be increasing and above 0")
        below = all(step < self.steps for step in self.decay_at_steps)
        _require(self, "decay_at_steps", below, f"must be below steps={self.steps}")
        _require(self, "compute_dtype", self.compute_dtype in DTYPES, f"must be one of {DTYPES}")
        _require(self, "interpolation", self.interpolation in INTERPOLATIONS, f"must be one of {INTERPOLATIONS}")
        _require(self, "mean", len(self.mean) == 3, "must hold 3 numbers, one a channel")
        _require(self, "std", len(self.std) == 3 and min(self.std) > 0, "must hold 3 numbers above 0, one a channel")

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON holds them."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "Recipe":
        """The recipe that `to_dict` stored; ValueError when that was another version's, with other fields."""
        strangers = {field.name for field in fields(cls)} ^ set(stored)
        if strangers:
            raise ValueError(f"a stored recipe must have this version's fields. They differ in: {sorted(strangers)}")
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()}
        return cls(**values)

    def with_steps(self, steps: int) -> "Recipe":
        """The same schedule squeezed or stretched to another length: warm-up and decays keep their share of the run."""
        if steps < 1:
            raise ValueError(f"steps must be above 0. Received: steps={steps!r}")
        share = steps / self.steps
        decays = sorted({min(max(round(step * share), 1), steps - 1) for step in self.decay_at_steps} - {0})
        warmup = min(round(self.warmup_steps * share), steps - 1)
        return replace(self, steps=steps, warmup_steps=warmup, decay_at_steps=tuple(decays))


DTYPES = ("float32", "mixed_bfloat16")
INTERPOLATIONS = ("bilinear", "bicubic", "nearest")
_POSITIVE = (
    "image_size_px crop batch_size steps learning_rate decay_factor "
    "log_every_steps evaluate_every_steps checkpoint_every_steps keep_checkpoints"
).split()
_NOT_NEGATIVE = "padding_px warmup_steps warmup_learning_rate momentum weight_decay".split()


def _require(recipe: Recipe, name: str, holds: bool, rule: str) -> None:
    if not holds:
        raise ValueError(f"{name} of recipe {recipe.name!r} {rule}. Received: {name}={getattr(recipe, name)!r}")


def _require_types(recipe: Recipe) -> None:
    hints = get_type_hints(Recipe)
    for field in fields(recipe):
        value, hint = getattr(recipe, field.name), hints[field.name]
        if not _matches(value, hint):
            name = getattr(hint, "__name__", str(hint)) if not hasattr(hint, "__args__") else str(hint)
            raise ValueError(f"{field.name} must be {name} and finite. Received: {field.name}={value!r}")


def _matches(value: Any, hint: Any) -> bool:
    if hasattr(hint, "__args__"):  # tuple[element, ...]
        return isinstance(value, tuple) and all(_matches(element, hint.__args__[0]) for element in value)
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return isinstance(value, hint) and (hint is bool or not isinstance(value, bool))
