"""A recipe resolved against its data: how many steps, at which sizes, with what in between."""

from dataclasses import dataclass

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
    steps: int
    warmup_steps: int
    steps_per_unit: float
    steps_per_epoch: float
    evaluate_every_steps: int
    phases: tuple[Phase, ...]


def plan(recipe: Recipe, train_images: int) -> Plan:
    steps_per_epoch = train_images / recipe.batch_size
    per_unit = steps_per_epoch if recipe.schedule.unit == "epochs" else 1.0
    steps = max(round(recipe.schedule.length * per_unit), 1)
    sizes = (*recipe.images.progressive_px, recipe.images.train_size_px)
    bounds = [round(i * steps / len(sizes)) for i in range(len(sizes) + 1)]
    return Plan(
        recipe=recipe,
        steps=steps,
        warmup_steps=round(recipe.schedule.warmup * per_unit),
        steps_per_unit=per_unit,
        steps_per_epoch=steps_per_epoch,
        evaluate_every_steps=max(round(recipe.watch.evaluate_every * per_unit), 1),
        phases=tuple(Phase(steps=range(a, b), size_px=s) for a, b, s in zip(bounds, bounds[1:], sizes)),
    )
