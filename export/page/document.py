"""The page as one HTML document: its sections in their order."""

from collections.abc import Callable
from dataclasses import replace
from html import escape
from pathlib import Path

from kres.export.page.answers import changes, confusion, examples
from kres.export.page.contents import Page
from kres.export.page.layers import layers
from kres.export.page.measures import latency, sizes, table
from kres.export.page.runtimes import runtimes
from kres.export.page.training import curves
from kres.export.page.usage import usage
from kres.writing import write_atomically

# Whatever a name or a reason holds: the page runs nothing and loads nothing.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
STYLE = Path(__file__).with_name("style.css")

SECTIONS: tuple[tuple[str, str, Callable[[Page], str]], ...] = (
    ("artifacts", "Artifacts", table),
    ("latency", "Latency", latency),
    ("size", "Size", sizes),
    ("training", "Training", curves),
    ("changes", "Changed answers", changes),
    ("runtimes", "In each runtime", runtimes),
    ("layers", "Quantization error of the layers", layers),
    ("confusion", "Confusion matrix", confusion),
    ("examples", "Examples", examples),
    ("usage", "In an application", usage),
)
"""A name, a title and a function of the page each; a section without data gives no text and is left out."""


def write_page(page: Page, path: str | Path) -> None:
    """Write the page to `path`, whole or not at all."""
    text = html(replace(page, folder=Path(path).parent))
    write_atomically(Path(path), lambda file: file.write_text(text, encoding="utf-8"))


def html(page: Page) -> str:
    """Give the page as one HTML document."""
    bodies = ((name, title, draw(page)) for name, title, draw in SECTIONS)
    sections = "".join(
        f'<section class="{name}" aria-labelledby="{name}"><h2 id="{name}">{title}</h2>{body}</section>\n'
        for name, title, body in bodies
        if body
    )
    facts = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in page.facts.items())
    title = escape(page.title)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<style>{STYLE.read_text(encoding='utf-8')}</style></head><body><main><h1>{title}</h1>"
        f'<dl class="facts">{facts}</dl>\n{sections}</main></body></html>\n'
    )
