"""A recipe resolved against its data: how many steps, at which sizes, with what in between."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from kres.training.settings import Recipe


@dataclass(frozen=True, kw_only=True)
class Phase:
    """Steps of a run at one size of training images."""

    steps: range
    size_px: int


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run of `recipe` on so many training images does."""

    recipe: Recipe
    train_images: int
    steps: int
    warmup_steps: int
    decay_at_steps: tuple[int, ...]
    steps_per_unit: float
    """Steps in one of the schedule's units."""
    steps_per_epoch: float
    """Not whole where a batch runs across the end of an epoch."""
    evaluate_every_steps: int
    peak_learning_rate: float
    """After linear scaling."""
    phases: tuple[Phase, ...]

    @property
    def epochs(self) -> float:
        """How often an image is seen, augmented copies in one batch counted."""
        return self.steps / self.steps_per_epoch

    @property
    def images_seen(self) -> int:
        """Images of all batches, augmented copies counted."""
        return self.steps * self.recipe.batch_size

    def to_dict(self, *, classes: int, rate: Callable[[int], float] | None = None) -> dict[str, Any]:
        """The plan and its memory (bytes) as JSON holds them; with `rate`, the learning rate at 101 steps of the run."""
        from kres.training.memory import memory_estimate

        stored: dict[str, Any] = {name: value for name, value in vars(self).items() if name not in ("recipe", "phases")}
        stored |= {"decay_at_steps": list(self.decay_at_steps), "epochs": self.epochs, "images_seen": self.images_seen}
        stored["phases"] = [
            {"first": phase.steps.start, "end": phase.steps.stop, "size_px": phase.size_px} for phase in self.phases
        ]
        if rate is not None:
            stored["learning_rates"] = [{"step": step, "rate": rate(step)} for step in sampled(self.steps, 101)]
        return {
            "recipe": self.recipe.to_dict(),
            **stored,
            "memory_bytes": asdict(memory_estimate(self.recipe, classes=classes)),
        }


def plan(recipe: Recipe, train_images: int) -> Plan:
    """What a run of `recipe` on `train_images` images does.

    Raises:
        ValueError: fewer images than a batch takes, a warm-up as long as the run, more sizes than steps, or parts of a
            batch that are not whole.
    """
    schedule, augmentation = recipe.schedule, recipe.augmentation
    different = recipe.batch_size // augmentation.repeats
    if train_images < different:
        raise ValueError(
            f"a batch of {recipe.name} takes {different} different images, and the data have {train_images} to train "
            f"on: set batch_size={max(1, train_images) * augmentation.repeats} or less. "
            f"Received: batch_size={recipe.batch_size}"
        )
    if recipe.batch_size % recipe.optimizer.accumulate:
        raise ValueError(
            f"batch_size must divide by accumulate={recipe.optimizer.accumulate}. "
            f"Received: batch_size={recipe.batch_size}"
        )
    steps_per_epoch = train_images / recipe.batch_size
    per_unit = steps_per_epoch if schedule.unit == "epochs" else 1.0
    steps = max(round(schedule.length * per_unit), 1)
    return Plan(
        recipe=recipe,
        train_images=train_images,
        steps=steps,
        # Rounded, the warm-up of a run of a few steps may be all of it.
        warmup_steps=min(round(schedule.warmup * per_unit), steps - 1),
        decay_at_steps=tuple(round(at * per_unit) for at in schedule.decay_at),
        steps_per_unit=per_unit,
        steps_per_epoch=steps_per_epoch,
        evaluate_every_steps=max(round(recipe.watch.evaluate_every * per_unit), 1),
        peak_learning_rate=schedule.learning_rate * (recipe.batch_size / (schedule.per_images or recipe.batch_size)),
        phases=_phases(recipe, steps),
    )


def _phases(recipe: Recipe, steps: int) -> tuple[Phase, ...]:
    """Equal parts of the run, one a size."""
    sizes = (*recipe.images.progressive_px, recipe.images.train_size_px)
    if len(sizes) > steps:
        raise ValueError(
            f"a run of {steps} step(s) has no room for {len(sizes)} sizes. "
            f"Received: progressive_px={recipe.images.progressive_px!r}"
        )
    bounds = [round(part * steps / len(sizes)) for part in range(len(sizes) + 1)]
    return tuple(
        Phase(steps=range(first, end), size_px=size)
        for first, end, size in zip(bounds[:-1], bounds[1:], sizes, strict=True)
    )


def sampled(steps: int, count: int) -> list[int]:
    """At most `count` steps of a run, evenly spread, the first and the last among them."""
    count = min(count, steps)
    return sorted({math.floor(turn * (steps - 1) / max(count - 1, 1)) for turn in range(count)})
