"""A model's folder as the Hugging Face hub has it: its files, and `config.json` as timm writes and reads it."""

import functools
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kres.lookup import spec
from kres.model import ResNet
from kres.preprocessing import Preprocess
from kres.weights import hub
from kres.weights.files import saved_tag
from kres.weights.names import TIMM
from kres.zoo import ROWS

CONFIG, WEIGHTS, MODEL, CARD = "config.json", "model.safetensors", "model.keras", "README.md"
FILES = (CONFIG, WEIGHTS, MODEL, CARD)
"""What a folder of ours holds, and no more."""
SCHEME = "hf://"
"""Before `owner/name`: a repository of the Hugging Face hub."""


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Weights, and what is said of them beside their numbers; None where a mere file does not tell."""

    fetch: Callable[[], Path]
    """The local file, downloaded if need be."""
    preprocess: Preprocess | None = None
    """Of the size that images had there."""
    classes: int | None = None
    """0 without a classifier."""
    tag: str | None = None
    """The published weights that they are, or were made of."""


def is_repository(name: str) -> bool:
    """Whether that is `owner/name` as the Hugging Face hub has them."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return "/" in name


def repository_in(source: str | os.PathLike[str]) -> str | None:
    """`owner/name` of `hf://owner/name`, None for a path; ValueError for what is no repository's name."""
    if not isinstance(source, str) or not source.startswith(SCHEME):
        return None
    repository = source.removeprefix(SCHEME)
    if not is_repository(repository):
        raise ValueError(f"A repository of the hub is {SCHEME}owner/name. Received: source={source!r}")
    return repository


def locate(source: str | os.PathLike[str]) -> Weights:
    """The weights of a file, a folder in the hub's layout or `hf://owner/name`, and what it says of them.

    Raises:
        ValueError: no repository's name, or a config.json that does not tell the preprocessing.
        FileNotFoundError: the folder lacks one of the files.
        DownloadError: the repository's files could not be had.
    """
    repository = repository_in(source)
    if repository is not None:
        weights = Weights(fetch=functools.partial(hub.fetch_file, repository, WEIGHTS))
        return _described(weights, hub.fetch_file(repository, CONFIG))
    path = Path(source).expanduser()
    if not path.is_dir():
        return Weights(fetch=lambda: path, tag=saved_tag(path))
    if missing := [name for name in (CONFIG, WEIGHTS) if not (path / name).is_file()]:
        raise FileNotFoundError(
            f"A folder of weights holds {CONFIG} and {WEIGHTS}, as `kres.push` and timm write them; this one lacks "
            f"{' and '.join(missing)}. Received: source={str(source)!r}"
        )
    return _described(Weights(fetch=lambda: path / WEIGHTS), path / CONFIG)


def _described(weights: Weights, path: Path) -> Weights:
    """Weights with what a config.json says of them; ValueError where it tells no preprocessing."""
    try:
        config: Any = json.loads(path.read_text(encoding="utf-8"))
        fields = config.get("pretrained_cfg", config)  # the earliest ones are flat
        classes = config.get("num_classes", fields.get("num_classes"))
        if classes is not None and (not isinstance(classes, int) or classes < 0):
            raise ValueError(f"num_classes is {classes!r}")
        preprocess = Preprocess(
            size=fields["input_size"][-1],
            crop=fields["crop_pct"],
            mean=tuple(fields["mean"]),
            std=tuple(fields["std"]),
            interpolation=fields["interpolation"],
            order=fields.get("channel_order", "rgb"),
        )
        tag = config.get("weights_tag")
        if tag is not None and not isinstance(tag, str):
            raise ValueError(f"weights_tag is {tag!r}")
        return replace(weights, preprocess=preprocess, classes=classes, tag=tag)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(
            f"A {CONFIG} tells input_size, crop_pct, mean, std and interpolation, as timm writes them "
            f"({type(error).__name__}: {error}). Received: source={str(path)!r}"
        ) from error


def configuration(model: ResNet, *, labels: tuple[str, ...] | None) -> dict[str, Any]:
    """What config.json says of a network; timm builds it from that where it has an architecture of its name."""
    preprocess, channels = model.preprocess, model.input_shape[-1]
    classes = classes_of(model)
    fields: dict[str, Any] = {
        "custom_load": False,
        "input_size": [channels, preprocess.size, preprocess.size],
        "fixed_input_size": False,
        "interpolation": preprocess.interpolation,
        "crop_pct": preprocess.crop,
        "crop_mode": "center",
        "mean": list(preprocess.mean),
        "std": list(preprocess.std),
        "num_classes": classes,
        "pool_size": None,
        "first_conv": _layer_name(model, "stem_conv1"),
        "classifier": _layer_name(model, "predictions"),
    }
    if preprocess.order != "rgb":
        fields["channel_order"] = preprocess.order  # timm knows RGB alone, and shall stumble here
    config = {
        "architecture": architecture(model),
        "num_classes": classes,
        "num_features": model.spec.widths[-1] * (4 if model.spec.block == "bottleneck" else 1),
        "global_pool": "avg" if classes else model.options["pooling"] or "",
        "pretrained_cfg": fields,
    }
    if model.weights_tag is not None:
        config["weights_tag"] = model.weights_tag  # what is made of published weights keeps their licence
    if labels is not None:
        config["label_names"] = list(labels)
    if channels != 3:
        config["model_args"] = {"in_chans": channels}
    return config


def classes_of(model: ResNet) -> int:
    """Classes of a network's head; 0 without one."""
    return int(model.options["classes"]) if model.options["include_top"] else 0


def architecture(model: ResNet) -> str:
    """The row that a network is, where it computes what the row does; else a name that is no row's."""
    row = model.network if isinstance(model.network, str) else None
    if row is not None and model.spec == spec(row) and model.options["output_stride"] in (None, model.spec.stride):
        return row
    return f"custom_{model.name}" if model.name in ROWS else model.name


def _layer_name(model: ResNet, layer: str) -> str:
    return str(TIMM.tensor_name(model.spec, layer, "kernel")).rpartition(".")[0]
