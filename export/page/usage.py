"""How an application loads the artifacts: what goes in, what comes out, and a snippet a language."""

from collections.abc import Sequence
from html import escape

from kres.export.about import LABELS
from kres.export.conversion.pixels import takes_pixels
from kres.export.conversion.serving import BYTES
from kres.export.files.interfaces import Interface, Tensor, interface
from kres.export.page.contents import Artifact, Page
from kres.export.page.snippets import LANGUAGES, added, facts, languages_of, snippet
from kres.export.page.tables import table
from kres.export.page.words import breakable
from kres.preprocessing import Preprocess

HEAD = ("tensor", "shape", "type", "holds")


def usage(page: Page) -> str:
    """Draw the tensors and the snippets of the artifacts that passed; those that are used in one way stand together."""
    groups: dict[tuple[Interface, bool], list[Artifact]] = {}
    for artifact in page.artifacts:
        path = artifact.report.path
        if artifact.report.passed and path is not None and artifact.kind in LANGUAGES:
            groups.setdefault((interface(path), takes_pixels(path)), []).append(artifact)
    drawn = [_group(page, tensors, artifacts, pixels=pixels) for (tensors, pixels), artifacts in groups.items()]
    return "".join((*drawn, _labels(page.class_names))) if drawn else ""


def _labels(names: Sequence[str]) -> str:
    """The file of labels that the snippets read."""
    file = f"<code>{LABELS}</code>"
    if not names:
        return f'<p class="note">The model does not know its classes\' names. {file} holds them, one a line.</p>'
    listed = "\n".join(map(escape, names))
    return f"<details><summary>{file}: the names of the {len(names)} classes</summary><pre>{listed}</pre></details>"


def _group(page: Page, tensors: Interface, artifacts: Sequence[Artifact], *, pixels: bool) -> str:
    names = ", ".join(f"<code>{breakable(artifact.name)}</code>" for artifact in artifacts)
    rows = [
        *(_row("input", tensor, _input(tensor, page.preprocess, pixels=pixels)) for tensor in tensors.inputs),
        *(_row("output", tensor, _output(tensor)) for tensor in tensors.outputs),
    ]
    files = ""
    if BYTES in tensors.signatures:
        files = f'<p class="note">The signature <code>{BYTES}</code> takes the bytes of image files instead.</p>'
    return f"<h3>{names}</h3>{table(HEAD, rows)}{files}{_snippets(page, tensors, artifacts[0], pixels=pixels)}"


def _row(role: str, tensor: Tensor, holds: str) -> tuple[str, str, str, str]:
    shape = ", ".join("any" if size < 0 else str(size) for size in tensor.shape)
    return f"{role} <code>{breakable(tensor.name)}</code>", shape, tensor.dtype, holds


def _input(tensor: Tensor, preprocess: Preprocess | None, *, pixels: bool) -> str:
    if pixels:
        return f"RGB pixels of 0..255{_integers(tensor)}"
    if preprocess is None:
        return f"what the model takes{_integers(tensor)}"
    mean, std = (", ".join(f"{value:.4g}" for value in values) for values in (preprocess.mean, preprocess.std))
    words = f"{preprocess.order.upper()} pixels of 0..1, less {mean}, divided by {std}"
    return f"{words}{_integers(tensor)}"


def _output(tensor: Tensor) -> str:
    return f"a score a class{_integers(tensor)}" if len(tensor.shape) == 2 else f"features{_integers(tensor)}"


def _integers(tensor: Tensor) -> str:
    if tensor.scale is None or tensor.zero_point is None or (tensor.scale, tensor.zero_point) == (1, 0):
        return ""
    shift = added(-tensor.zero_point)
    return f"; as integers: {f'(integer{shift})' if shift else 'integer'} * {tensor.scale:.8g}"


def _snippets(page: Page, tensors: Interface, artifact: Artifact, *, pixels: bool) -> str:
    """The snippets of a classifier of square RGB pictures; other artifacts have none."""
    source, target = tensors.inputs[0], tensors.outputs[0]
    square = len(source.shape) == 4 and source.shape[1] == source.shape[2] and source.shape[3] == 3
    classifier = len(tensors.inputs) == len(tensors.outputs) == 1 and len(target.shape) == 2
    if page.preprocess is None or not square or not classifier:
        return ""
    path = page.path_to(artifact.report.path or artifact.name)
    known = facts(path, page.preprocess, kind=artifact.kind, pixels=pixels, source=source, target=target)
    drawn = []
    for language in languages_of(artifact.kind, tensors):
        text = snippet(language.template, known)
        words = f"no tensors of {escape(source.dtype)} there: choose another type of input and output"
        body = f"<p>{words}</p>" if text is None else f'<pre tabindex="0"><code>{escape(text)}</code></pre>'
        drawn.append(f"<details><summary>{language.name}</summary>{body}</details>")
    return "".join(drawn)
