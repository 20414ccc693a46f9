"""A recipe resolved against its data: how many steps, at which sizes, with what in between."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from kres.training.feasibility import require_feasible
from kres.training.memory import MemoryEstimate, memory_estimate
from kres.training.nesting import flatten
from kres.training.optimisation.schedules import make_schedule
from kres.training.settings import Recipe
from kres.training.settings.overrides import differences

Rate = Callable[[int], float]


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
    """Steps in one of the schedule's units: 1, those of an epoch, or as many more as `least_steps` asks for."""
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

    @property
    def times_in_a_batch(self) -> float:
        """How often a batch takes each training image, augmented copies counted once; above 1 where they are few."""
        return self.recipe.batch_size / self.recipe.augmentation.repeats / self.train_images

    def rate(self, step: int) -> float:
        """Learning rate of the update after `step` finished ones."""
        recipe = self.recipe
        schedule = make_schedule(
            recipe.schedule, steps=self.steps, steps_per_unit=self.steps_per_unit, batch_size=recipe.batch_size
        )
        return float(schedule(step))

    def to_dict(self, *, classes: int) -> dict[str, Any]:
        """The plan, its learning rate at no more than 101 steps and its memory (bytes) as JSON holds them."""
        stored: dict[str, Any] = {name: value for name, value in vars(self).items() if name not in ("recipe", "phases")}
        stored |= {"decay_at_steps": list(self.decay_at_steps), "epochs": self.epochs, "images_seen": self.images_seen}
        stored["phases"] = [
            {"first": phase.steps.start, "end": phase.steps.stop, "size_px": phase.size_px} for phase in self.phases
        ]
        stored["learning_rates"] = [{"step": step, "rate": self.rate(step)} for step in sampled(self.steps, 101)]
        return {
            "recipe": self.recipe.to_dict(),
            **stored,
            "memory_bytes": asdict(memory_estimate(self.recipe, classes=classes)),
        }


def plan(recipe: Recipe, train_images: int) -> Plan:
    """What a run of `recipe` on `train_images` images does.

    Raises:
        ValueError: more sizes than steps, or the recipe cannot run on one device (`require_feasible`).
    """
    require_feasible(recipe)
    schedule = recipe.schedule
    steps_per_epoch = train_images / recipe.batch_size
    per_unit = max(steps_per_epoch, schedule.least_steps / schedule.length) if schedule.unit == "epochs" else 1.0
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
    sizes = recipe.images.training_sizes_px
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


def describe(plan: Plan, *, classes: int, before: Recipe | None = None) -> Group:
    """The plan for people: the whole recipe, what it comes to on these data, its learning rates and its memory.

    Fields that differ from `before`, the recipe as it is published, are marked.
    """
    changed = () if before is None else differences(before, plan.recipe)
    return Group(
        _recipe_table(plan.recipe, changed),
        Text(),
        _figures(plan),
        Text(f"\nlearning rate: {plan.peak_learning_rate:g} at its highest, over {plan.steps:,} steps"),
        Text(curve(plan.rate, plan.steps)),
        Text(f"\n{_memory_line(memory_estimate(plan.recipe, classes=classes))}"),
    )


def curve(rate: Rate, steps: int, *, width: int = 64, height: int = 8) -> str:
    """A plot in characters of `rate` over a run: `height` lines of at most `width` columns."""
    rates = [rate(step) for step in sampled(steps, width)]
    top = max(rates) or 1.0
    levels = [round(value / top * (height * 8)) for value in rates]
    rows = [
        "".join(
            " \u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"[min(max(level - 8 * row, 0), 8)] for level in levels
        )
        for row in reversed(range(height))
    ]
    return "\n".join(f"  {row}" for row in rows)


def _recipe_table(recipe: Recipe, changed: tuple[str, ...]) -> Table:
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for key, value in flatten(asdict(recipe)).items():
        mark = "changed" if key in changed else ""
        table.add_row(Text(key), Text(_shown(value), style="bold" if mark else ""), Text(mark, style="bold"))
    return table


def _shown(value: Any) -> str:
    """As `--set` takes it."""
    if isinstance(value, tuple):
        return ", ".join(map(_shown, value)) or "[]"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _figures(plan: Plan) -> Table:
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    sizes = ", ".join(f"{phase.size_px} px to step {phase.steps.stop:,}" for phase in plan.phases)
    rows = {
        "training images": f"{plan.train_images:,}",
        "steps": f"{plan.steps:,} of {plan.recipe.batch_size:,} images",
        "images seen": f"{plan.images_seen:,} ({plan.epochs:.4g} epochs of {plan.steps_per_epoch:,.1f} steps)",
        "warm-up": f"{plan.warmup_steps:,} steps",
        "decays": ", ".join(f"step {step:,}" for step in plan.decay_at_steps) or "-",
        "sizes": sizes,
        "evaluations": f"every {plan.evaluate_every_steps:,} steps, and at the end",
    }
    for name, shown in rows.items():
        table.add_row(name, shown)
    return table


def _memory_line(memory: MemoryEstimate) -> str:
    parts = ", ".join(f"{name} {_size(count)}" for name, count in asdict(memory).items())
    return f"memory of a step, estimated: {_size(memory.total)} ({parts})"


def _size(count: int) -> str:
    return f"{count / 2**30:.2f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"
