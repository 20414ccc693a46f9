"""Where quantization costs most: the layers' signal-to-noise ratios."""

import math

from kres.export.page.charts import Bar, bars
from kres.export.page.contents import Page

# More bars are not compared with each other any more.
MOST_LAYERS = 20


def layers(page: Page) -> str:
    """Draw the layers with the lowest ratios as bars, and all of them, in the network's order, to be unfolded."""
    found = {name: _bar(name, ratio) for name, ratio in page.layers.items()}
    lowest = sorted(found, key=lambda name: page.layers[name])[:MOST_LAYERS]
    text = bars(
        [found[name] for name in lowest],
        title="Signal-to-noise ratio of a layer's quantized output against Keras's, in dB: 6 dB more is half the error",
    )
    if len(found) > len(lowest):
        everything = bars(list(found.values()), title="All layers, in the network's order")
        text += f"<details><summary>All {len(found)} layers</summary>{everything}</details>"
    return text


def _bar(name: str, ratio: float) -> Bar:
    text = f"{ratio:.1f} dB" if math.isfinite(ratio) else "no error" if ratio > 0 else "no signal"
    return Bar(name, ratio, text)
