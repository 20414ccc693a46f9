"""Recipe: everything that a published training run fixes, as one typed value."""

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass, replace
from typing import Any, TypeVar, get_args

import kres
from kres.training.settings.parts import (
    About,
    Augmentation,
    Averaging,
    Images,
    Loss,
    Network,
    Optimizer,
    Part,
    Quantization,
    Schedule,
    Unit,
    Watch,
)
from kres.training.settings.values import Count, hints_of

P = TypeVar("P")


@dataclass(frozen=True, kw_only=True)
class Recipe(Part):
    """All of a training run but the data, the seed and the place; ValueError when a field makes no sense."""

    name: str
    about: About
    network: Network
    images: Images
    augmentation: Augmentation
    batch_size: Count
    """Images an update, over all replicas."""
    optimizer: Optimizer
    schedule: Schedule
    loss: Loss = field(default_factory=Loss)
    averaging: Averaging = field(default_factory=Averaging)
    watch: Watch = field(default_factory=Watch)
    quantization: Quantization | None = None
    """None trains in floating point."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.network.row.startswith("keras.applications."):
            raise ValueError(f"a network to train must be a row of the zoo. Received: row={self.network.row!r}")
        if self.quantization is not None:
            _require_quantizable(self)

    @property
    def command(self) -> str:
        """What runs it on its own data."""
        return f"kres train {self.about.data} --recipe {self.name} --workdir runs/{self.name}"

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON holds them."""
        return _jsonable(asdict(self))

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "Recipe":
        """The recipe that `to_dict` stored; ValueError when that was another version's, with other fields.

        An earlier version's may lack fields that have a default.
        """
        return _from_dict(cls, completed(stored))

    def with_length(self, length: float, unit: Unit = "steps") -> "Recipe":
        """The same schedule squeezed or stretched to another length: warm-up and decays keep their share of the run.

        That length is what any data get: `least_steps` are left out.
        """
        schedule = self.schedule
        if not isinstance(length, (int, float)) or not length > 0:
            raise ValueError(f"the length of a run must be a number above 0. Received: {unit}={length!r}")
        share = length / schedule.length
        schedule = replace(
            schedule,
            unit=unit,
            length=length,
            least_steps=0,
            warmup=schedule.warmup * share,
            decay_at=tuple(at * share for at in schedule.decay_at),
        )
        watch = replace(self.watch, evaluate_every=self.watch.evaluate_every * share)
        return replace(self, schedule=schedule, watch=watch)


def completed(stored: Mapping[str, Any], cls: type = Recipe) -> dict[str, Any]:
    """What `to_dict` stored of a recipe, or of a part `cls` of one, with the defaults of the fields that it lacks.

    An earlier version, which had no such fields, did what their defaults say.
    """
    hints = hints_of(cls)
    parts = {name: part_of(hint) for name, hint in hints.items()}
    return {
        name: completed(value, part) if (part := parts.get(name)) and isinstance(value, Mapping) else value
        for name, value in {**_defaults(cls), **stored}.items()
    }


def part_of(hint: Any) -> type | None:
    """The dataclass that a field of type `hint` holds, None where it holds a plain value."""
    return next((kind for kind in (hint, *get_args(hint)) if isinstance(kind, type) and is_dataclass(kind)), None)


def _require_quantizable(recipe: Recipe) -> None:
    """ValueError where a recipe's other parts do not go with quantization."""
    network = recipe.network
    norm = network.norm or kres.spec(network.row).norm
    wrong = {
        "network.norm must be a batch norm, which folds": ("norm", norm, norm == "group"),
        "network.dtype must be float32": ("dtype", network.dtype, network.dtype != "float32"),
        "averaging.reestimate_images must be 0, as no batch norm is left": (
            "reestimate_images",
            recipe.averaging.reestimate_images,
            recipe.averaging.reestimate_images > 0,
        ),
    }
    for rule, (name, value, breaks) in wrong.items():
        if breaks:
            raise ValueError(f"with quantization {rule}. Received: {name}={value!r}")


def _from_dict(cls: type[P], stored: Any) -> P:
    names = {item.name for item in fields(cls)}  # type: ignore[arg-type]
    strangers = names ^ set(stored)
    if strangers:
        raise ValueError(f"a stored recipe must have this version's fields. They differ in: {sorted(strangers)}")
    hints = hints_of(cls)
    parts = {name: part_of(hints[name]) for name in names}
    return cls(
        **{
            name: value if part is None or value is None else _from_dict(part, value)
            for name, value in stored.items()
            for part in [parts[name]]
        }
    )


def _defaults(cls: type) -> dict[str, Any]:
    """Of the fields that have one, as JSON holds them."""
    made: dict[str, Any] = {}
    for item in fields(cls):
        if item.default is not MISSING:
            made[item.name] = item.default
        elif item.default_factory is not MISSING:
            made[item.name] = asdict(item.default_factory())
    return _jsonable(made)


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _jsonable(item) for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value
