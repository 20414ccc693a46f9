"""`kres list`: what the zoo holds, and the recipes to train it by."""

import dataclasses
import fnmatch
import json
from typing import Annotated

import typer

import kres
from kres.cli import tables

AsJson = Annotated[bool, typer.Option("--json", help="Write JSON to standard output, for scripts.")]


def list_(
    pattern: Annotated[str, typer.Argument(help="A shell pattern, such as 'resnext*'.")] = "*",
    pretrained: Annotated[
        bool, typer.Option("--pretrained", help="Their published weights instead: what --weights takes.")
    ] = False,
    recipes: Annotated[bool, typer.Option("--recipes", help="What kres train --recipe takes instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the networks, or the published weights; the first of a network are what `imagenet` stands for."""
    if pretrained and recipes:
        raise ValueError("a list is of weights or of recipes. Received: --pretrained and --recipes")
    if pretrained:
        _list_published(pattern, as_json=as_json)
        return
    if recipes:
        _list_recipes(pattern, as_json=as_json)
        return
    _list_networks(pattern, as_json=as_json)


def _list_networks(pattern: str, *, as_json: bool) -> None:
    """Rows of the zoo with what their weights are called."""
    from kres.weights import tags_of

    rows = {name: kres.spec(name) for name in _matching(pattern, pretrained=False)}
    if as_json:
        typer.echo(json.dumps({name: row.to_dict() for name, row in rows.items()}, indent=2))
        return
    table = tables.table(
        tables.word("network"),
        tables.text("blocks"),
        *map(tables.figure, ("parameters", "pixels")),
        tables.text("weights"),
    )
    for name, row in rows.items():
        table.add_row(
            name,
            " ".join(map(str, row.depths)),
            _count(row.params),
            str(row.input_size),
            _in_short(list(tags_of(name))),
        )
    tables.console().print(table)


def _list_published(pattern: str, *, as_json: bool) -> None:
    """Published weights with all that their publishers say of them."""
    from kres.weights import PUBLISHED, network_of

    rows = {name: PUBLISHED[name] for name in _matching(pattern, pretrained=True)}
    if as_json:
        fields = {
            name: {
                **dataclasses.asdict(row),
                "non_commercial": row.non_commercial,
                "params": kres.spec(network_of(name)).params,
            }
            for name, row in rows.items()
        }
        typer.echo(json.dumps(fields, indent=2))
        return
    table = tables.table(
        tables.text("weights"),
        tables.word("origin"),
        tables.figure("params"),
        tables.figure("classes"),
        tables.text("evaluated at"),
        tables.figure("top-1"),
        tables.text("licence"),
        caption="params: with 1,000 classes; evaluated at: pixels / crop; * no commercial use",
    )
    for name, row in rows.items():
        recipe = row.preprocess
        table.add_row(
            name,
            row.origin,
            _millions(kres.spec(network_of(name)).params),
            f"{row.classes:,}" if row.classes else "none",
            f"{recipe.size} / {recipe.crop:g} {recipe.interpolation}",
            "-" if row.top1 is None else f"{row.top1:.2f}",
            f"{row.licence or 'not stated'}{' *' if row.non_commercial else ''}",
        )
    tables.console().print(table)


def _list_recipes(pattern: str, *, as_json: bool) -> None:
    """Recipes with what they train, on which data, and what comes out."""
    from kres.training import list_recipes, recipe

    rows = [recipe(name) for name in list_recipes() if fnmatch.fnmatchcase(name, pattern)]
    if not rows:
        raise ValueError(f"no recipe matches. Received: {pattern!r}")
    if as_json:
        typer.echo(json.dumps({row.name: row.to_dict() for row in rows}, indent=2))
        return
    table = tables.table(
        *map(tables.text, ("recipe", "network", "data", "expected")),
        caption="kres train DATA --recipe NAME --dry-run shows all that a recipe fixes",
    )
    for row in rows:
        table.add_row(row.name, row.network.row, row.about.data, row.about.expected)
    tables.console().print(table)


def _matching(pattern: str, *, pretrained: bool) -> list[str]:
    """Names that match; ValueError for none, which no script should take for an answer."""
    names = kres.list_models(pattern, pretrained=pretrained)
    if not names:
        raise ValueError(f"no network{' with published weights' if pretrained else ''} matches. Received: {pattern!r}")
    return names


def _count(params: int | str | None) -> str:
    """A number of parameters; a paper that prints it rounded is quoted."""
    return f"{params:,}" if isinstance(params, int) else str(params)


def _millions(params: int | str | None) -> str:
    return f"{params / 1e6:.1f}M" if isinstance(params, int) else str(params)


def _in_short(tags: list[str]) -> str:
    return " ".join(tags[:1]) + (f" (+{len(tags) - 1})" if len(tags) > 1 else "")
