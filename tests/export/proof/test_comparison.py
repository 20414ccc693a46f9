"""A difference is measured where it shows, and judged by the images that it costs."""

import numpy as np
import pytest

from kres import export
from kres.export.formats import FORMATS, Tolerance
from kres.export.proof.comparison import is_probability, judge, judge_all, measure, with_advice
from kres.export.proof.reports import Answers, Reference


def test_logits_come_back_from_probabilities():
    """A softmax of 1.0 hides an error of a logit; its logarithm shows it."""
    logits = np.array([[30.0, 5, 0], [0, 1, 2]], np.float32)
    wrong = logits + np.array([[0, 3, 0], [0, 0, 0]], np.float32)
    softmax = [np.exp(x) / np.exp(x).sum(1, keepdims=True) for x in (logits, wrong)]
    assert np.abs(softmax[0] - softmax[1]).max() < 1e-9
    reference = Reference(images=np.zeros((2, 1, 1, 1)), labels=None, outputs=softmax[0])
    centred = [x - x.mean(1, keepdims=True) for x in (logits, wrong)]
    expected = np.abs(centred[1] - centred[0]).max() / np.abs(centred[0]).max()
    assert measure(reference, softmax[1], logits=True)["max_difference"] == pytest.approx(expected, rel=1e-5)


def test_rounding_of_flat_probabilities_is_no_difference():
    """A deep untrained net answers 0.1 for each of ten classes: its logits are known no better than 0.1 is rounded."""
    rng = np.random.default_rng(0)
    outputs = (0.1 + rng.normal(0, 1e-5, (64, 10))).astype(np.float32)
    reference = Reference(images=np.zeros((64, 1, 1, 1)), labels=None, outputs=outputs)
    rounded = np.nextafter(outputs, np.where(rng.random(outputs.shape) < 0.5, 0, 1).astype(np.float32))
    tolerance = FORMATS["float32"].tolerance
    assert judge(reference, [rounded], tolerance, path=__file__, name="float32").passed
    shifted = outputs + np.eye(10, dtype=np.float32)[rng.integers(0, 10, 64)] * 2e-6
    assert not judge(reference, [shifted], tolerance, path=__file__, name="float32").passed


def test_is_probability():
    assert is_probability(np.array([[0.2, 0.8], [1, 0]]))
    assert not is_probability(np.array([[0.2, 0.8], [1, 0.5]]))
    assert not is_probability(np.array([[-0.5, 1.5]]))


def outcome(*, n: int, flips: int, sure: float = 0.98, labels: bool, max_drop: float | None = None) -> export.Report:
    """Judge outputs that differ from the reference's in the top-1 of `flips` images, in all of them for the worse."""
    ours = np.full((n, 3), (1 - sure) / 2, np.float32)
    ours[:, 0] = sure
    theirs = ours.copy()
    theirs[:flips] = theirs[:flips, ::-1]
    reference = Reference(images=np.zeros((n, 1, 1, 1)), labels=np.zeros(n, int) if labels else None, outputs=ours)
    tolerance = FORMATS["int8"].tolerance.allowing(max_drop)
    return judge(reference, [theirs], tolerance, path=__file__, name="int8")


@pytest.mark.parametrize("labels", [True, False])
@pytest.mark.parametrize(("n", "allowed"), [(64, 1), (599, 1), (2000, 6)])
def test_top1_may_lose_three_in_a_thousand_or_one_image(labels, n, allowed):
    for flips, passed in ((allowed, True), (allowed + 1, False)):
        report = outcome(n=n, flips=flips, labels=labels)
        assert report.passed is passed
        assert report.agreement == pytest.approx(1 - flips / n)


@pytest.mark.parametrize(
    ("max_drop", "n", "allowed"),
    [(0.7, 1000, 7), (1.4, 500, 7), (1.4, 1000, 14), (0.58, 5000, 29), (0.29, 10000, 29), (0.35, 1000, 3)],
)
def test_a_share_of_the_images_is_rounded_as_in_decimals(max_drop, n, allowed):
    """0.7 / 100 * 1000 is 6.999999999999999 in float64."""
    assert outcome(n=n, flips=allowed, labels=True, max_drop=max_drop).passed
    worse = outcome(n=n, flips=allowed + 1, labels=True, max_drop=max_drop)
    assert f"top-1 loses {allowed + 1} of {n:,} images, and may lose {allowed} (" in worse.reason


@pytest.mark.parametrize(
    ("n", "flips", "labels", "words"),
    [
        (599, 3, True, "top-1 loses 3 of 599 images, and may lose 1 (that may be chance, which makes about 2 more or"),
        (599, 400, True, "top-1 loses 400 of 599 images, and may lose 1;"),
        (50_000, 1230, True, "top-1 loses 1,230 of 50,000 images, and may lose 150"),
        (599, 3, False, "top-1 is expected to lose 2.9 of 599 images, and may lose 1.8 (that may be chance"),
    ],
)
def test_a_loss_is_told_in_images_and_called_chance_only_where_it_may_be(n, flips, labels, words):
    assert outcome(n=n, flips=flips, labels=labels).reason.startswith(words)


def test_only_of_a_file_that_loses_something_is_advised():
    ours = np.eye(40, 3, dtype=np.float32) + 0.1
    reference = Reference(images=np.zeros((40, 1, 1, 1)), labels=None, outputs=ours)
    answers = {"good": ours, "bad": -ours, "broken": np.full_like(ours, np.nan)}
    for names, advised in ((("good",), False), (("good", "bad"), True), (("broken",), False)):
        given = [Answers(runtime=name, outputs=(answers[name],)) for name in names]
        report = judge_all(reference, given, FORMATS["int8"].tolerance, path=__file__, name="int8")
        assert report.reason.count("Try") == 0
        assert with_advice(report, "Try this").reason.endswith(". Try this") is advised
        assert with_advice(report, "") == report


def test_a_flip_between_near_ties_costs_little():
    # 20 flips, each of 0.34 to 0.33: two tenths of an image in all, where a sure model would have lost twenty.
    report = outcome(n=599, flips=20, sure=0.34, labels=False)
    assert report.passed and report.lost == pytest.approx(0.2, abs=1e-3)


def test_nan_is_always_rejected():
    outputs = np.eye(4, dtype=np.float32)
    reference = Reference(images=np.zeros((4, 1, 1, 1)), labels=None, outputs=outputs)
    bad = outputs.copy()
    bad[2, 1] = np.nan
    report = judge(reference, [bad], Tolerance(relative=1e9, cosine=-2.0), path=__file__, name="float32")
    assert not report.passed and "NaN or infinity on 1 of 4" in report.reason
    assert report.max_difference is None


def test_constant_answers_are_not_alike():
    """A file that answers the same for every image is refused, though an unsure model hardly loses by it."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1e-3, (64, 5))
    softmax = (np.exp(logits) / np.exp(logits).sum(1, keepdims=True)).astype(np.float32)
    reference = Reference(images=np.zeros((64, 1, 1, 1)), labels=None, outputs=softmax)
    report = judge(reference, [np.full_like(softmax, 0.2)], FORMATS["int8"].tolerance, path=__file__, name="int8")
    assert not report.passed and "cosine" in report.reason
