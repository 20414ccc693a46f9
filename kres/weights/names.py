"""What each weight source calls a network's tensors: tables of name rules, and the one parser of our layer names."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from kres.specs import Spec

_LAYER_NAME = re.compile(r"(?:stage(?P<stage>\d+)_block(?P<block>\d+)_)?(?P<role>[a-z][a-z_]*?)(?P<n>\d*)")


@dataclass(frozen=True, kw_only=True)
class LayerName:
    """A layer name of ours, parsed: `stage1_block2_norm3` has stage 1, block 2, role `block_norm`, n 3."""

    name: str
    role: str
    """What the layer does, without numbers; `block_` in front inside a stage."""
    n: int | None
    stage: int | None
    block: int | None

    def fields(self) -> dict[str, object]:
        """What a template may refer to; sources count from 0 or 1, and stages from 1 or 2."""
        values: dict[str, object] = {"name": self.name}
        for key in ("stage", "block", "n"):
            number = getattr(self, key)
            if number is not None:
                values |= {key: number, f"{key}_before": number - 1, f"{key}_after": number + 1}
        return values


def parse(name: str) -> LayerName | None:
    """A layer's name in parts, or None for a name that no network of ours has."""
    match = _LAYER_NAME.fullmatch(name)
    if match is None:
        return None
    stage, block, n = (int(match[key]) if match[key] else None for key in ("stage", "block", "n"))
    role = match["role"] if stage is None else f"block_{match['role']}"
    return LayerName(name=name, role=role, n=n, stage=stage, block=block)


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Templates for some layers, by role, or by role and number where a number has a name of its own."""

    layers: Mapping[str, str]
    when: Mapping[str, object] = field(default_factory=dict)
    """Attributes of the row's Spec that must have these values for the templates to hold."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """How one publisher names and lays out tensors."""

    name: str
    formats: frozenset[str]
    """File formats that it publishes in: `safetensors`, `torch`, `keras`."""
    layout: Literal["torch", "keras"]
    """Axis order of its kernels: (out, in, h, w) or (h, w, in, out)."""
    separator: str
    variables: Mapping[str, str]
    """What it calls our variables."""
    rules: tuple[Rules, ...]
    """Later ones override earlier ones."""
    left_out: tuple[str, ...] = ()
    """Ends of tensor names that hold nothing a network computes with."""

    def tensor_name(self, spec: Spec, layer: str, variable: str) -> str | None:
        """The source's name of a layer's variable in a network of this Spec; None where it has no such thing."""
        parsed = parse(layer)
        if parsed is None or variable not in self.variables:
            return None
        templates: dict[str, str] = {}
        for rules in self.rules:
            if all(getattr(spec, name) == value for name, value in rules.when.items()):
                templates |= rules.layers
        template = templates.get(f"{parsed.role}{parsed.n or ''}") or templates.get(parsed.role) or templates.get("*")
        if template is None:
            return None
        return self.separator.join((template.format_map(parsed.fields()), self.variables[variable]))


_KERAS_VARIABLES = {name: name for name in ("kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance")}

TIMM = Source(
    name="timm",
    formats=frozenset({"safetensors", "torch"}),
    layout="torch",
    separator=".",
    variables={
        "kernel": "weight",
        "bias": "bias",
        "gamma": "weight",
        "beta": "bias",
        "moving_mean": "running_mean",
        "moving_variance": "running_var",
    },
    rules=(
        Rules(
            layers={  # torchvision's names too
                "stem_conv": "conv1",
                "stem_norm": "bn1",
                "stem_pool_conv": "maxpool.0",
                "stem_pool_norm": "maxpool.1",
                "block_conv": "layer{stage}.{block_before}.conv{n}",
                "block_norm": "layer{stage}.{block_before}.bn{n}",
                "block_se_fc": "layer{stage}.{block_before}.se.fc{n}",
                "block_eca_conv": "layer{stage}.{block_before}.se.conv",
                "block_shortcut_conv": "layer{stage}.{block_before}.downsample.0",
                "block_shortcut_norm": "layer{stage}.{block_before}.downsample.1",
                "predictions": "fc",
            },
        ),
        Rules(
            when={"shortcut_pool": "avg"},  # number 0 is the pool
            layers={
                "block_shortcut_conv": "layer{stage}.{block_before}.downsample.1",
                "block_shortcut_norm": "layer{stage}.{block_before}.downsample.2",
            },
        ),
        Rules(
            when={"stem_depth": 3},
            layers={
                "stem_conv1": "conv1.0",
                "stem_norm1": "conv1.1",
                "stem_conv2": "conv1.3",
                "stem_norm2": "conv1.4",
                "stem_conv3": "conv1.6",
                "stem_norm3": "bn1",
            },
        ),
        Rules(
            when={"order": "preactivation"},
            layers={
                "stem_conv": "stem.conv",
                "block_conv": "stages.{stage_before}.blocks.{block_before}.conv{n}",
                "block_norm": "stages.{stage_before}.blocks.{block_before}.norm{n}",
                "block_shortcut_conv": "stages.{stage_before}.blocks.{block_before}.downsample.conv",
                "final_norm": "norm",
                "predictions": "head.fc",
            },
        ),
        Rules(
            when={"order": "preactivation", "stem_depth": 3},
            layers={
                "stem_conv1": "stem.conv1",
                "stem_norm1": "stem.norm1",
                "stem_conv2": "stem.conv2",
                "stem_norm2": "stem.norm2",
                "stem_conv3": "stem.conv3",
            },
        ),
    ),
    left_out=("num_batches_tracked",),
)

KERAS_APPLICATIONS = Source(
    name="keras.applications",
    formats=frozenset({"keras"}),
    layout="keras",
    separator="/",
    variables=_KERAS_VARIABLES,
    rules=(
        Rules(
            layers={
                "stem_conv1": "conv1_conv",
                "block_conv": "conv{stage_after}_block{block}_{n}_conv",
                "block_shortcut_conv": "conv{stage_after}_block{block}_0_conv",
                "predictions": "predictions",
            },
        ),
        Rules(
            when={"order": "postactivation"},
            layers={
                "stem_norm1": "conv1_bn",
                "block_norm": "conv{stage_after}_block{block}_{n}_bn",
                "block_shortcut_norm": "conv{stage_after}_block{block}_0_bn",
            },
        ),
        Rules(
            when={"order": "preactivation"},
            layers={
                "block_norm1": "conv{stage_after}_block{block}_preact_bn",
                "block_norm": "conv{stage_after}_block{block}_{n_before}_bn",
                "final_norm": "post_bn",
            },
        ),
    ),
)

KRES = Source(
    name="kres",
    formats=frozenset({"keras"}),
    layout="keras",
    separator="/",
    variables=_KERAS_VARIABLES,
    rules=(Rules(layers={"*": "{name}"}),),
)

SOURCES = (TIMM, KERAS_APPLICATIONS, KRES)
