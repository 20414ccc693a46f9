"""The page holds what it was given, escaped, needs no other file, and a browser draws it."""

import base64
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest

from kres.export.charts import line_chart, ticks
from kres.export.reporting import Example, Page, Row, confusion_matrix, html, write_html
from tests.support import skip_or_fail


def page(*, title: str = "ResNet-20 on digits") -> Page:
    """A small page with every section."""
    formats = {"saved_model": 1.4e6, "float32": 1.1e6, "float16": 5.5e5, "dynamic": 2.9e5, "int8": 3.0e5}
    rows = [
        Row(
            artifact=f"m.{name}",
            format=name,
            size_bytes=int(size),
            ms=size / 1e6,
            top1=0.9933,
            agreement=0.998,
            passed=name != "int8",
            reason="top-1 loses 3 of 599 images" if name == "int8" else "",
        )
        for name, size in formats.items()
    ]
    history = [
        {
            "epoch": float(i),
            "loss": 2 / (i + 1),
            "accuracy": 1 - 0.9 / (i + 1),
            "test_accuracy": 0.9 if i % 5 == 0 else None,
        }
        for i in range(40)
    ]
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 599)
    predictions = np.where(rng.random(599) < 0.02, rng.integers(0, 10, 599), labels)
    examples = [
        Example(
            image=rng.integers(0, 255, (32, 32, 3), np.uint8),
            label="7",
            predictions={"Keras": "7", "int8": "1" if i == 2 else "7"},
        )
        for i in range(6)
    ]
    return Page(
        title=title,
        facts={"recipe": "cifar_resnet20", "test accuracy": "99.33 %", "seed": "0"},
        rows=rows,
        history=history,
        confusion=confusion_matrix(labels, predictions, 10),
        class_names=[str(i) for i in range(10)],
        examples=examples,
    )


class Balance(HTMLParser):
    """Checks that every element that opens also closes, in order."""

    VOID = frozenset({"meta", "img", "line", "polyline"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        assert tag != "img" or dict(attrs)["alt"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert tag in self.VOID

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_page_is_whole_and_needs_nothing_else():
    text = html(page())
    parser = Balance()
    parser.feed(text)
    assert not parser.open
    assert not re.search(r"https?://|@import|<script|<link|src=\"(?!data:)", text)
    for words in ("99.33 %", "m.dynamic", "top-1 loses 3 of 599 images", "✗ 1", "Confusion matrix", "Accuracy"):
        assert words in text
    picture = base64.b64decode(re.search(r"base64,([^\"]+)", text)[1])
    assert picture.startswith(b"\x89PNG")


def test_text_is_escaped():
    text = html(page(title="<script>alert(1)</script>"))
    assert "<script" not in text and "&lt;script&gt;" in text


def test_sections_without_data_are_left_out():
    text = html(Page(title="t", facts={}, rows=page().rows))
    assert "Training" not in text and "Confusion" not in text and "Examples" not in text


def test_many_classes_become_a_list_of_confusions():
    counts = np.diag(np.full(100, 9))
    counts[3, 8] = 4
    text = html(Page(title="t", facts={}, rows=(), confusion=counts, class_names=[f"class{i}" for i in range(100)]))
    assert "class3 taken for class8: 4" in text and 'matrix"' not in text


def test_confusion_matrix_counts_every_image():
    counts = confusion_matrix(np.array([0, 1, 1, 2]), np.array([0, 2, 2, 2]), 3)
    np.testing.assert_array_equal(counts, [[1, 0, 0], [0, 0, 2], [0, 0, 1]])


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


def test_failed_write_leaves_the_old_page(tmp_path):
    path = tmp_path / "report.html"
    write_html(page(), path)
    before = path.read_text()
    broken = Page(title="t", facts={}, rows=(), examples=[Example(image=np.zeros((2, 2)), label="", predictions={})])
    with pytest.raises(Exception, match="image"):
        write_html(broken, path)
    assert path.read_text() == before and os.listdir(tmp_path) == ["report.html"]


def test_a_browser_draws_it(tmp_path):
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        skip_or_fail("Chromium is not installed")
    write_html(page(), tmp_path / "report.html")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    size = ["--window-size=1100,1900", f"--screenshot={tmp_path / 'page.png'}"]
    subprocess.run(
        [browser, *flags, *size, f"file://{tmp_path / 'report.html'}"], check=True, capture_output=True, timeout=120
    )
    import tensorflow as tf

    picture = tf.io.decode_png((tmp_path / "page.png").read_bytes()).numpy()
    # Text, lines and a coloured matrix: a blank or broken page has a handful of colours.
    assert len(np.unique(picture.reshape(-1, picture.shape[-1]), axis=0)) > 100
