"""A model's card: the README.md by which the hub and its readers know it, made of what is known and nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kres import costs
from kres.model import ResNet
from kres.weights.catalog import PUBLISHED, Published, is_non_commercial
from kres.weights.layout import CONFIG, MODEL, WEIGHTS, architecture

_SHOWN_LABELS = 20
_UNKNOWN = "unknown"
"""The hub's word for a licence that nobody has named."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """How good a model was found to be.

    Raises:
        ValueError: an accuracy that is no share, or of no images.
    """

    data: str
    """Name of the data set."""
    accuracy: float
    """Share of the images whose best class is theirs, 0..1."""
    n_images: int
    split: str | None = None
    """Name of the part of the data set that the images are."""
    recipe: str | None = None
    """The recipe of `kres.training` that the model was trained by."""

    def __post_init__(self) -> None:
        if not 0 <= self.accuracy <= 1 or self.n_images < 1:
            raise ValueError(
                "`accuracy` is a share, 0..1, of one image at least. "
                f"Received: accuracy={self.accuracy!r}, n_images={self.n_images!r}"
            )


def published_of(model: ResNet) -> Published | None:
    """The catalogue's row of the weights that a model was loaded with; None for others."""
    return PUBLISHED.get((model.weights_tag or "").rpartition("/")[2])


def licence_of(model: ResNet, licence: str | None) -> str:
    """The licence to state: the caller's, else that of the published weights, else that none is known.

    Raises:
        ValueError: the published weights' forbids commercial use, and the caller names another.
    """
    published = published_of(model)
    theirs = None if published is None else published.licence
    if published is not None and published.non_commercial and licence not in (None, theirs):
        raise ValueError(
            f"{model.weights_tag} is published under {theirs}, which forbids commercial use: what is made of it keeps "
            f"that licence. Received: licence={licence!r}"
        )
    return licence or theirs or _UNKNOWN


def card(
    model: ResNet,
    *,
    licence: str,
    labels: tuple[str, ...] | None,
    measured: Measured | None,
    title: str,
    use: str,
    notes: str = "",
) -> str:
    """The card as text: front matter in YAML, then Markdown: facts, `use` under a heading of its own, and `notes`."""
    facts = {"Network": _network(model), **_facts(model, licence=licence, labels=labels, measured=measured)}
    parts = [
        f"---\n{_front_matter(model, licence=licence, measured=measured, title=title)}\n---",
        f"# {title}",
        fact_table(facts),
        "## Use",
        use.strip(),
        notes.strip(),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def fact_table(facts: Mapping[str, str], *, head: tuple[str, str] = ("", "")) -> str:
    """Names and what is to be said of them as a Markdown table, the words as they are."""
    return markdown_table([head, *facts.items()])


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first row is its head."""
    lines = ["| " + " | ".join(map(_cell, row)) + " |" for row in rows]
    return "\n".join([lines[0], "| " + " | ".join("---" for _ in rows[0]) + " |", *lines[1:]])


def use_of_folder(model: ResNet) -> str:
    """How the folder that `push` writes is used."""
    return f"""With [Keras 3](https://keras.io) and kres:

```python
import keras
import kres

model = keras.saving.load_model("{MODEL}")
{use_of_model(model)}
```

`{WEIGHTS}` has the same weights under timm's names: `timm.create_model("local-dir:<this folder>", pretrained=True)`
loads it where timm has an architecture of the name in `{CONFIG}`.
"""


def use_of_model(model: ResNet) -> str:
    """The line of Python from images to scores."""
    size, channels = model.preprocess.size, model.input_shape[-1]
    return f"scores = model(kres.preprocess(model)(images))  # images: (n, {size}, {size}, {channels}), of 0..255"


def _front_matter(model: ResNet, *, licence: str, measured: Measured | None, title: str) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    task = "image-classification" if model.options["include_top"] else "image-feature-extraction"
    results = (
        None
        if measured is None
        else [
            EvalResult(
                task_type=task,
                dataset_type=measured.data,
                dataset_name=measured.data,
                dataset_split=measured.split,
                metric_type="accuracy",
                metric_value=round(measured.accuracy, 6),
            )
        ]
    )
    data = ModelCardData(
        license=licence,
        library_name="keras",
        pipeline_tag=task,
        tags=[task, "resnet", "kres"],
        model_name=title,
        eval_results=results,
    )
    return data.to_yaml()


def _network(model: ResNet) -> str:
    spec = model.spec
    return f"{architecture(model)}: {' + '.join(map(str, spec.depths))} {spec.block} blocks, {spec.order}"


def _facts(model: ResNet, *, licence: str, labels: tuple[str, ...] | None, measured: Measured | None) -> dict[str, str]:
    """What is known, by name; what is not known has no line."""
    preprocess, published = model.preprocess, published_of(model)
    facts: dict[str, Any] = {
        "Parameters": f"{sum(map(costs.elements, costs.parameters(model))):,}",
        "Input": f"{preprocess.size} x {preprocess.size} pixels, {model.input_shape[-1]} channels",
        "Preprocessing": (
            f"shorter side to {preprocess.shorter_side} ({preprocess.interpolation}), central "
            f"{preprocess.size} x {preprocess.size}, scaled to 0..1, mean {_numbers(preprocess.mean)}, standard "
            f"deviation {_numbers(preprocess.std)}, {preprocess.order.upper()}"
        ),
        "Licence": licence + _remark(licence),
    }
    if model.options["include_top"]:
        shown = ", ".join((labels or ())[:_SHOWN_LABELS]) + (", ..." if len(labels or ()) > _SHOWN_LABELS else "")
        facts["Classes"] = f"{model.options['classes']}" + (f": {shown}" if shown else "")
    if published is not None:
        facts["Weights' origin"] = f"{model.weights_tag}"
        if published.top1 is not None:
            facts["Published accuracy of the origin"] = f"{published.top1} % on ImageNet's validation set"
    if measured is not None:
        facts["Accuracy"] = f"{measured.accuracy:.2%} of {measured.n_images} held-out images of {measured.data}"
        if measured.split is not None:
            facts["Accuracy"] += f", split {measured.split}"
        if measured.recipe is not None:
            facts["Trained by"] = f"the recipe {measured.recipe} of kres"
    return facts


def _remark(licence: str) -> str:
    if licence == _UNKNOWN:
        return ": whoever owns the weights names it, here and in the first lines of this file"
    return ": no commercial use" if is_non_commercial(licence) else ""


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.4g}" for value in values)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
