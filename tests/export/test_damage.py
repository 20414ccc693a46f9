"""Files that are not what they should be, a disk that is full: a clear error, and nothing half-written."""

import dataclasses
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from kres import export
from kres.export import formats
from kres.export.files import flatbuffer
from kres.export.files.inspection import artifact_format
from kres.export.runtimes import session

FLIPS, RUN_EVERY = 200, 5
ONNX = b"\x08\x0a\x12\x05keras\x1a\x03\x32.15\x3a\x10" + bytes(range(200))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A network of some hundred weights, so that half of its file says what the graph is, and the file's path."""
    image = keras.Input((4, 4, 3))
    x = keras.layers.Conv2D(8, 3, activation="relu")(image)
    keras.utils.set_random_seed(0)
    model = keras.Model(image, keras.layers.Dense(8)(keras.layers.Flatten()(x)))
    path = tmp_path_factory.mktemp("small") / "small.tflite"
    export.tflite(model, path)
    return model, path


@pytest.mark.parametrize(
    "content", [b"", b"\x89PNG\r\n\x1a\n" + bytes(500), ONNX, b"TFL3", b"\x1c\0\0\0TFL3"], ids=repr
)
def test_foreign_files(small, tmp_path, content):
    model, _ = small
    path = tmp_path / "m.tflite"
    path.write_bytes(content)
    images = np.zeros((4, 4, 4, 3), np.float32)
    for look in (export.verify, export.tensor_errors):
        with pytest.raises(export.ArtifactError, match=r"TFL3|damaged"):
            look(model, path, images)


@pytest.mark.slow
def test_flipped_bits_neither_crash_nor_hang_nor_pass_what_is_wrong(small, tmp_path, monkeypatch):
    model, good = small
    monkeypatch.setattr(session, "PATIENCE_SECONDS", 20)
    content = np.frombuffer(good.read_bytes(), np.uint8)
    rng = np.random.default_rng(0)
    images = rng.normal(size=(4, 4, 4, 3)).astype(np.float32)
    outcomes = {"passed": 0, "failed": 0, "refused": 0}
    path = tmp_path / "m.tflite"
    for flip in range(FLIPS):
        damaged = content.copy()
        damaged[rng.integers(len(content))] ^= 1 << rng.integers(8)
        path.write_bytes(damaged.tobytes())
        try:
            name = artifact_format(path)
        except export.ArtifactError:
            outcomes["refused"] += 1
            continue
        # A run takes a process of its own. Damage may also make int8 of a type, whose judgement takes more images.
        if flip % RUN_EVERY or export.FORMATS[name].tolerance.drop is not None:
            continue
        try:
            report = export.verify(model, path, images)
        except export.ArtifactError:
            outcomes["refused"] += 1
            continue
        outcomes["passed" if report.passed else "failed"] += 1
        limit = export.FORMATS[name].tolerance.relative
        assert report.passed == (report.max_difference is not None and report.max_difference <= limit)
    assert all(outcomes.values()), outcomes


def spoiled(write):
    """A writer that spoils what `write` has written: all weights stand in the reverse order."""

    def spoil(model, path, options):
        write(model, path, options)
        content = flatbuffer.unpack(path.read_bytes())
        for tensor in content.subgraphs[0].tensors:
            if len(tensor.shape) > 1 and flatbuffer.is_constant(content, tensor):
                buffer = content.buffers[tensor.buffer]
                buffer.data = np.asarray(buffer.data, np.uint8)[::-1]
        path.write_bytes(flatbuffer.pack(content))

    return spoil


@pytest.mark.parametrize("name", [name for name in export.FORMATS if name not in ("saved_model", "onnx")])
def test_a_spoiled_file_is_rejected_in_every_format(model, images, tmp_path, monkeypatch, name):
    row = formats.FORMATS[name]
    bad = dataclasses.replace(row, write=spoiled(row.write))
    monkeypatch.setitem(formats.FORMATS, name, bad)
    expected = export.reference(model, images, np.argmax(model(images), 1))
    calibration = images if row.calibrated else None
    reports = export.export_all(model, tmp_path, [name], expected=expected, calibration=calibration)
    stem = f"model{row.suffix}"
    assert sorted(os.listdir(tmp_path)) == [f"{stem}.rejected", f"{stem}.rejected.json"]
    report = json.loads((tmp_path / f"{stem}.rejected.json").read_text())
    assert not reports[0].passed and report["passed"] is False and report["reason"] == reports[0].reason
    assert artifact_format(tmp_path / f"{stem}.rejected") == name


# The system refuses every byte of a file beyond 20 kB, as it does on a disk that is full.
FULL = """
import resource, sys
import numpy as np
from kres import export
from tests.export.conftest import residual_net

model = residual_net()
images = np.random.default_rng(1).normal(size=(32, 16, 16, 3)).astype(np.float32)
expected = export.reference(model, images)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
for write in (export.tflite, export.saved_model):
    try:
        write(model, f"{sys.argv[1]}/m", images=images)
    except OSError as error:
        print(f"{write.__name__}: {error}")
"""


@pytest.mark.slow
def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == ["tflite", "saved_model"], (done.stdout, done.stderr)
    assert all("File too large" in line for line in lines)
    assert os.listdir(tmp_path) == []
