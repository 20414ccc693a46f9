"""Verification measures what is there, and refuses what is damaged, foreign or too little."""

import dataclasses
import shutil

import keras
import numpy as np
import pytest

from kres import export
from kres.export.artifacts import random_images
from kres.export.formats import FORMATS, Tolerance
from kres.export.inspection import artifact_format, inspect
from kres.export.session import ArtifactError, opened
from kres.export.verification import Reference, is_probability, judge, measure


@pytest.fixture(scope="module")
def tflite(model, images, tmp_path_factory):
    """A float32 file of the model."""
    path = tmp_path_factory.mktemp("verify") / "m.tflite"
    export.tflite(model, path, images=images)
    return path


@pytest.fixture(scope="module")
def saved(model, images, tmp_path_factory):
    """A SavedModel of the model."""
    path = tmp_path_factory.mktemp("verify") / "m"
    export.saved_model(model, path, images=images)
    return path


def test_images_of_every_kind_give_the_same_report(model, images, tflite):
    import tensorflow as tf

    labels = np.arange(64) % 5
    pairs = tf.data.Dataset.from_tensor_slices((images, labels)).batch(48)
    one_hot = [(image, np.eye(5)[label]) for image, label in zip(images, labels, strict=True)]
    expected = export.verify(model, tflite, images, labels)
    assert expected.passed and expected.top1 == expected.top1_keras
    for source in (pairs, one_hot):
        assert export.verify(model, tflite, source) == expected


def test_other_weights_of_the_same_shape_are_found(build_net, images, tflite, saved):
    other = build_net(seed=7)
    for path in (tflite, saved):
        report = export.verify(other, path, images)
        assert not report.passed and "logits differ" in report.reason


def test_another_shape_is_an_error(build_net, tflite, saved):
    image = keras.Input((8, 8, 3))
    layers = keras.layers
    small = keras.Model(image, layers.Dense(5)(layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(image))))
    for path in (tflite, saved):
        with pytest.raises(ArtifactError, match="another model"):
            export.verify(small, path, random_images(small))


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.999])
def test_truncated_file_is_an_error(model, images, tflite, tmp_path, share):
    content = tflite.read_bytes()
    path = tmp_path / "cut.tflite"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ArtifactError):
        export.verify(model, path, images)


@pytest.mark.parametrize("seed", range(8))
def test_damaged_bytes_never_pass(model, images, tflite, tmp_path, seed):
    """Damage may make a file unreadable, crash the interpreter, or only change an answer: none of that passes."""
    rng = np.random.default_rng(seed)
    content = np.frombuffer(tflite.read_bytes(), np.uint8).copy()
    content[rng.integers(8, len(content), 400)] ^= 0xC0
    path = tmp_path / "damaged.tflite"
    path.write_bytes(content.tobytes())
    try:
        report = export.verify(model, path, images)
    except ArtifactError:
        return
    assert not report.passed


def test_crash_of_the_interpreter_is_an_error(tflite, tmp_path):
    """The interpreter's process dies as by a segmentation fault, between two images."""
    import signal

    with opened(tflite) as session:
        session.answer(np.zeros((16, 16, 3)))
        session._process.send_signal(signal.SIGSEGV)
        session._process.wait()
        with pytest.raises(ArtifactError, match="crashed with SIGSEGV"):
            session.answer(np.zeros((16, 16, 3)))


def test_what_is_no_artifact(model, images, tmp_path, saved):
    (tmp_path / "picture.tflite").write_bytes(b"\x89PNG\r\n\x1a\n" * 100)
    (tmp_path / "folder").mkdir()
    for path, match in (("picture.tflite", "TFL3"), ("folder", "saved_model.pb"), ("missing.tflite", "no such")):
        with pytest.raises(ArtifactError, match=match):
            export.verify(model, tmp_path / path, images)
    shutil.copytree(saved, tmp_path / "cut")
    graph = tmp_path / "cut" / "saved_model.pb"
    graph.write_bytes(graph.read_bytes()[:1000])
    with pytest.raises(ArtifactError, match="cannot be loaded"):
        export.verify(model, tmp_path / "cut", images)


