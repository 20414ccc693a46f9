"""The JSON beside an artifact is believed where it is that artifact's, and warned of where it is not."""

import hashlib
import json

import pytest

from kres import export
from kres.export.beside import tolerance_beside

OWN = export.FORMATS["int8"].tolerance


@pytest.fixture
def artifact(tmp_path):
    """A file, and the JSON of an export that might lose 2 points."""
    path = tmp_path / "m.tflite"
    path.write_bytes(b"bytes")
    write(path)
    return path


def write(path, *, name="int8", drop=0.02, **changed):
    tolerance = {"verification": {"tolerance": {"drop": drop}}}
    facts = {"schema": 1, "format": name, "sha256": hashlib.sha256(b"bytes").hexdigest(), **tolerance, **changed}
    path.with_name("m.tflite.json").write_text(json.dumps(facts))


def test_the_drop_that_an_export_was_asked_for(artifact, caplog):
    caplog.set_level("INFO", "kres")
    assert tolerance_beside(artifact, "int8") == OWN.allowing(2)
    assert caplog.messages == ["m.tflite may lose 2 points of top-1, as m.tflite.json says"]


def test_where_nothing_else_was_asked_for_nothing_is_said(artifact, caplog):
    caplog.set_level("INFO", "kres")
    write(artifact, drop=OWN.drop)
    assert tolerance_beside(artifact, "int8") == OWN
    write(artifact, name="float32", drop=None)
    assert tolerance_beside(artifact, "float32") == export.FORMATS["float32"].tolerance
    # The bytes decide on the format: a network without anything to quantize is float32, whatever was asked for.
    write(artifact, name="dynamic")
    assert tolerance_beside(artifact, "float32") == export.FORMATS["float32"].tolerance
    artifact.with_name("m.tflite.json").unlink()
    assert tolerance_beside(artifact, "int8") == OWN
    assert not caplog.messages


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"sha256": "0"}, "it is of another file, whose sha256 differs"),
        ({"sha256": None}, "it is of another file"),
        ({"schema": 2}, r"its schema must be 1. Received: schema=2"),
        ({"drop": "much"}, "it lacks what an export writes"),
        ({"drop": None}, "it lacks what an export writes"),
        ({"drop": -0.1}, r"max_drop must lie in 0..100"),
        ({"drop": float("nan")}, r"max_drop must lie in 0..100"),
        ({"verification": None}, "it lacks what an export writes"),
        ("{", "Expecting"),
        ("[]", "it lacks what an export writes"),
        (b"\xff", "can't decode byte"),
    ],
)
def test_a_json_that_is_damaged_or_of_another_file_is_warned_of(artifact, caplog, changed, words):
    if isinstance(changed, dict):
        write(artifact, **changed)
    else:
        artifact.with_name("m.tflite.json").write_bytes(changed if isinstance(changed, bytes) else changed.encode())
    assert tolerance_beside(artifact, "int8") == OWN
    (record,) = caplog.records
    assert record.levelname == "WARNING" and words in record.message
    assert "m.tflite.json is left aside, and m.tflite is judged as any int8: " in record.message
