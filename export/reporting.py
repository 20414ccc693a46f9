"""The report of a run and its artifacts: one HTML page that needs nothing else, no network and no other file."""

import base64
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import numpy as np

from kres.export.charts import line_chart

STYLE = Path(__file__).with_name("reporting.css")
# A larger matrix is no longer read, so its most frequent confusions stand in a list.
MOST_CLASSES = 20
MOST_CONFUSIONS = 15


@dataclass(frozen=True, kw_only=True)
class Row:
    """One artifact of the table: size in bytes, milliseconds an image; top-1 and agreement with Keras as shares."""

    artifact: str
    format: str
    size_bytes: int
    ms: float | None
    top1: float | None
    agreement: float | None
    passed: bool
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Example:
    """One image (h, w, 1 or 3) uint8, its true class, and the class that each artifact predicts."""

    image: np.ndarray
    label: str
    predictions: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Page:
    """What a report shows; `history` holds a mapping a row of log.csv, `confusion` counts (true class, prediction)."""

    title: str
    facts: Mapping[str, str]
    rows: Sequence[Row]
    history: Sequence[Mapping[str, float | None]] = ()
    confusion: np.ndarray | None = None
    class_names: Sequence[str] = ()
    examples: Sequence[Example] = field(default=())


def confusion_matrix(labels: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray:
    """Count true classes (n,) against predictions (n,): (classes, classes), a row a true class."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (labels, predictions), 1)
    return counts


def write_html(page: Page, path: str | Path) -> None:
    """Write the page to `path`, by a temporary name in the same directory."""
    path = Path(path)
    handle, scratch = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(html(page))
        os.chmod(scratch, 0o644)
        os.replace(scratch, path)
    except BaseException:
        os.unlink(scratch)
        raise


def html(page: Page) -> str:
    """Give the page as one HTML document; sections without data are left out."""
    sections = [
        _section("Artifacts", _table(page.rows)),
        _section("Training", _curves(page.history) if page.history else ""),
        _section("Confusion matrix", "" if page.confusion is None else _confusion(page.confusion, page.class_names)),
        _section("Examples", "".join(map(_example, page.examples))),
    ]
    facts = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in page.facts.items())
    title = escape(page.title)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE.read_text()}</style></head><body><main><h1>{title}</h1>"
        f'<dl class="facts">{facts}</dl>{"".join(sections)}</main></body></html>\n'
    )


def _section(title: str, body: str) -> str:
    name = title.split()[0].lower()
    return f'<section class="{name}"><h2>{title}</h2><div class="body">{body}</div></section>' if body else ""


def _table(rows: Sequence[Row]) -> str:
    head = ("artifact", "format", "size", "ms an image", "top-1", "agreement with Keras", "verdict")
    sizes, times = [row.size_bytes for row in rows], [row.ms or 0 for row in rows]
    lines = []
    for row in rows:
        verdict = (
            '<span class="good">✓ passed</span>' if row.passed else f'<span class="bad">✗ {escape(row.reason)}</span>'
        )
        cells = (
            f"<code>{escape(row.artifact)}</code>",
            escape(row.format),
            _bar(f"{row.size_bytes / 1e6:.2f} MB", row.size_bytes, max(sizes)),
            "-" if row.ms is None else _bar(f"{row.ms:.3g}", row.ms, max(times)),
            _percent(row.top1),
            _percent(row.agreement),
            verdict,
        )
        lines.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    titles = "".join(f'<th scope="col">{title}</th>' for title in head)
    return f'<div class="scroll"><table><thead><tr>{titles}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'


def _bar(text: str, value: float, largest: float) -> str:
    share = 100 * value / largest if largest else 0
    return f'{text}<span class="bar"><span style="width:{share:.1f}%"></span></span>'


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f} %"


def _curves(history: Sequence[Mapping[str, float | None]]) -> str:
    def points(name: str) -> list[tuple[float, float]]:
        found = ((row["epoch"], row.get(name)) for row in history)
        return [(x, y) for x, y in found if x is not None and y is not None]

    accuracies = {"training": points("accuracy"), "test": points("test_accuracy")}
    losses = {"training": points("loss")}
    charts = [
        line_chart(losses, title="Loss", x_label="epoch") if any(losses.values()) else "",
        line_chart(accuracies, title="Accuracy", x_label="epoch", percent=True) if any(accuracies.values()) else "",
    ]
    return "".join(charts)


def _confusion(counts: np.ndarray, names: Sequence[str]) -> str:
    if len(counts) > MOST_CLASSES:
        return _confusions(counts, names)
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    lines = []
    for index, row in enumerate(counts):
        total = max(int(row.sum()), 1)
        cells = []
        for column, count in enumerate(row):
            kind = "right" if column == index else "wrong"
            # A single confusion in a hundred must still be seen.
            weight = 0 if not count else max(100 * count / total, 25)
            cells.append(f'<td class="{kind}" style="--w:{weight:.0f}%">{count or ""}</td>')
        lines.append(f'<tr><th scope="row">{escape(names[index])}</th>{"".join(cells)}</tr>')
    caption = "Rows are true classes, columns are predictions."
    return (
        f'<div class="scroll"><table class="matrix"><caption>{caption}</caption><thead><tr><td></td>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _confusions(counts: np.ndarray, names: Sequence[str]) -> str:
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST_CONFUSIONS]
    pairs = [divmod(int(index), len(wrong)) for index in order if wrong.flat[index]]
    items = (f"<li>{escape(names[a])} taken for {escape(names[b])}: {wrong[a, b]}</li>" for a, b in pairs)
    return f"<p>The most frequent of {wrong.sum()} confusions:</p><ol>{''.join(items)}</ol>"


def _example(example: Example) -> str:
    import tensorflow as tf

    data = base64.b64encode(tf.io.encode_png(example.image).numpy()).decode()
    lines = []
    for name, prediction in example.predictions.items():
        right = prediction == example.label
        mark, kind = ("✓", "good") if right else ("✗", "bad")
        lines.append(f'<li>{escape(name)}: <span class="{kind}">{mark} {escape(prediction)}</span></li>')
    label = escape(example.label)
    return (
        f'<figure class="example"><img src="data:image/png;base64,{data}" alt="an image of class {label}">'
        f"<figcaption><b>{label}</b><ul>{''.join(lines)}</ul></figcaption></figure>"
    )
