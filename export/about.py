"""What an artifact says of itself: whose it is, what it is called, the names of its classes."""

from dataclasses import dataclass, replace

import keras

import kres
from kres.weights.card import licence_of, published_of

LABELS = "labels.txt"


@dataclass(frozen=True, kw_only=True)
class About:
    """What an artifact says of itself, in its metadata and in the JSON beside it; what is empty is not known.

    `class_names` are in the network's order. `name`, `licence` and `weights` (the tag of published weights) are the
    model's own where they are not given.

    Raises:
        ValueError: a class without a name, or a name of several lines.
    """

    class_names: tuple[str, ...] | None = None
    name: str = ""
    description: str = ""
    version: str = ""
    author: str = ""
    licence: str = ""
    weights: str = ""

    def __post_init__(self) -> None:
        for index, name in enumerate(self.class_names or ()):
            if not name.strip() or len(name.splitlines()) != 1:
                raise ValueError(f"every class has a name of one line. Received: {name!r} for class {index}")

    @property
    def labels(self) -> str:
        """The text of `labels.txt`: a name a line."""
        return "".join(f"{name}\n" for name in self.class_names or ())

    def of(self, model: keras.Model) -> "About":
        """The same, completed by what `model` knows.

        Raises:
            ValueError: another number of names than the model has classes, or a licence that its weights forbid.
        """
        classes = model.outputs[0].shape[-1]
        if self.class_names is not None and len(self.class_names) != classes:
            counts = f"{len(self.class_names)} names for {classes} classes"
            raise ValueError(f"labels must name every class once. Received: {counts}")
        known = {"name": model.name}
        if isinstance(model, kres.ResNet):
            known["weights"] = model.weights_tag or ""
            if self.licence or published_of(model) is not None:
                known["licence"] = licence_of(model, self.licence or None)
        return replace(self, **{field: value for field, value in known.items() if not getattr(self, field)})
