"""The degradation experiment: plain and residual nets of several depths, one recipe (He et al. 2015, section 4.2)."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

import keras

import kres
from kres.training.data import Source, load, sample_images
from kres.training.fitting import Result, fit
from kres.training.layerwise import layer_gradients, layer_responses
from kres.training.loading import load_model
from kres.training.models import training_model
from kres.training.recipes import recipe as find_recipe
from kres.training.settings import Recipe

logger = logging.getLogger(__name__)

Kind = Literal["plain", "residual"]
Outcome = Literal["worse", "better", "no different"]

ROWS: dict[Kind, str] = {"plain": "plainnet20", "residual": "cifar_resnet20"}
"""Two families that differ in their shortcuts alone, which have no parameters (option A)."""
DEPTHS = {"degradation_digits": (8, 26), "degradation_cifar10": (20, 56)}
"""The recipes made for this experiment, and the layers of their shallow and deep nets."""
CHANGES: dict[Outcome, str] = {"worse": "gets worse", "better": "gets better", "no different": "is no different"}
FINAL_SHARE = 0.1
MARGIN = 1.25
"""Ratio of training losses below which two nets end alike: another seed changes one net's by about as much."""
IMAGES = 128


@dataclass(frozen=True, kw_only=True)
class Trained:
    """One net, of `depth` layers, after its run."""

    kind: Kind
    depth: int
    seed: int
    result: Result

    @property
    def final_loss(self) -> float:
        """Mean training loss over the last tenth of the steps."""
        return self._final("loss")

    @property
    def final_error(self) -> float:
        """Share of the training images answered wrongly over the last tenth of the steps."""
        return 1 - self._final("accuracy")

    def _final(self, name: str) -> float:
        """The mean over the last tenth of the steps; a row of the log counts for the steps since the row before."""
        history = self.result.history
        begins = (0, *(row.step for row in history))
        last = (1 - FINAL_SHARE) * self.result.steps
        counted = [(row.step - begin, getattr(row, name)) for begin, row in zip(begins, history, strict=False)]
        chosen = [pair for pair, row in zip(counted, history, strict=True) if row.step > last]
        return sum(steps * value for steps, value in chosen) / sum(steps for steps, _ in chosen)

    def to_dict(self) -> dict[str, Any]:
        """The net, its curves and where they end, as JSON holds them."""
        history = self.result.history
        return {
            "kind": self.kind,
            "depth": self.depth,
            "seed": self.seed,
            "workdir": str(self.result.workdir),
            "steps": [row.step for row in history],
            "training_loss": [row.loss for row in history],
            "training_error": [1 - row.accuracy for row in history],
            "final_loss": self.final_loss,
            "final_error": self.final_error,
            "test_accuracy": self.result.accuracy,
        }


@dataclass(frozen=True, kw_only=True)
class Layers:
    """One net layer by layer, each 3x3 convolution by its name, on a batch of training images.

    Euclidean norms of the loss's gradient as training starts and as it ends, and at the end the standard deviation of
    the responses.
    """

    kind: Kind
    depth: int
    first_gradients: dict[str, float]
    last_gradients: dict[str, float]
    responses: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Final training losses of the shallowest and the deepest nets of one kind, seed by seed."""

    kind: Kind
    depths: tuple[int, int]
    shallow: tuple[float, ...]
    deep: tuple[float, ...]

    @property
    def outcome(self) -> Outcome:
        """What depth does to the loss, if it sets every run of the one depth apart from every run of the other."""
        if min(self.deep) > MARGIN * max(self.shallow):
            return "worse"
        return "better" if MARGIN * max(self.deep) < min(self.shallow) else "no different"

    def __str__(self) -> str:
        shallow, deep = self.depths
        return (
            f"{self.kind}: {deep} layers end at a training loss of {_range(self.deep)}, {shallow} layers at "
            f"{_range(self.shallow)}; the deeper net is {self.outcome}"
        )


@dataclass(frozen=True, kw_only=True)
class Degradation:
    """What the experiment found: every net, and one of each kind and depth (that of seed 0) layer by layer."""

    recipe: str
    data: str
    nets: tuple[Trained, ...]
    layers: tuple[Layers, ...]

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """The shallowest nets against the deepest, for each kind."""
        depths = min(net.depth for net in self.nets), max(net.depth for net in self.nets)
        return tuple(
            Comparison(
                kind=kind, depths=depths, shallow=self._losses(kind, depths[0]), deep=self._losses(kind, depths[1])
            )
            for kind in ROWS
        )

    @property
    def shown(self) -> bool:
        """Whether depth makes the plain nets worse, and the residual ones not."""
        outcomes = {comparison.kind: comparison.outcome for comparison in self.comparisons}
        return outcomes["plain"] == "worse" and outcomes["residual"] != "worse"

    @property
    def verdict(self) -> str:
        """Whether the experiment shows degradation, in a sentence."""
        changes = {comparison.kind: CHANGES[comparison.outcome] for comparison in self.comparisons}
        return (
            f"Degradation is {'shown' if self.shown else 'not shown'}: with depth, the training loss of plain nets "
            f"{changes['plain']} and that of residual nets {changes['residual']}."
        )

    def of(self, kind: Kind, depth: int) -> tuple[Trained, ...]:
        """The nets of one kind and depth, by seed."""
        return tuple(net for net in self.nets if (net.kind, net.depth) == (kind, depth))

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON holds it."""
        return {
            "recipe": self.recipe,
            "data": self.data,
            "shown": self.shown,
            "verdict": self.verdict,
            "comparisons": [{**asdict(one), "outcome": one.outcome} for one in self.comparisons],
            "nets": [net.to_dict() for net in self.nets],
            "layers": [asdict(one) for one in self.layers],
        }

    def _losses(self, kind: Kind, depth: int) -> tuple[float, ...]:
        return tuple(net.final_loss for net in self.of(kind, depth))


