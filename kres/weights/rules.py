"""How names of ours become names of a source: the one parser of our layer names, and what renders a source's rules."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kres.specs import Spec
from kres.weights.forms import FORMS, Form

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

    layers: Mapping[str, str] = field(default_factory=dict)
    forms: Mapping[str, str] = field(default_factory=dict)
    """Rows of FORMS for kernels, by role likewise, that are kept in another form than the source's others."""
    constants: Mapping[str, str] = field(default_factory=dict)
    """Templates of whole tensor names, by role likewise: what a form with a `constant` may keep beside the kernel."""
    when: Mapping[str, object] = field(default_factory=dict)
    """Attributes of the row's Spec that must have these values for the templates to hold."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """How one publisher names and lays out tensors."""

    name: str
    formats: frozenset[str]
    """File formats that it publishes in: `safetensors`, `torch`, `keras`, `npz`."""
    layout: str
    """Row of FORMS that its kernels have."""
    separator: str
    variables: Mapping[str, str]
    """What it calls our variables."""
    rules: tuple[Rules, ...]
    """Later ones override earlier ones."""
    classes: Mapping[str, str] = field(default_factory=dict)
    """Where layers go by class and number, `conv2d_3`, instead of the rules' names: the classes, by the last word of a
    role."""
    left_out: tuple[str, ...] = ()
    """Ends of tensor names that hold nothing a network computes with."""
    head_file: str | None = None
    """Name of the file that holds the classifier where it stands beside the one with everything else."""

    def tensor_name(self, spec: Spec, layer: str, variable: str) -> str | None:
        """The source's name of a layer's variable in a network of this Spec; None where it has no such thing."""
        return self.join(self._rendered(spec, layer, "layers"), variable)

    def layer_names(self, spec: Spec, layers: Iterable[str]) -> dict[str, str | None]:
        """What the source calls these layers, all the layers of a network of this Spec."""
        if self.classes:
            return numbered(layers, classes=self.classes)
        return {layer: self._rendered(spec, layer, "layers") for layer in layers}

    def join(self, name: str | None, variable: str) -> str | None:
        """Name of a tensor, from the source's name of a layer and ours of its variable."""
        if name is None or variable not in self.variables:
            return None
        return self.separator.join((name, self.variables[variable]))

    def form(self, spec: Spec, layer: str) -> Form:
        """The form that a layer's kernel has."""
        return FORMS[self._rendered(spec, layer, "forms") or self.layout]

    def constant_name(self, spec: Spec, layer: str) -> str | None:
        """Name of the tensor with known values that may stand beside a layer's kernel."""
        return self._rendered(spec, layer, "constants")

    def _rendered(self, spec: Spec, layer: str, table: str) -> str | None:
        """What the rules that hold for this Spec say of a layer in one of their tables."""
        parsed = parse(layer)
        if parsed is None:
            return None
        templates: dict[str, str] = {}
        for rules in self.rules:
            if all(getattr(spec, name) == value for name, value in rules.when.items()):
                templates |= getattr(rules, table)
        template = templates.get(f"{parsed.role}{parsed.n or ''}") or templates.get(parsed.role) or templates.get("*")
        return None if template is None else template.format_map(parsed.fields())


def numbered(layers: Iterable[str], *, classes: Mapping[str, str]) -> dict[str, str | None]:
    """Our layers by class and number, as Keras numbers them in a functional model: by their distance from its output.

    A block's shortcut is as far from it as the branch's last layers, and stands before them.
    """
    known = {layer: parsed for layer in layers if (parsed := parse(layer)) is not None}
    lengths: Counter[tuple[int | None, int | None]] = Counter()
    for parsed in known.values():
        key = (parsed.stage, parsed.block)
        lengths[key] = max(lengths[key], parsed.n or 0)

    def place(layer: str) -> tuple[float, int, float]:
        parsed = known[layer]
        outside = float("-inf") if parsed.role.startswith("stem") else float("inf")
        length = lengths[parsed.stage, parsed.block]
        return (outside if parsed.stage is None else parsed.stage, parsed.block or 0, parsed.n or length - 0.5)

    counts: Counter[str] = Counter()
    names: dict[str, str | None] = {}
    for layer in sorted(known, key=place):
        kind = classes.get(known[layer].role.rsplit("_", 1)[-1])
        if kind is not None:
            names[layer] = f"{kind}_{counts[kind]}" if counts[kind] else kind
            counts[kind] += 1
    return names
