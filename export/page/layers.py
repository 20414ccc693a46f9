"""Where quantization costs most: the layers' signal-to-noise ratios."""

import math
from collections.abc import Sequence

from kres.export.losses import EXACT_DB, LayerError, worst_first
from kres.export.page.charts import Bar, bars
from kres.export.page.contents import Page
from kres.export.page.words import breakable

# More bars are not compared with each other any more.
MOST_LAYERS = 20
TITLE = "Signal-to-noise ratio of a layer's output against Keras's, in dB: 6 dB more is half the error"


def layers(page: Page) -> str:
    """Draw the layers of each artifact that was measured so: the lowest ratios, and all to be unfolded."""
    measured = [artifact for artifact in page.artifacts if artifact.report.layers]
    return "".join(
        f"<h3><code>{breakable(artifact.name)}</code></h3>{_layers(artifact.report.layers)}" for artifact in measured
    )


def _layers(errors: Sequence[LayerError]) -> str:
    lowest = worst_first(errors)[:MOST_LAYERS]
    text = _bars(lowest, title=TITLE)
    if len(errors) > len(lowest):
        everything = _bars(errors, title="All layers")
        text += f"<details><summary>All {len(errors)} layers</summary>{everything}</details>"
    return text


def _bars(errors: Sequence[LayerError], *, title: str) -> str:
    return bars([_bar(error) for error in errors], title=title)


def _bar(error: LayerError) -> Bar:
    if error.snr_db >= EXACT_DB:
        return Bar(error.name, math.inf, "exact")
    return Bar(error.name, error.snr_db, f"{error.snr_db:.1f} dB")
