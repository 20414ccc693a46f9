"""The page holds what it was given, escaped, needs no other file, and a browser draws it on a telephone too."""

import base64
import io
import json
import os
import re
from dataclasses import replace
from datetime import UTC, datetime
from html import escape
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from kres.export import Timing
from kres.export.files.errors import ArtifactError
from kres.export.formats import FORMATS
from kres.export.losses import LayerError
from kres.export.page import Artifact, Earlier, Page, html, write_page
from kres.export.page.answers import confusion_matrix
from kres.export.page.charts import Bar, bars, line_chart, ticks
from kres.export.page.document import STYLE
from kres.export.page.words import verdict
from kres.export.proof.comparison import measure
from kres.export.proof.reports import Change, Reference, Report, RuntimeReport
from kres.preprocessing import Preprocess
from tests.export.chromium import chromium
from tests.export.classifiers import SIZE, Classifier

CLASSES = 10
N = 599
BAD = "top-1 loses 3 of 599 images"


@pytest.fixture
def evidence(classifiers):
    return page(classifiers)


def reference(preprocess: Preprocess | None = None) -> Reference:
    """Answers that are right but for 2 %, on images that are the same but for their brightness."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, N)
    best = np.where(rng.random(N) < 0.02, rng.integers(0, CLASSES, N), labels)
    outputs = rng.uniform(0, 0.05, (N, CLASSES))
    outputs[np.arange(N), best] = 1
    images = np.broadcast_to(np.linspace(-1, 1, N)[:, None, None, None], (N, SIZE, SIZE, 3))
    probabilities = outputs / outputs.sum(1, keepdims=True)
    return Reference(images=images, labels=labels, outputs=probabilities, preprocess=preprocess)


def artifact(path, name: str, *, passed: bool = True, changed=(), **found) -> Artifact:
    report = Report(
        path=str(path),
        format=name,
        n=N,
        passed=passed,
        reason="" if passed else BAD,
        tolerance=FORMATS[name].tolerance,
        size_bytes=path.stat().st_size if path.is_file() else 2_400_000,
        agreement=1 - len(changed) / N,
        max_difference=1e-5,
        top1=0.9933,
        top1_keras=0.98,
        changed=tuple(changed),
        **found,
    )
    timing = Timing(
        path=str(path),
        format=name,
        threads=2,
        runs=20,
        median_ms=len(name) / 3,
        low_ms=len(name) / 4,
        high_ms=len(name) / 2,
        size_bytes=report.size_bytes or 0,
        peak_bytes=None,
    )
    return Artifact(report=report, timing=timing if passed else None)


def page(classifiers: dict[str, Classifier], *, title: str = "ResNet-20 on digits") -> Page:
    """A page with every section, of real files."""
    answered = reference(classifiers["float32"].preprocess)
    keras = answered.outputs.argmax(1)
    changed = [Change(7, int(keras[7]), int(keras[7] + 1) % CLASSES), Change(9, int(keras[9]), 3)]
    layers = [LayerError(name=f"stage1_block{i}_conv1", snr_db=40.0 - 1.3 * i) for i in range(25)]
    layers.append(LayerError(name="predictions", snr_db=300.0))
    rows = (
        RuntimeReport(runtime="tf.lite 2.21, x86_64", passed=True, reason="", agreement=1.0, apart=(0.0, 0.0, 0.25)),
        RuntimeReport(
            runtime="tflite-runtime 2.14", passed=True, reason="", max_difference=2e-3, apart=(0.0, 0.0, 0.125)
        ),
        RuntimeReport(runtime="another_runtime_1.0", passed=False, reason="it ends", apart=(0.25, 0.125, None)),
    )
    unmade = replace(
        artifact(classifiers["onnx"].path, "weight_int4", passed=False).report,
        path=None,
        size_bytes=None,
        reason="a_layer_with_a_long_name/and_a_path " * 3,
        agreement=None,
        max_difference=None,
        top1=None,
    )
    history = [
        {
            "epoch": float(i),
            "loss": 2 / (i + 1),
            "accuracy": 1 - 0.9 / (i + 1),
            "test_accuracy": i / 40 if i % 5 else None,
        }
        for i in range(40)
    ]
    return Page(
        title=title,
        facts={"recipe": "cifar_resnet20", "test accuracy": "99.33 %", "seed": "0"},
        artifacts=[
            artifact(classifiers["saved_model"].path, "saved_model"),
            artifact(classifiers["float32"].path, "float32", changed=changed[:1]),
            artifact(
                classifiers["uint8"].path,
                "int8",
                changed=changed,
                layers=tuple(layers),
                kept_float=("stem_conv1", "stage4_block2_conv3"),
                runtimes=rows,
            ),
            artifact(classifiers["onnx"].path, "onnx"),
            artifact(classifiers["int8"].path.with_name("worse.int8.tflite.rejected"), "dynamic", passed=False),
            Artifact(report=unmade),
        ],
        reference=answered,
        class_names=[f"class {i}" for i in range(CLASSES)],
        history=history,
        earlier=[
            Earlier(
                path=classifiers["int8"].path.with_name("an_earlier_file.weight_int4.tflite.previous"),
                made=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
                size_bytes=123_456,
                passed=False,
                reason="it is not the file that was verified",
            )
        ],
    )


class Parsed(HTMLParser):
    """Checks that every element that opens also closes, in order, and gathers what a reader of the page is told."""

    VOID = frozenset({"meta", "img", "line", "polyline", "wbr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        assert tag != "img" or named["alt"]
        assert tag != "svg" or named["aria-label"]
        assert tag != "th" or named.get("scope")
        assert not {"src", "href"} & set(named) or named["src"].startswith("data:")
        assert not any(name.startswith("on") for name in named)
        self.ids += [named["id"]] if "id" in named else []
        self.tags.add(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert tag in self.VOID

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def section(text: str, name: str) -> str:
    """The HTML of one section, or nothing."""
    found = re.search(rf'(?s)<section class="{name}".*?</section>', text)
    return found[0].replace("<wbr>", "") if found else ""


def test_page_is_whole_and_needs_nothing_else(evidence):
    text = html(evidence)
    parsed = Parsed(text)
    assert not {"script", "link", "iframe", "object", "form"} & parsed.tags
    assert len(parsed.ids) == len(set(parsed.ids)) == 10
    assert not re.search(r"https?://|@import|url\(", text)
    assert "default-src 'none'" in text
    picture = base64.b64decode(re.search(r"base64,([^\"]+)", text)[1])
    assert picture.startswith(b"\x89PNG")


def test_artifacts_show_what_was_measured_and_why_one_was_rejected(evidence):
    text = html(evidence)
    rows = re.findall(r'(?s)<tr role="row"><th scope="row" role="rowheader">.*?</tr>', section(text, "artifacts"))
    assert len(rows) == 7 and "made 2026-01-02 03:04 UTC" in rows[6]
    for row, one in zip(rows[:5], evidence.artifacts[:5], strict=True):
        assert one.name in row and "99.33 %" in row and f"{100 * one.report.agreement:.2f} %" in row
        assert ("✓ passed" in row) == one.report.passed
    assert f"✗ rejected: {BAD}" in rows[4]
    assert "✗ not made: a_layer_with" in rows[5] and "weight_<wbr>int4" not in section(text, "size")
    assert "worse" not in section(text, "usage") and "worse" not in section(text, "latency")
    assert "worse" in section(text, "size")
    for one in evidence.artifacts[:4]:
        assert f"{one.timing.median_ms:.3g} ms" in section(text, "latency")
        assert f"{one.report.size_bytes / 1e6:.2f} MB" in section(text, "size")


def test_a_reason_is_text():
    assert "loses &lt;2&gt; of 9" in verdict("loses <2> of 9", passed=False)


def test_each_runtime_has_its_row(evidence):
    rows = re.findall(r"(?s)<tr role=.row.><th scope=.row.*?</tr>", section(html(evidence), "runtimes"))
    assert len(rows) == 3 and all("uint8.int8.tflite" in row for row in rows)
    found = [re.findall(r'data-label="[^"]+">(.*?)</td>', row) for row in rows]
    assert found[0] == ["tf.lite 2.21, x86_64", "100.00 %", "-", "2.5e-01", '<span class="good">✓ passed</span>']
    assert [cells[2:4] for cells in found[1:]] == [["2.0e-03", "1.2e-01"], ["-", "2.5e-01"]]
    assert "✗ failed: it ends" in found[2][4]
    alike = RuntimeReport(runtime="a", passed=True, reason="", apart=(0.0, 0.0))
    one = evidence.artifacts[2]
    again = replace(one, report=replace(one.report, runtimes=(alike, replace(alike, runtime="b"))))
    assert section(html(replace(evidence, artifacts=[again])), "runtimes").count('from the others">0<') == 2
    alone = replace(one, report=replace(one.report, runtimes=(alike,)))
    text = section(html(replace(evidence, artifacts=[alone])), "runtimes")
    assert "<tr" not in text and "In a alone, with the figures above: <code>uint8.int8.tflite</code>" in text


def test_changed_answers_are_counted_with_what_they_cost(evidence):
    keras, labels = evidence.reference.outputs.argmax(1), evidence.reference.labels
    text = section(html(evidence), "changes")
    rows = re.findall(r"(?s)<tr role=.row.><th scope=.row.*?</tr>", text)
    assert ["1 of 599" in rows[0], "2 of 599" in rows[1], len(rows)] == [True, True, 2]
    same = text.split("The Keras model's answer to every image: ")[1]
    assert "saved_model.saved_model" in same and "worse" in same and "int8.tflite" not in same.replace("worse.int8", "")
    lost = sum(int(keras[row] == labels[row]) for row in (7, 9))
    assert f'data-label="right to wrong">{lost}<' in rows[1]
    assert f"class {keras[7]} → class {(keras[7] + 1) % CLASSES}</li>" in rows[1]


def test_examples_begin_with_the_answers_that_changed(evidence):
    text = section(html(evidence), "examples")
    figures = re.findall(r"(?s)<figure.*?</figure>", text)
    assert len(figures) == 12
    labels, keras = evidence.reference.labels, evidence.reference.outputs.argmax(1)
    assert f"label <b>class {labels[7]}</b>" in figures[0]
    assert re.findall(r"[✓✗] (class \d)</span> ([^<]+)", figures[0]) == [
        (f"class {keras[7]}", "Keras, saved_model, onnx, dynamic"),
        (f"class {(keras[7] + 1) % CLASSES}", "float32, int8"),
    ]
    assert re.findall(r"</span> ([^<]+)", figures[-1]) == ["Keras and every artifact"]


@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_pictures_are_the_images_before_they_were_normalised(order):
    preprocess = Preprocess(size=SIZE, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), order=order)
    pixels = np.random.default_rng(0).integers(0, 256, (1, SIZE, SIZE, 3), np.uint8)
    inputs = np.asarray(preprocess(pixels))
    for images, expected in ((inputs, pixels), (100 * abs(inputs) + 9, np.full_like(pixels, 255))):
        given = Reference(images=images, labels=np.zeros(1, int), outputs=np.eye(2)[:1], preprocess=preprocess)
        content = re.search(r"base64,([^\"]+)", html(Page(title="t", artifacts=(), reference=given)))[1]
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(content)))), expected[0])


def test_layers_with_the_lowest_ratio_come_first_and_all_can_be_unfolded(evidence):
    text = section(html(evidence), "layers")
    shown, unfolded = text.split("<details>")
    assert re.findall(r"\d+\.\d dB", shown)[:2] == ["8.8 dB", "10.1 dB"] and shown.count("<tr>") == 20
    assert unfolded.count("<tr>") == 26 and "exact" in unfolded and "uint8.int8.tflite" in shown
    own = (LayerError(name="a", snr_db=20.0, own_snr_db=40.0), LayerError(name="b", snr_db=10.0, own_snr_db=50.0))
    one = evidence.artifacts[2]
    given = replace(evidence, artifacts=[replace(one, report=replace(one.report, layers=own))])
    shown, unfolded = section(html(given), "layers").split("<details>")
    assert re.findall(r"\d+\.\d dB", shown) == ["40.0 dB", "50.0 dB"] and "of exact inputs" in shown
    assert re.findall(r"\d+\.\d dB", unfolded) == ["20.0 dB", "10.0 dB"]
    assert "In float32 stay: <code>stem_conv1</code>, <code>stage4_block2_conv3</code>" in unfolded


def test_snippets_stand_with_the_files_that_they_load(evidence):
    text = section(html(evidence), "usage")
    heads = re.findall(r"<h3>(.*?)</h3>", text)
    assert [re.findall(r"<code>(.*?)</code>", head) for head in heads] == [
        ["saved_model.saved_model"],
        ["float32.float32.tflite"],
        ["uint8.int8.tflite"],
        ["onnx.onnx"],
    ]
    languages = re.findall(r"<summary>([A-Z].*?)</summary>", text)
    tflite = ["Python", "Kotlin (Android)", "Swift (iOS)", "C++", "JavaScript (browser)"]
    assert languages == ["Python", *tflite * 2, "Python", "JavaScript (browser)"]
    assert "pip install onnxruntime" in text and "signature <code>serving_bytes" not in text
    assert "RGB pixels of 0..1, less 0.5, 0.4, 0.6, divided by 0.5, 0.3, 0.4" in text
    assert "class 0\nclass 1\n" in text


def test_a_saved_model_that_reads_image_files_is_given_those(classifiers):
    given = replace(page(classifiers), artifacts=[artifact(classifiers["image files"].path, "saved_model")])
    text = section(html(given), "usage")
    assert "signature <code>serving_bytes</code> takes the bytes of image files" in text
    assert "serve(image_bytes=" in text and "resize(" not in text


def test_a_language_without_the_type_says_so(classifiers):
    given = replace(page(classifiers), artifacts=[artifact(classifiers["int8"].path, "int8")])
    assert "no tensors of int8 there" in section(html(given), "usage")


def test_files_that_are_used_in_one_way_share_their_snippets(classifiers):
    path = classifiers["float32"].path
    twin = path.with_name("twin.tflite")
    twin.write_bytes(path.read_bytes())
    artifacts = [artifact(path, "float32"), artifact(twin, "float16")]
    text = section(html(replace(page(classifiers), artifacts=artifacts)), "usage")
    assert len(re.findall("<h3>", text)) == 1 and text.count("<summary>Python") == 1 and "twin.tflite" in text
    artifacts[1] = artifact(classifiers["pixels"].path, "float32")
    text = section(html(replace(page(classifiers), artifacts=artifacts)), "usage")
    assert len(re.findall("<h3>", text)) == 2 and "RGB pixels of 0..255" in text


def test_text_is_escaped(classifiers):
    name = '<script>alert("1")</script>'
    given = page(classifiers, title=name)
    text = html(replace(given, class_names=[name] * CLASSES, facts={name: name}))
    assert "<script" not in text and escape(name) in text


def test_sections_without_data_are_left_out(classifiers):
    bare = html(Page(title="t", artifacts=[replace(artifact(classifiers["float32"].path, "float32"), timing=None)]))
    assert re.findall(r"<h2 id=\"(\w+)\"", bare) == ["artifacts", "size", "changes", "usage"]
    assert "<summary>" not in bare, "without a preprocess no snippet can be right"
    assert "does not know its classes' names" in bare
    features = Reference(images=np.zeros((2, 4, 4, 3)), labels=np.zeros(2, int), outputs=np.zeros((2, 2, 2, 8)))
    text = html(replace(page(classifiers), reference=features, artifacts=()))
    assert not section(text, "confusion") and not section(text, "examples")
    given = page(classifiers)
    unlabelled = html(replace(given, reference=replace(given.reference, labels=None)))
    assert not section(unlabelled, "confusion") and not section(unlabelled, "examples")
    assert 'data-label="right to wrong">-<' in section(unlabelled, "changes")


def test_long_names_of_classes_stand_on_end(evidence):
    assert '<table class="matrix long">' in html(evidence)
    assert '<table class="matrix">' in html(replace(evidence, class_names=[str(i) for i in range(CLASSES)]))


def test_many_classes_become_a_list_of_confusions():
    labels = np.repeat(np.arange(100), 9)
    answers = labels.copy()
    answers[27:31] = 8
    images = np.zeros((900, 2, 2, 3), np.float32)
    given = Reference(images=images, labels=labels, outputs=np.eye(100)[answers])
    text = html(Page(title="t", artifacts=(), reference=given, class_names=[f"class{i}" for i in range(100)]))
    assert "class3 taken for class8: 4" in text and 'matrix"' not in text


def test_large_pictures_are_jpegs(classifiers):
    preprocess = classifiers["float32"].preprocess
    images = np.zeros((1, 80, 80, 3))
    large = Reference(images=images, labels=np.zeros(1, int), outputs=np.eye(2)[:1], preprocess=preprocess)
    text = html(Page(title="t", artifacts=(), reference=large))
    assert "data:image/jpeg;base64,/9j/" in text


def test_confusion_matrix_counts_every_image():
    counts = confusion_matrix(np.array([0, 1, 1, 2]), np.array([0, 2, 2, 2]), 3)
    np.testing.assert_array_equal(counts, [[1, 0, 0], [0, 0, 2], [0, 0, 1]])


def test_changed_answers_travel_in_the_report():
    given = Reference(images=np.zeros((4, 1)), labels=None, outputs=np.eye(3)[[0, 1, 2, 2]])
    found = measure(given, np.eye(3)[[0, 2, 2, 1]], logits=False)
    assert found["changed"] == (Change(1, 1, 2), Change(3, 2, 1)) and found["agreement"] == 0.5
    assert json.loads(json.dumps(found["changed"])) == [[1, 1, 2], [3, 2, 1]]


def test_bars_are_as_long_as_their_values():
    text = bars([Bar("a", 2, "2 ms", low=1, high=4), Bar("b", 1, "1 ms"), Bar("c", -3, "none")], title="t")
    assert re.findall(r'<b style="width:([\d.]+)%"', text) == ["50.0", "25.0", "0.0"]
    assert '<i style="left:25.0%;width:75.0%">' in text
    assert bars([], title="t") == ""
    assert "nan" not in bars([Bar("a", 0, "0"), Bar("b", np.inf, "∞")], title="t")


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.913, 0.9987), (3, 3), (-2, 7), (1e-6, 2e-6), (0, 123456)])
def test_ticks_are_round_and_reach_over_the_data(low, high):
    found = ticks(low, high)
    assert found[0] <= low and found[-1] >= high
    assert 2 <= len(found) <= 12
    np.testing.assert_allclose(np.diff(found), found[1] - found[0])


def test_chart_places_points_inside_its_frame():
    chart = line_chart({"a": [(0, 0.0), (10, 5.0)], "none": []}, title="t", x_label="x")
    numbers = [tuple(map(float, pair.split(","))) for pair in re.search(r'points="([^"]+)"', chart)[1].split()]
    assert all(0 <= x <= 560 and 0 <= y <= 260 for x, y in numbers) and "none" not in chart
    with pytest.raises(ValueError, match="at least one point"):
        line_chart({"a": []}, title="t", x_label="x")


def test_failed_write_leaves_the_old_page(evidence, tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    write_page(evidence, path)
    before = path.read_text()
    with pytest.raises(ArtifactError, match="no such artifact"):
        write_page(replace(evidence, artifacts=[artifact(tmp_path / "gone.tflite", "float32")]), path)
    monkeypatch.setattr("pathlib.Path.replace", lambda *paths: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_page(evidence, path)
    assert path.read_text() == before and os.listdir(tmp_path) == ["report.html"]


def luminance(colour: str) -> float:
    """The relative luminance of #rgb or #rrggbb, by WCAG 2.2."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    values = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in values]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


