"""What is no TFLite file is called by what it is, before anything else is done."""

import pytest

from kres.export.browser.kinds import check_kind
from kres.export.files.errors import ArtifactError


def saved_model(path):
    path.mkdir()
    (path / "saved_model.pb").touch()


def workdir(path):
    (path / "export").mkdir(parents=True)
    (path / "export" / "m.int8.tflite").touch()
    (path / "export" / "m.int8.tflite.json").touch()


@pytest.mark.parametrize(
    ("name", "make", "words"),
    [
        ("m.tflite", lambda path: None, "m.tflite, which is not there$"),
        ("m.tflite", lambda path: path.write_bytes(b""), "an empty file"),
        ("m.tflite", lambda path: path.write_bytes(b"{}"), "a file without TFLite's mark, TFL3"),
        (
            "m.keras",
            lambda path: path.write_bytes(b"PK"),
            "a Keras model, of which `kres export .*m.keras --f",
        ),
        ("m.onnx", lambda path: path.write_bytes(b"\x08\x08\x12\x05keras"), "an ONNX file"),
        ("m.saved_model", saved_model, "a SavedModel"),
        ("export", lambda path: path.mkdir(), "export, a directory$"),
        ("run", workdir, "a directory; it holds export/m.int8.tflite$"),
    ],
)
def test_what_is_no_tflite_file_is_named(name, make, words, tmp_path):
    make(tmp_path / name)
    with pytest.raises(ArtifactError, match=f"a page runs a TFLite file.* Received: .*{words}"):
        check_kind(tmp_path / name)


def test_a_file_that_is_kept_is_named(tmp_path):
    (tmp_path / "m.tflite.previous").touch()
    with pytest.raises(ArtifactError, match="not there; an earlier export's is kept as m\\.tflite"):
        check_kind(tmp_path / "m.tflite")


def test_a_tflite_file_is_taken_by_its_mark(tmp_path):
    (tmp_path / "m.tflite.previous").write_bytes(b"\x1c\0\0\0TFL3")
    check_kind(tmp_path / "m.tflite.previous")
