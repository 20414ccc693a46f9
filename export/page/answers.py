"""What the model and its artifacts answered: the model's confusions, the answers that changed, and pictures."""

import base64
import io
from collections import Counter
from collections.abc import Sequence
from html import escape

import numpy as np

from kres.export.conversion.pixels import RANGE, grey_levels
from kres.export.page.contents import Artifact, Page
from kres.export.page.tables import table
from kres.export.page.words import breakable
from kres.export.proof.reports import Change, Reference

# A larger matrix is no longer read, so its most frequent confusions stand in a list.
MOST_CLASSES = 20
MOST_CONFUSIONS = 15
# Letters of a class's name that fit above a column; longer ones stand on end.
LONGEST_UPRIGHT = 3
MOST_CHANGES = 10
EXAMPLES = 12
EVERYBODY = "Keras and every artifact"
# Photographs of more pixels a side take a tenth of the bytes as JPEG.
LARGEST_PNG = 64


def changes(page: Page) -> str:
    """Draw which classes' answers changed between the Keras model and each artifact, and what that cost."""
    compared = [artifact for artifact in page.artifacts if artifact.report.agreement is not None]
    changed = [artifact for artifact in compared if artifact.report.changed]
    same = ", ".join(_name(artifact) for artifact in compared if not artifact.report.changed)
    head = ("artifact", "changed", "right to wrong", "wrong to right", "Keras's class → the artifact's")
    text = table(head, [(_name(artifact), *_changed(page, artifact)) for artifact in changed]) if changed else ""
    return text + (f'<p class="note">The Keras model\'s answer to every image: {same}.</p>' if same else "")


def _name(artifact: Artifact) -> str:
    return f"<code>{breakable(artifact.name)}</code>"


def _changed(page: Page, artifact: Artifact) -> tuple[str, str, str, str]:
    found = artifact.report.changed
    pairs = Counter((change.keras, change.artifact) for change in found)
    names = [
        f"<li>{escape(page.name_of(old))} → {escape(page.name_of(new))}{f', {count} times' if count > 1 else ''}</li>"
        for (old, new), count in pairs.most_common(MOST_CHANGES)
    ]
    if len(pairs) > MOST_CHANGES:
        names.append(f"<li>and {len(pairs) - MOST_CHANGES} other pairs</li>")
    labels = None if page.reference is None else page.reference.labels
    lost = won = "-"
    if labels is not None:
        lost = str(sum(labels[change.image] == change.keras for change in found))
        won = str(sum(labels[change.image] == change.artifact for change in found))
    return f"{len(found)} of {artifact.report.n}", lost, won, f'<ul class="pairs">{"".join(names)}</ul>'


def confusion_matrix(labels: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray:
    """Count true classes (n,) against predictions (n,): (classes, classes), a row a true class."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (labels, predictions), 1)
    return counts


def confusion(page: Page) -> str:
    """Draw the Keras model's confusions, as a matrix or, of many classes, as a list."""
    reference = page.reference
    if reference is None or reference.labels is None or reference.outputs.ndim != 2:
        return ""
    counts = confusion_matrix(reference.labels, reference.outputs.argmax(1), reference.outputs.shape[1])
    names = [page.name_of(label) for label in range(len(counts))]
    return _matrix(counts, names) if len(counts) <= MOST_CLASSES else _confusions(counts, names)


def _matrix(counts: np.ndarray, names: Sequence[str]) -> str:
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
    note = '<p class="note">The Keras model\'s answers: rows are true classes, columns are predictions.</p>'
    long = " long" if max(map(len, names)) > LONGEST_UPRIGHT else ""
    return (
        f'{note}<div class="scroll" role="region" aria-label="Confusion matrix" tabindex="0">'
        f'<table class="matrix{long}"><thead><tr><td></td>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _confusions(counts: np.ndarray, names: Sequence[str]) -> str:
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST_CONFUSIONS]
    pairs = [divmod(int(index), len(wrong)) for index in order if wrong.flat[index]]
    items = (f"<li>{escape(names[a])} taken for {escape(names[b])}: {wrong[a, b]}</li>" for a, b in pairs)
    return f"<p>The most frequent of the Keras model's {wrong.sum()} confusions:</p><ol>{''.join(items)}</ol>"


def examples(page: Page) -> str:
    """Draw pictures with the answers of the Keras model and of each artifact: those whose answers changed, first."""
    reference, preprocess = page.reference, page.preprocess
    if reference is None or preprocess is None or reference.labels is None or reference.outputs.ndim != 2:
        return ""
    compared = [artifact for artifact in page.artifacts if artifact.report.agreement is not None]
    answers = {
        artifact.report.format: {change.image: change.artifact for change in artifact.report.changed}
        for artifact in compared
    }
    figures = []
    for row in _interesting(reference, [artifact.report.changed for artifact in compared]):
        keras = int(reference.outputs[row].argmax())
        given = {"Keras": keras, **{name: changed.get(row, keras) for name, changed in answers.items()}}
        picture = np.clip(np.rint(grey_levels(reference.images[row], preprocess)), *RANGE).astype(np.uint8)
        figures.append(_figure(page, picture, int(reference.labels[row]), given))
    note = "Where an artifact's answer is not Keras's, and where Keras is least sure. ✓ and ✗ compare with the label."
    return f'<p class="note">{note}</p><div class="row">{"".join(figures)}</div>'


def _interesting(reference: Reference, changed: Sequence[Sequence[Change]]) -> list[int]:
    """The images with the most changed answers, then those whose best score is lowest."""
    times = Counter(change.image for changes in changed for change in changes)
    best = reference.outputs.max(1)
    order = sorted(range(len(best)), key=lambda row: (-times[row], best[row]))
    return order[:EXAMPLES]


def _figure(page: Page, picture: np.ndarray, label: int, answers: dict[str, int]) -> str:
    lines = []
    for answer in dict.fromkeys(answers.values()):
        mark, kind = ("✓", "good") if answer == label else ("✗", "bad")
        named = [escape(name) for name, given in answers.items() if given == answer]
        names = EVERYBODY if len(named) == len(answers) > 2 else ", ".join(named)
        lines.append(f'<li><span class="{kind}">{mark} {escape(page.name_of(answer))}</span> {names}</li>')
    name = escape(page.name_of(label))
    return (
        f'<figure class="example"><img src="{_data_url(picture)}" alt="an image of class {name}">'
        f"<figcaption>label <b>{name}</b><ul>{''.join(lines)}</ul></figcaption></figure>"
    )


def _data_url(picture: np.ndarray) -> str:
    from PIL import Image

    kind = "png" if max(picture.shape[:2]) <= LARGEST_PNG else "jpeg"
    content = io.BytesIO()
    Image.fromarray(picture.squeeze(-1) if picture.shape[-1] == 1 else picture).save(content, kind, quality=90)
    return f"data:image/{kind};base64,{base64.b64encode(content.getvalue()).decode()}"
