"""SavedModels: a fixed batch, and a signature that takes image files as `kres predict` does."""

import io
import logging

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import kres
from kres import export
from kres.cli.predict import _scores
from kres.export import runner
from kres.preprocessing import Preprocess

SPEC = kres.Spec(block="basic", depths=(1, 1), widths=(8, 16), stem="cifar")


def network(size=32, **preprocess):
    chosen = Preprocess(size=32, crop=0.875, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.25), **preprocess)
    return kres.build(SPEC, classes=7, input_shape=(size, size, 3), preprocess=chosen, classifier_activation=None)


def encoded(kind, height, width):
    """A picture of smooth colours, with the noise that a JPEG has to round."""
    rng = np.random.default_rng(height)
    ramp = np.linspace(0, 200, height)[:, None, None] + np.linspace(0, 55, width)[:, None] * (1, 0.5, 0.2)
    pixels = np.clip(ramp + rng.normal(0, 10, (height, width, 3)), 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(content := io.BytesIO(), kind)
    return content.getvalue()


@pytest.mark.parametrize("batch", [None, 3])
def test_image_files_are_answered_as_kres_predict_answers_them(batch, tmp_path):
    model = network(interpolation="bicubic")
    export.saved_model(model, tmp_path / "m", batch=batch)
    files = [encoded("JPEG", 50, 70), encoded("JPEG", 91, 40), encoded("PNG", 33, 33)]
    expected = []
    for number, content in enumerate(files):
        (path := tmp_path / str(number)).write_bytes(content)
        expected.append(_scores(model, path)[0])
    signatures = tf.saved_model.load(tmp_path / "m").signatures
    assert set(signatures) == {"serving_default", "serving_bytes"}
    found = signatures["serving_bytes"](image_bytes=tf.constant(files))["output"]
    # Pixels are the same grey levels; the network runs as one graph here and layer by layer there.
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.ptp(found, axis=0).max() > 1e-2
    assert signatures["serving_bytes"].structured_input_signature[1]["image_bytes"].shape[0] == batch


def test_a_fixed_batch_is_verified_and_kept(model, images, tmp_path):
    report = export.saved_model(model, tmp_path / "m", batch=5, images=images)
    assert report.passed and report.n == 64  # no multiple of five
    assert runner.open_saved_model(str(tmp_path / "m"))[1]["input"]["shape"] == [5, 16, 16, 3]
    assert export.benchmark(tmp_path / "m", 1, runs=1).median_ms > 0


def test_no_signature_for_files_where_preprocessing_gives_another_size(model, images, tmp_path, caplog):
    export.saved_model(model, tmp_path / "stock", images=images)
    with caplog.at_level(logging.WARNING):
        export.saved_model(network(size=24), tmp_path / "small")
    assert "32 pixels square" in caplog.text
    for name in ("stock", "small"):
        assert set(tf.saved_model.load(tmp_path / name).signatures) == {"serving_default"}
