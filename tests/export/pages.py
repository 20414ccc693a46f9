"""Small networks whose pages tests open, and what they read off an open page."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import keras
import numpy as np

import kres
from kres.export.browser import hosting
from kres.preprocessing import Preprocess
from tests.export.chromium import Tab

SIZE, CLASSES = 32, 10
# Another mean and std a channel, the channels turned round, a crop, and the longer of the kernels.
PREPROCESS = Preprocess(
    size=SIZE, crop=0.8, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.25), interpolation="bicubic", order="bgr"
)
SPEC = kres.Spec(block="basic", depths=(1, 1), widths=(8, 16), stem="cifar")
STATE = "document.documentElement.dataset.state"
CARDS = """JSON.stringify([...document.querySelectorAll(".result")].map((card) => ({
  name: card.dataset.name,
  ms: Number(card.dataset.ms),
  rows: [...card.querySelectorAll("li")].map((row) => [Number(row.dataset.class), Number(row.dataset.score)]),
  labels: [...card.querySelectorAll("li > span:first-child")].map((span) => span.textContent),
  square: (() => {
    const canvas = card.querySelector("canvas");
    const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return btoa(String.fromCharCode(...data));
  })(),
})))"""


def lively(*, activation: str | None = "softmax", seed: int = 0) -> keras.Model:
    """A small network whose answer depends on the picture."""
    keras.utils.set_random_seed(seed)
    model = kres.build(
        SPEC,
        classes=CLASSES,
        input_shape=(SIZE, SIZE, 3),
        preprocess=PREPROCESS,
        classifier_activation=activation,
        name="small",
    )
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        if variable.name in ("gamma", "moving_variance"):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
        elif variable.name == "kernel" and len(variable.shape) == 2:
            variable.assign(rng.normal(0, 2, variable.shape))
    return model


def on_pixels(model: keras.Model) -> keras.Model:
    """The same network on raw RGB."""
    mean, std = (255 * np.asarray(values)[::-1] for values in (PREPROCESS.mean, PREPROCESS.std))
    pixels = keras.Input((SIZE, SIZE, 3))
    normalised = keras.layers.Rescaling(list(1 / std), list(-mean / std))(pixels)
    flipped = keras.layers.Conv2D(3, 1, use_bias=False)
    reordered = flipped(normalised)
    flipped.set_weights([np.eye(3)[::-1][None, None]])
    return keras.Model(pixels, model(reordered))


@contextmanager
def serves(server: ThreadingHTTPServer) -> Iterator[str]:
    """Serve in another thread, and give the address."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hosting.address(server)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def opened_page(tab: Tab, folder: Path) -> Iterator[str]:
    """Open a page and wait until it is ready, or has failed: give its state."""
    with serves(hosting.server(folder, 0)) as address:
        tab.open(address)
        yield tab.wait(STATE)


def cards(tab: Tab, count: int) -> dict[str, dict[str, Any]]:
    """Wait for so many results, and give them by name."""
    tab.wait(f'document.querySelectorAll(".result ol").length === {count}')
    return {card["name"]: card for card in json.loads(tab.value(CARDS))}
