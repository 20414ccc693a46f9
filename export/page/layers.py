"""Where quantization costs most: the layers' signal-to-noise ratios."""

import math
from collections.abc import Sequence

from kres.export.losses import EXACT_DB, LayerError, worst_first
from kres.export.page.charts import Bar, bars
from kres.export.page.contents import Page
from kres.export.page.words import breakable

# More bars are not compared with each other any more.
MOST_LAYERS = 20
TITLE = (
    "With those before: signal-to-noise ratio of a layer's output against Keras's, in dB; 6 dB more is half the error"
)
OWN = "By itself: signal-to-noise ratio of what a layer makes of exact inputs, in dB; 6 dB more is half the error"


def layers(page: Page) -> str:
    """Draw the layers of each artifact that was measured so: the lowest ratios, then all, and which are in float32."""
    told = [artifact for artifact in page.artifacts if artifact.report.layers or artifact.report.kept_float]
    return "".join(
        f"<h3><code>{breakable(artifact.name)}</code></h3>"
        f"{_layers(artifact.report.layers)}{_kept(artifact.report.kept_float)}"
        for artifact in told
    )


def _kept(names: Sequence[str]) -> str:
    listed = ", ".join(f"<code>{breakable(name)}</code>" for name in names)
    return f'<p class="note">In float32 stay: {listed}</p>' if names else ""


def _layers(errors: Sequence[LayerError]) -> str:
    worst = worst_first(errors)[:MOST_LAYERS]
    own = [(error.name, error.own_snr_db) for error in worst if error.own_snr_db is not None]
    every = [(error.name, error.snr_db) for error in errors]
    text = _bars(own, title=OWN) if own else _bars([(error.name, error.snr_db) for error in worst], title=TITLE)
    if own or len(errors) > len(worst):
        text += f"<details><summary>All {len(errors)} layers</summary>{_bars(every, title=TITLE)}</details>"
    return text


def _bars(ratios: Sequence[tuple[str, float]], *, title: str) -> str:
    return bars([_bar(*ratio) for ratio in ratios], title=title)


def _bar(name: str, ratio: float) -> Bar:
    return Bar(name, math.inf, "exact") if ratio >= EXACT_DB else Bar(name, ratio, f"{ratio:.1f} dB")
