"""A model's folder as the Hugging Face hub has it: its files, and `config.json` as timm writes and reads it."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kres.lookup import spec
from kres.model import ResNet
from kres.preprocessing import Preprocess
from kres.weights import hub
from kres.weights.names import TIMM
from kres.zoo import ROWS

CONFIG, WEIGHTS, MODEL, CARD = "config.json", "model.safetensors", "model.keras", "README.md"
FILES = (CONFIG, WEIGHTS, MODEL, CARD)
"""What a folder of ours holds, and no more."""
SCHEME = "hf://"
"""Before `owner/name`: a repository of the Hugging Face hub."""
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True, kw_only=True)
class Own:
    """Weights that the catalogue does not know."""

    weights: Path
    preprocess: Preprocess | None
    """Of the size that images had there; None where a mere file does not tell."""


def locate(source: str | os.PathLike[str]) -> Own:
    """What a file, a folder in the hub's layout or `hf://owner/name` holds.

    Raises:
        ValueError: no repository's name, or a config.json that does not tell the preprocessing.
        FileNotFoundError: the folder lacks one of the files.
        DownloadError: the repository's files could not be had.
    """
    if isinstance(source, str) and source.startswith(SCHEME):
        repository = source.removeprefix(SCHEME)
        if not REPOSITORY.fullmatch(repository):
            raise ValueError(f"A repository of the hub is {SCHEME}owner/name. Received: source={source!r}")
        config, weights = (hub.fetch_file(repository, name) for name in (CONFIG, WEIGHTS))
        return Own(weights=weights, preprocess=read_preprocess(config))
    path = Path(source).expanduser()
    if not path.is_dir():
        return Own(weights=path, preprocess=None)
    if missing := [name for name in (CONFIG, WEIGHTS) if not (path / name).is_file()]:
        raise FileNotFoundError(
            f"A folder of weights holds {CONFIG} and {WEIGHTS}, as `kres.push` and timm write them; this one lacks "
            f"{' and '.join(missing)}. Received: source={str(source)!r}"
        )
    return Own(weights=path / WEIGHTS, preprocess=read_preprocess(path / CONFIG))


def read_preprocess(path: Path) -> Preprocess:
    """The preprocessing that a config.json tells; ValueError where it tells none."""
    try:
        config: Any = json.loads(path.read_text(encoding="utf-8"))
        fields = config.get("pretrained_cfg", config)  # the earliest ones are flat
        return Preprocess(
            size=fields["input_size"][-1],
            crop=fields["crop_pct"],
            mean=tuple(fields["mean"]),
            std=tuple(fields["std"]),
            interpolation=fields["interpolation"],
            order=fields.get("channel_order", "rgb"),
        )
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(
            f"A {CONFIG} tells input_size, crop_pct, mean, std and interpolation, as timm writes them "
            f"({type(error).__name__}: {error}). Received: source={str(path)!r}"
        ) from error


def configuration(model: ResNet, *, labels: tuple[str, ...] | None) -> dict[str, Any]:
    """What config.json says of a network; timm builds it from that where it has an architecture of its name."""
    preprocess, channels = model.preprocess, model.input_shape[-1]
    has_top = model.options["include_top"]
    classes = model.options["classes"] if has_top else 0
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
        "global_pool": "avg" if has_top else model.options["pooling"] or "",
        "pretrained_cfg": fields,
    }
    if labels is not None:
        config["label_names"] = list(labels)
    if channels != 3:
        config["model_args"] = {"in_chans": channels}
    return config


def architecture(model: ResNet) -> str:
    """The row that a network is, where it computes what the row does; else a name that is no row's."""
    row = model.network if isinstance(model.network, str) else None
    if row is not None and model.spec == spec(row) and model.options["output_stride"] in (None, model.spec.stride):
        return row
    return f"custom_{model.name}" if model.name in ROWS else model.name


def _layer_name(model: ResNet, layer: str) -> str:
    return str(TIMM.tensor_name(model.spec, layer, "kernel")).rpartition(".")[0]