def degradation(
    data: str | Path | Source = "digits",
    *,
    workdir: str | Path,
    recipe: str | Recipe | None = None,
    depths: Sequence[int] | None = None,
    seeds: int = 3,
) -> Degradation:
    """Train plain and residual CIFAR nets (He et al. 2015, section 4.2) of each of `depths` under one recipe.

    Each net has a workdir within `workdir`, where a finished one is not trained again and an interrupted one goes on.
    Seeds are 0 to `seeds` - 1. Without a recipe, `digits` and `cifar10` have their own, which bring their depths too.

    Raises:
        ValueError: a depth is not 6n + 2, fewer than two depths, seeds below 1, no recipe for these data, or (as
            WorkdirError) the workdir holds nets of another recipe or other data.
        Interrupted, NotFinite, CheckpointError: as `fit` does.
    """
    chosen = find_recipe(recipe) if isinstance(recipe, str) else recipe or recipe_for(data)
    depths = _checked_depths(DEPTHS.get(chosen.name) if depths is None else depths)
    if isinstance(seeds, bool) or not isinstance(seeds, int) or seeds < 1:
        raise ValueError(f"seeds must be a whole number of at least 1. Received: seeds={seeds!r}")
    source = load(data)
    places = list(_places(depths, seeds))
    nets, layers = [], []
    for number, (kind, depth, seed) in enumerate(places, start=1):
        logger.info("net %d of %d: %s, %d layers, seed %d", number, len(places), kind, depth, seed)
        own = with_network(chosen, kind, depth)
        result = fit(own, data=source, workdir=Path(workdir) / f"{kind}{depth}-seed{seed}", seed=seed, resume=True)
        nets.append(Trained(kind=kind, depth=depth, seed=seed, result=result))
        if seed == 0:
            layers.append(_look_at(nets[-1], own, source))
    return Degradation(recipe=chosen.name, data=source.name, nets=tuple(nets), layers=tuple(layers))


def _places(depths: Sequence[int], seeds: int) -> Iterator[tuple[Kind, int, int]]:
    """Seed by seed, so that an interrupted experiment has whole ones."""
    for seed in range(seeds):
        for kind in ROWS:
            for depth in depths:
                yield kind, depth, seed


def with_network(recipe: Recipe, kind: Kind, depth: int) -> Recipe:
    """The recipe on the net of that kind and depth: 6n + 2 layers are n blocks a stage."""
    return replace(recipe, network=replace(recipe.network, row=ROWS[kind], depths=((depth - 2) // 6,) * 3))


def _look_at(net: Trained, recipe: Recipe, source: Source) -> Layers:
    trained = load_model(net.result.workdir)
    images, labels = sample_images(source, kres.preprocess(trained), count=min(IMAGES, len(source.train)))
    keras.utils.set_random_seed(net.seed)  # as `fit` does before it builds the net
    fresh = training_model(recipe, classes=source.classes)
    return Layers(
        kind=net.kind,
        depth=net.depth,
        first_gradients=layer_gradients(fresh, images, labels),
        last_gradients=layer_gradients(trained, images, labels),
        responses=layer_responses(trained, images),
    )


def recipe_for(data: str | Path | Source) -> Recipe:
    """The recipe made for the experiment on these data; ValueError when there is none."""
    name = data.name if isinstance(data, Source) else str(data)
    recipes = {one.about.data: one for one in map(find_recipe, DEPTHS)}
    if name not in recipes:
        raise ValueError(
            f"the experiment has recipes for {', '.join(recipes)}; other data need one to be named. "
            f"Received: data={name!r}"
        )
    return recipes[name]


def _checked_depths(depths: Sequence[int] | None) -> tuple[int, ...]:
    found = tuple(sorted(set(depths or ())))
    if len(found) < 2 or not all(isinstance(depth, int) and depth >= 8 and depth % 6 == 2 for depth in found):
        raise ValueError(
            "depths must be two or more different numbers of layers, each 6n + 2 and at least 8 (8, 14, 20, 26, 32). "
            f"Received: depths={depths!r}"
        )
    return found


def _range(losses: Sequence[float]) -> str:
    if len(losses) == 1:
        return f"{losses[0]:.3f}"
    return f"{min(losses):.3f} to {max(losses):.3f} (mean {fmean(losses):.3f}, {len(losses)} seeds)"
