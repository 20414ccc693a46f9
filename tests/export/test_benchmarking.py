"""A benchmark opens the artifact in another process and reports positive, ordered figures."""

import pytest

from kres import export
from kres.export import benchmarking


@pytest.mark.parametrize("name", ["float32", "saved_model"])
def test_benchmark(model, images, tmp_path, name):
    path = tmp_path / "artifact"
    (export.tflite if name == "float32" else export.saved_model)(model, path, images=images)
    timing = export.benchmark(path, threads=1, runs=5)
    assert timing.format == name and timing.runs == 5 and timing.threads == 1
    assert 0 < timing.low_ms <= timing.median_ms <= timing.high_ms
    assert timing.size_bytes > 1000


def test_bad_input(tmp_path):
    (tmp_path / "m.tflite").write_bytes(b"\0\0\0\0TFL3" + b"\xff" * 64)
    with pytest.raises(export.ArtifactError):
        export.benchmark(tmp_path / "m.tflite")
    with pytest.raises(ValueError, match="at least 1"):
        export.benchmark(tmp_path / "m.tflite", threads=0)
    with pytest.raises(export.ArtifactError, match="no such"):
        export.benchmark(tmp_path / "missing.tflite")


def test_an_artifact_that_hangs_is_given_up(model, images, tmp_path, monkeypatch):
    path = tmp_path / "artifact"
    export.tflite(model, path, images=images)
    monkeypatch.setattr(benchmarking, "PATIENCE_SECONDS", 0.01)  # no Python starts that fast
    with pytest.raises(export.ArtifactError, match=r"has not for 0\.01 s"):
        export.benchmark(path, runs=1)
