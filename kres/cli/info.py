"""`kres info`: what one network is, stage by stage."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table

import kres
from kres.cli import tables
from kres.cli.catalogue import AsJson

if TYPE_CHECKING:
    from kres.cli.drawing import Part
    from kres.cli.models import Named

ImageSize = Annotated[int | None, typer.Option(min=1, help="For a row: height and width in pixels.")]


def info(
    network: Annotated[str, typer.Argument(metavar="MODEL", help="A row of `kres list`, a workdir, or a .keras file.")],
    image_size: ImageSize = None,
    layers: Annotated[bool, typer.Option("--layers", help="A line a layer instead of a stage.")] = False,
    as_json: AsJson = False,
) -> None:
    """Draw what one network is, and what each stage or layer costs for one image."""
    from kres.cli.drawing import parts
    from kres.weights import PUBLISHED, tags_of

    with Console(stderr=True).status("building"):
        named = _resolve(network, image_size)
        model = named.model
        size = image_size if model.inputs[0].shape[1] is None else None
        profile = kres.profile(model, input_shape=None if size is None else (size, size, model.inputs[0].shape[-1]))
    drawn = parts(model, profile) if isinstance(model, kres.ResNet) else []
    weights = {tag: PUBLISHED[name].top1 for tag, name in tags_of(network).items()}
    if as_json:
        typer.echo(json.dumps(_facts(named, profile, drawn, weights=weights, layers=layers), indent=2))
        return
    console = tables.console()
    console.print(_layer_table(profile) if layers or not drawn else _stage_table(profile, drawn))
    console.print(_totals(profile), highlight=False)
    if isinstance(model, kres.ResNet):
        console.print(f"preprocessing: {_preprocessing(model.preprocess)}", highlight=False)
    if weights:
        tags = ", ".join(tag if top1 is None else f"{tag} {top1:.1f} %" for tag, top1 in weights.items())
        console.print(f"published weights, and their ImageNet top-1: {tags}", highlight=False)


def _resolve(network: str, image_size: int | None) -> "Named":
    """The model that MODEL names; a row is built, with fresh weights that nobody runs."""
    from kres.cli.models import Named, resolve

    if network in kres.list_models():
        shape = None if image_size is None else (image_size, image_size, 3)
        return Named(model=kres.build(network, input_shape=shape), name=network)
    return resolve(network, image_size=image_size)


def _facts(
    named: "Named", profile: "kres.Profile", drawn: "list[Part]", *, weights: dict[str, float | None], layers: bool
) -> dict[str, Any]:
    costs = profile.to_dict()
    if not layers:
        del costs["layers"]
    facts: dict[str, Any] = {"name": named.name}
    if isinstance(named.model, kres.ResNet):
        facts |= named.model.spec.to_dict() | {"preprocess": named.model.preprocess.to_dict()}
    facts |= {"weights": list(weights), "top1": weights, "costs": costs}
    return {**facts, "parts": [asdict(part) for part in drawn]}


def _stage_table(profile: "kres.Profile", drawn: "list[Part]") -> Table:
    table = _table(profile, tables.word(""), tables.text("layers"), tables.word("map"), tables.word("stride"))
    for part in drawn:
        words = list(part.layers)
        if part.blocks:
            words.insert(0, f"{part.blocks} block{'s' if part.blocks > 1 else ''} of")
        stride = "" if part.stride is None else str(part.stride)
        table.add_row(part.name, "\n".join(words), _map(part.output_shape), stride, *_costs(part))
        table.add_section()
    return table


def _layer_table(profile: "kres.Profile") -> Table:
    table = _table(profile, tables.text("layer"), tables.word("map"))
    table.add_column("memory", justify="right", no_wrap=True)
    for row in profile.layers:
        table.add_row(row.name, _map(row.output_shape), *_costs(row), f"{_short(row.alive_bytes)}B")
    return table


def _table(profile: "kres.Profile", *columns: Column) -> Table:
    costs = map(tables.figure, ("params", "MACs", "activ."))
    return tables.table(*columns, *costs, title=f"{profile.network}: {_map(profile.input_shape)}")


def _costs(row: "Part | kres.LayerProfile") -> list[str]:
    return [_short(row.params), "?" if row.macs is None else _short(row.macs), _short(row.activations)]


def _totals(profile: "kres.Profile") -> str:
    words = (
        f"total: {profile.params:,} parameters, {profile.macs / 1e9:.2f} G multiply-accumulates, "
        f"{profile.activations / 1e6:.1f} M activations ({profile.conv_activations / 1e6:.1f} M of convolutions and "
        f"matrix products), {profile.peak_bytes / 1e6:.1f} MB of activations at most"
    )
    return words + (f"; not known: {', '.join(profile.unknown)}" if profile.unknown else "")


def _preprocessing(preprocess: "kres.Preprocess") -> str:
    mean, std = (" ".join(f"{value:.4g}" for value in values) for values in (preprocess.mean, preprocess.std))
    return (
        f"shorter side to {preprocess.shorter_side} ({preprocess.interpolation}), "
        f"centre {preprocess.size}x{preprocess.size}, {preprocess.order}, mean {mean}, std {std}"
    )


def _map(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _short(count: float) -> str:
    """Three digits and a letter."""
    for power, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= power:
            return f"{count / power:.3g}{letter}"
    return f"{count:g}"