@pytest.mark.parametrize("scheme", [0, 1, 2], ids=["light", "dark", "print"])
def test_text_stands_out_from_its_ground(scheme):
    """WCAG 2.2's 4.5 to 1 (criterion 1.4.3)."""
    declared = re.findall(r":root \{(.*?)\}", STYLE.read_text(), re.DOTALL)[scheme]
    colours = dict(re.findall(r"--(\w+): (#\w+)", declared))
    for ground in ("back", "card", "code"):
        for text in ("text", "soft", "good", "bad"):
            high, low = sorted((luminance(colours[ground]), luminance(colours[text])), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= 4.5, (text, ground)


# The page's width, the screen's, and what sticks out and does not scroll by itself.
MEASURED = """
(() => {
  const page = document.documentElement;
  const out = [...page.querySelectorAll("main *")].filter(
      (one) => one.getBoundingClientRect().right > page.clientWidth + 1 && !one.closest(".scroll, pre, thead"));
  return [page.clientWidth, page.scrollWidth, out.map((one) => one.tagName + "." + one.className)];
})()
"""


def test_a_browser_draws_it_on_every_screen_and_loads_nothing(evidence, tmp_path):
    path = tmp_path / "report.html"
    write_page(replace(evidence, title="a_name_that_no_browser_can_break_" * 4), path)
    with chromium(tmp_path / "profile", "--hide-scrollbars") as tab:
        tab.open(path.as_uri())
        assert [address for address in tab.requests if not address.startswith("data:")] == [path.as_uri()]
        assert not tab.errors
        tab.value("document.querySelectorAll('details').forEach((one) => one.open = true)")
        for width in (320, 360, 800, 962, 1240):
            screen = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
            tab.send("Emulation.setDeviceMetricsOverride", **screen)
            assert tab.value(MEASURED) == [width, width, []]
        for scheme in ("light", "dark"):
            tab.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            shot = base64.b64decode(tab.send("Page.captureScreenshot")["data"])
            drawn = Image.open(io.BytesIO(shot)).convert("RGB")
            # Text and coloured bars: a blank or broken page has a handful of colours.
            assert len(drawn.getcolors(maxcolors=1 << 24)) > 100
            assert (drawn.getpixel((2, 2))[0] > 128) == (scheme == "light")
