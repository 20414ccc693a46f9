"""`kres list` and `kres info`: what the zoo holds."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

import kres
from kres.weights import PUBLISHED

AsJson = Annotated[bool, typer.Option("--json", help="Write JSON to standard output, for scripts.")]


def list_(
    pattern: Annotated[str, typer.Argument(help="A shell pattern, such as 'resnext*'.")] = "*",
    as_json: AsJson = False,
) -> None:
    """List the networks."""
    rows = {name: kres.spec(name) for name in kres.list_models(pattern)}
    if as_json:
        typer.echo(json.dumps({name: row.to_dict() for name, row in rows.items()}, indent=2))
        return
    table = Table(Column("network", no_wrap=True), "blocks", Column("parameters", no_wrap=True), "pixels", "weights")
    for name, row in rows.items():
        params = row.params if isinstance(row.params, str) else f"{row.params:,}"
        table.add_row(
            name,
            " ".join(map(str, row.depths)),
            params,
            str(row.input_size),
            _in_short(_tags(name)),
        )
    Console().print(table)


def info(network: Annotated[str, typer.Argument(help="A row of `kres list`.")], as_json: AsJson = False) -> None:
    """Show what one network is, field by field."""
    fields = {**kres.spec(network).to_dict(), "weights": _tags(network)}
    if as_json:
        typer.echo(json.dumps(fields, indent=2))
        return
    table = Table("field", "value", title=network)
    for name, value in fields.items():
        table.add_row(name, " ".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value))
    Console().print(table)


def _tags(network: str) -> list[str]:
    """The published weights of a network; the first is what `imagenet` stands for."""
    return [tag for row, _, tag in (name.partition(".") for name in PUBLISHED) if row == network]


def _in_short(tags: list[str]) -> str:
    return " ".join(tags[:1]) + (f" (+{len(tags) - 1})" if len(tags) > 1 else "")
