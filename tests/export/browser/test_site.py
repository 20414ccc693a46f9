"""The page answers in a real browser as Python does, draws on nothing else, and says in words what it cannot do."""

import base64
import json
from collections.abc import Callable, Iterator
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from kres import export
from kres.export import formats
from kres.export.browser import litert_js
from kres.export.files import metadata
from kres.export.post_training.quantize import quantize
from kres.export.runtimes.session import opened
from kres.preprocessing import Preprocess
from tests.export.chromium import Tab, chromium
from tests.export.pages import CLASSES, PREPROCESS, SIZE, STATE, cards, lively, on_pixels, opened_page, serves
from tests.support import skip_or_fail

# The network's own size, photographs' shapes both ways, and one that has to grow.
SHAPES = ((32, 32), (61, 40), (45, 90), (20, 27))
CAMERA = ("--use-fake-device-for-media-stream",)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> dict[str, np.ndarray]:
    """Twenty PNGs by their paths: a colour, a slope and some noise each, so that their classes differ."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    found = {}
    for number in range(20):
        height, width = SHAPES[number % len(SHAPES)]
        slope = np.linspace(0, 1, width)[None, :, None] * rng.uniform(-120, 120, 3)
        levels = rng.uniform(0, 255, 3) + slope + rng.normal(0, 30, (height, width, 3))
        image = np.clip(levels, 0, 255).astype(np.uint8)
        path = folder / f"{number:02}.png"
        Image.fromarray(image).save(path)
        found[str(path)] = image
    return found


KINDS = {
    "float32": {},
    "float32, raw pixels, logits": {"pixels": True, "activation": None},
    "int8, float32 at its ends": {"io": "float32"},
    "int8": {"io": "int8"},
    "uint8, raw pixels": {"io": "uint8", "pixels": True},
    "int16x8": {"quantization": "int16x8"},
    "weight_int4": {"quantization": "weight_int4"},
}


@pytest.fixture(scope="module")
def artifact(pictures, tmp_path_factory) -> Callable[..., tuple[keras.Model, Path]]:
    """Export one of the kinds of file that a page runs, once: its model, and its path."""

    @cache
    def make(
        *,
        io: str | None = None,
        pixels: bool = False,
        activation: str | None = "softmax",
        quantization: str | None = None,
    ):
        model = lively(activation=activation)
        squares = np.stack([PREPROCESS.image_to_square(image).numpy() for image in pictures.values()])
        squares = np.concatenate([squares, squares[:, ::-1]]).astype(np.float32)  # 40: a top-1 takes 32
        images = squares if pixels else np.asarray(PREPROCESS(squares))
        written = on_pixels(model) if pixels and io is not None else model
        path = tmp_path_factory.mktemp("artifact") / "small.tflite"
        # How well an untrained network is quantized is not the matter here.
        if quantization is not None:
            formats.FORMATS[quantization].write(written, path, formats.Options(calibration=images))
        elif io is None:
            export.tflite(model, path, images=squares.astype(np.uint8), pixels=pixels)
        else:
            quantized = quantize(written, images, export.PostTraining())
            formats.int8(written, path, formats.Options(quantized=quantized, io=io))
        return model, path

    return make


@pytest.fixture(scope="module")
def litert() -> Path:
    """LiteRT.js itself, from the cache or by npm."""
    try:
        return litert_js.fetch()
    except OSError as error:
        skip_or_fail(f"LiteRT.js cannot be had: {error}")


@pytest.fixture(scope="module")
def tab(tmp_path_factory) -> Iterator[Tab]:
    with chromium(tmp_path_factory.mktemp("profile"), *CAMERA) as found:
        yield found


@pytest.fixture(scope="module")
def page(artifact, litert, tmp_path_factory) -> Path:
    """The page of the float32 file."""
    model, path = artifact()
    names = [f"class {index}" for index in range(CLASSES)]
    return export.web_page(model, path, tmp_path_factory.mktemp("page") / "page", labels=names, litert=litert)


@pytest.mark.parametrize("kind", KINDS)
def test_the_browser_answers_as_python_does(kind, artifact, pictures, litert, tab, tmp_path):
    model, path = artifact(**KINDS[kind])
    told = metadata.normalisation(path) is not None  # where it is, the page needs no word of ours
    pixels = None if told else "raw pixels" in kind
    folder = export.web_page(model, path, tmp_path / "page", litert=litert, pixels=pixels)
    facts = json.loads((folder / "page.json").read_text())
    assert facts["pixels"] == ("raw pixels" in kind) and facts["probabilities"] == ("logits" not in kind)
    with opened_page(tab, folder) as state, opened(path) as session:
        assert state == "ready", tab.value("document.body.innerText")
        assert ("many times slower" in tab.value('document.getElementById("facts").textContent')) == (kind == "int16x8")
        tab.choose("#files", [Path(name) for name in pictures])
        found = cards(tab, len(pictures))
        assert not tab.errors and all(request.startswith("http://localhost:") for request in tab.requests)
        squares = {Path(name).name: PREPROCESS.image_to_square(image).numpy() for name, image in pictures.items()}
        answers = {
            name: session.answer(square.astype(np.float32) if facts["pixels"] else np.asarray(PREPROCESS(square)))
            for name, square in squares.items()
        }
    # Sums in another order; where values are quantized, a kernel may round either way: one step of 256, and two for
    # the softmax of what differs by one.
    tolerance = 1e-4 if kind.startswith(("float32", "weight")) else 2 / 256
    for name, answer in answers.items():
        expected = answer if facts["probabilities"] else softmax(answer)
        card = found[name]
        seen = np.frombuffer(base64.b64decode(card["square"]), np.uint8).reshape(SIZE, SIZE, 4)
        np.testing.assert_array_equal(seen[..., :3], squares[name])
        assert len(card["rows"]) == 5 and card["ms"] >= 0
        classes, scores = map(list, zip(*card["rows"], strict=True))
        np.testing.assert_allclose(scores, expected[classes], atol=tolerance, rtol=0)
        # The same top-1, unless two classes are nearer to one another than rounding.
        assert expected[classes[0]] >= expected.max() - tolerance
        assert card["labels"] == list(map(str, classes))  # without names, the classes' numbers
    assert len({card["rows"][0][0] for card in found.values()}) >= 3


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits.astype(float) - logits.max())
    return powers / powers.sum()


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest"])
def test_pictures_are_resized_to_the_bit(interpolation, page, tab):
    rng = np.random.default_rng(1)
    with opened_page(tab, page):
        for shape in ((50, 97), (140, 41), (9, 13), (32, 32), (200, 64), (33, 34)):
            image = rng.integers(0, 256, (*shape, 3), np.uint8)
            preprocess = Preprocess(size=30, crop=0.9, mean=(0,) * 3, std=(1,) * 3, interpolation=interpolation)
            facts = {"height": shape[0], "width": shape[1], "shorter": preprocess.shorter_side, "size": 30}
            facts["interpolation"] = interpolation
            bytes_ = base64.b64encode(image.tobytes()).decode()
            found = tab.value(
                f"import('/resize.js').then(({{resizeAndCrop}}) => btoa(String.fromCharCode(...resizeAndCrop("
                f"Uint8Array.from(atob('{bytes_}'), (c) => c.charCodeAt(0)), {json.dumps(facts)}))))"
            )
            seen = np.frombuffer(base64.b64decode(found), np.uint8).reshape(30, 30, 3)
            np.testing.assert_array_equal(seen, preprocess.image_to_square(image).numpy())


def test_files_are_dropped_and_one_is_no_picture(page, tab):
    drop = """(async () => {
        const picture = new OffscreenCanvas(40, 30);
        picture.getContext("2d").fillRect(0, 0, 20, 30);
        const files = new DataTransfer();
        files.items.add(new File(["no picture"], "notes.txt"));
        files.items.add(new File([await picture.convertToBlob()], "dropped.png"));
        dispatchEvent(new DragEvent("drop", {dataTransfer: files}));
    })()"""
    with opened_page(tab, page):
        tab.value(drop)
        tab.wait('document.querySelectorAll(".result").length === 2 && !!document.querySelector(".result ol")')
        assert "notes.txt: not a picture" in tab.value('document.querySelector(".result .alert").textContent')
        labels = tab.value('[...document.querySelectorAll(".result li > span:first-child")].map((s) => s.textContent)')
    assert len(labels) == 5 and all(label.startswith("class ") for label in labels)


def test_the_camera_is_watched_and_stopped(page, tab):
    press = 'document.getElementById("camera").click()'
    camera = "document.querySelector('.result[data-name=\"camera\"]')"
    with opened_page(tab, page):
        tab.send("Browser.grantPermissions", permissions=["videoCapture"])
        tab.value(press)
        tab.wait(f"{camera}?.querySelectorAll('li').length === 5")
        first = tab.value(f"{camera}.dataset.ms")
        tab.wait(f"{camera}.dataset.ms !== '{first}'")
        assert tab.value('document.getElementById("camera").getAttribute("aria-pressed")') == "true"
        tab.value(press)
        tab.wait('document.getElementById("video").hidden')
        assert tab.value('document.getElementById("error").hidden')


def test_a_refused_camera_is_told(page, tab):
    with opened_page(tab, page):
        tab.send("Browser.resetPermissions")
        tab.send("Browser.setPermission", permission={"name": "camera"}, setting="denied")
        tab.value('document.getElementById("camera").click()')
        tab.wait('!document.getElementById("error").hidden')
        assert "it was refused" in tab.value('document.getElementById("error").textContent')
        assert tab.value(STATE) == "ready"


def test_it_is_reached_by_keyboard_and_fits_a_phone(page, tab, pictures):
    with opened_page(tab, page):
        focused = []
        for _ in range(2):
            tab.press("Tab", code="Tab", number=9)
            focused.append(tab.value("document.activeElement.id"))
        assert focused == ["files", "camera"]
        tab.choose("#files", [Path(name) for name in list(pictures)[:2]])
        cards(tab, 2)
        tab.send("Emulation.setDeviceMetricsOverride", width=320, height=640, deviceScaleFactor=2, mobile=True)
        backs = []
        for scheme in ("light", "dark"):
            tab.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            backs.append(tab.value("getComputedStyle(document.body).backgroundColor"))
        width = tab.value("document.documentElement.scrollWidth")
        tab.send("Emulation.clearDeviceMetricsOverride")
        assert width == 320 and len(set(backs)) == 2


def test_any_web_server_will_do(page, tab, pictures):
    """Without the headers that isolate a page there are no threads, and the answers are the same."""

    class Plain(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    with serves(ThreadingHTTPServer(("127.0.0.1", 0), partial(Plain, directory=str(page)))) as address:
        tab.open(address)
        assert tab.wait(STATE) == "ready" and not tab.value("crossOriginIsolated")
        assert "1 thread." in tab.value('document.getElementById("status").textContent')
        tab.choose("#files", [Path(next(iter(pictures)))])
        cards(tab, 1)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda content: content[:5000], "damaged: 5000 of its"),
        (lambda content: bytes(reversed(content)), "LiteRT.js cannot run model.tflite"),
        (None, "model.tflite cannot be loaded: 404"),
    ],
)
def test_a_damaged_file_is_told(damage, words, page, tab):
    path = page / "model.tflite"
    content = path.read_bytes()
    try:
        path.unlink()
        if damage is not None:
            path.write_bytes(damage(content))
        with opened_page(tab, page) as state:
            assert state == "failed" and words in tab.value('document.getElementById("error").textContent')
            assert tab.value('document.getElementById("files").disabled')
    finally:
        path.write_bytes(content)


def test_a_browser_without_webassembly_is_told(page, tab):
    script = tab.send("Page.addScriptToEvaluateOnNewDocument", source="delete self.WebAssembly")["identifier"]
    try:
        with opened_page(tab, page) as state:
            assert state == "failed" and "no WebAssembly" in tab.value('document.getElementById("error").textContent')
    finally:
        tab.send("Page.removeScriptToEvaluateOnNewDocument", identifier=script)