def test_images_and_labels_that_cannot_be(model, images, tflite):
    with pytest.raises(ValueError, match=r"shape \(n, 16, 16, 3\)"):
        export.verify(model, tflite, images[..., :1])
    with pytest.raises(ValueError, match="finite"):
        export.verify(model, tflite, np.full_like(images, np.nan))
    with pytest.raises(ValueError, match="at least one image"):
        export.verify(model, tflite, iter(()))
    with pytest.raises(ValueError, match="labels must be"):
        export.verify(model, tflite, images, np.zeros(5, int))
    with pytest.raises(ValueError, match="between 0 and 4"):
        export.verify(model, tflite, images, np.full(64, 5))


def test_top1_needs_images(model, images, tmp_path):
    with pytest.raises(ValueError, match="at least 32 images"):
        export.tflite(model, tmp_path / "m.tflite", quantization="dynamic", images=images[:31])


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


def test_is_probability():
    assert is_probability(np.array([[0.2, 0.8], [1, 0]]))
    assert not is_probability(np.array([[0.2, 0.8], [1, 0.5]]))
    assert not is_probability(np.array([[-0.5, 1.5]]))


def outcome(*, n: int, flips: int, sure: float = 0.98, labels: bool) -> export.Report:
    """Judge outputs that differ from the reference's in the top-1 of `flips` images, in all of them for the worse."""
    ours = np.full((n, 3), (1 - sure) / 2, np.float32)
    ours[:, 0] = sure
    theirs = ours.copy()
    theirs[:flips] = theirs[:flips, ::-1]
    reference = Reference(images=np.zeros((n, 1, 1, 1)), labels=np.zeros(n, int) if labels else None, outputs=ours)
    return judge(reference, theirs, FORMATS["int8"].tolerance, path=__file__, name="int8")


@pytest.mark.parametrize("labels", [True, False])
@pytest.mark.parametrize(("n", "allowed"), [(64, 1), (599, 1), (2000, 6)])
def test_top1_may_lose_three_in_a_thousand_or_one_image(labels, n, allowed):
    for flips, passed in ((allowed, True), (allowed + 1, False)):
        report = outcome(n=n, flips=flips, labels=labels)
        assert report.passed is passed
        assert report.agreement == pytest.approx(1 - flips / n)


def test_a_flip_between_near_ties_costs_little():
    # 20 flips, each of 0.34 to 0.33: two tenths of an image in all, where a sure model would have lost twenty.
    report = outcome(n=599, flips=20, sure=0.34, labels=False)
    assert report.passed and report.lost == pytest.approx(0.2, abs=1e-3)


def test_nan_is_always_rejected():
    outputs = np.eye(4, dtype=np.float32)
    reference = Reference(images=np.zeros((4, 1, 1, 1)), labels=None, outputs=outputs)
    bad = outputs.copy()
    bad[2, 1] = np.nan
    report = judge(reference, bad, Tolerance(relative=1e9, cosine=-2.0), path=__file__, name="float32")
    assert not report.passed and "NaN or infinity on 1 of 4" in report.reason
    assert report.max_difference is None


def test_constant_answers_are_not_alike():
    """A file that answers the same for every image is refused, though an unsure model hardly loses by it."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1e-3, (64, 5))
    softmax = (np.exp(logits) / np.exp(logits).sum(1, keepdims=True)).astype(np.float32)
    reference = Reference(images=np.zeros((64, 1, 1, 1)), labels=None, outputs=softmax)
    report = judge(reference, np.full_like(softmax, 0.2), FORMATS["int8"].tolerance, path=__file__, name="int8")
    assert not report.passed and "cosine" in report.reason


def test_model_that_answers_nan_is_an_error(images):
    image = keras.Input((16, 16, 3))
    model = keras.Model(image, keras.layers.Lambda(lambda x: x / 0.0)(image))
    with pytest.raises(ValueError, match="itself answers NaN"):
        export.reference(model, images)


def test_report_is_a_frozen_value(model, images, tflite):
    report = export.verify(model, tflite, images)
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.passed = False


def test_inspection_reads_names_and_versions(tflite):
    found = inspect(tflite)
    assert found.format == artifact_format(tflite) == "float32"
    assert found.operators["SOFTMAX"] == 1 and set(found.versions) == set(found.operators)
