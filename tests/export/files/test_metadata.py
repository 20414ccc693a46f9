"""TFLite Metadata, read back with MediaPipe's own generated schema, and the JSON beside each artifact."""

import dataclasses
import hashlib
import json
import os
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

import kres
from kres import export
from kres.export import sidecar
from kres.export.beside import sha256
from kres.export.conversion.pixels import takes_pixels
from kres.export.files import metadata
from kres.export.files.normalisation import Normalisation
from kres.preprocessing import Preprocess

NAMES = ("ant", "bee", "crème brûlée", "dog", "eel")
ABOUT = export.About(
    class_names=NAMES, name="insects", description="Tells insects.", version="1.2", author="A. Author", licence="mit"
)
PER_CHANNEL = Preprocess(size=16, mean=(0.3, 0.5, 0.7), std=(0.2, 0.3, 0.4))
UNIFORM = Preprocess(size=16, mean=(0.5,) * 3, std=(0.25,) * 3)
WRITES = {
    "float32": {"pixels": False},
    "float32 pixels": {"pixels": True},
    "float16 pixels": {"quantization": "float16", "pixels": True},
    "int8": {"quantization": "int8", "io": "int8", "pixels": False},
    "uint8": {"quantization": "int8", "io": "uint8"},
}


def network(preprocess, **options):
    spec = kres.Spec(block="basic", depths=(1,), widths=(8,), stem="cifar")
    keras.utils.set_random_seed(0)
    return kres.build(spec, classes=5, input_shape=(16, 12, 3), preprocess=preprocess, name="small", **options)


PIXELS = np.random.default_rng(0).integers(0, 256, (40, 16, 12, 3), np.uint8)


def write(path, preprocess, about=ABOUT, **arguments):
    if arguments.get("quantization") == "int8":
        arguments["calibration"] = PIXELS
    return export.tflite(network(preprocess), path, images=PIXELS, about=about, **arguments)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A file of each of WRITES, and its report."""
    directory = tmp_path_factory.mktemp("metadata")
    return {name: write(directory / f"{name}.tflite", PER_CHANNEL, **row) for name, row in WRITES.items()}


def read(path):
    """The metadata's tables by MediaPipe's classes, and the model's by LiteRT's."""
    from ai_edge_litert import schema_py_generated as schema
    from mediapipe.tasks.metadata import metadata_schema_py_generated as metadata_schema

    model = schema.ModelT.InitFromPackedBuf(Path(path).read_bytes(), 0)
    (entry,) = [entry for entry in model.metadata if entry.name == b"TFLITE_METADATA"]
    content = bytes(model.buffers[entry.buffer].data)
    assert metadata_schema.ModelMetadata.ModelMetadataBufferHasIdentifier(content, 0)
    return metadata_schema.ModelMetadataT.InitFromPackedBuf(content, 0), model


@pytest.mark.parametrize("name", WRITES)
def test_the_schemas_own_classes_read_what_was_written(files, name):
    found, model = read(files[name].path)
    assert (found.name, found.description[:14], found.version) == (b"insects", b"Tells insects.", b"1.2")
    assert (found.author, found.license, found.minParserVersion) == (b"A. Author", b"mit", b"1.0.0")
    (graph,) = found.subgraphMetadata
    (image,), (answer,) = graph.inputTensorMetadata, graph.outputTensorMetadata
    properties = image.content.contentProperties
    assert (type(properties).__name__, properties.colorSpace) == ("ImagePropertiesT", 1)
    assert (properties.defaultSize.width, properties.defaultSize.height) == (12, 16)
    (unit,) = image.processUnits
    raw = WRITES[name].get("pixels", True)
    mean, std = ([0.0], [1.0]) if raw else (255 * np.array(PER_CHANNEL.mean), 255 * np.array(PER_CHANNEL.std))
    np.testing.assert_allclose(unit.options.mean, mean, rtol=1e-6)
    np.testing.assert_allclose(unit.options.std, std, rtol=1e-6)
    assert type(answer.content.contentProperties).__name__ == "FeaturePropertiesT"
    assert (answer.name, list(answer.stats.min), list(answer.stats.max)) == (b"probability", [0.0], [1.0])
    assert [(file.name, file.type) for file in answer.associatedFiles] == [(b"labels.txt", 2)]
    assert len(model.subgraphs[0].inputs) == len(graph.inputTensorMetadata)


@pytest.mark.parametrize("name", WRITES)
def test_labels_follow_the_model_as_a_zip(files, name):
    with zipfile.ZipFile(files[name].path) as archive:
        assert archive.namelist() == ["labels.txt"]
        assert archive.read("labels.txt").decode().splitlines() == list(NAMES)
        assert archive.getinfo("labels.txt").compress_type == zipfile.ZIP_STORED  # what the official readers take
    assert metadata.labels(Path(files[name].path)) == NAMES


@pytest.mark.parametrize("name", WRITES)
def test_weights_keep_their_alignment(files, name):
    """The schema asks for 16 bytes in each buffer; the generated Python code alone does not give them."""
    from ai_edge_litert import schema_py_generated as schema

    content = Path(files[name].path).read_bytes()
    model = schema.Model.GetRootAs(content, 0)
    buffers = [model.Buffers(index).DataAsNumpy() for index in range(model.BuffersLength())]
    start = np.frombuffer(content, np.uint8).ctypes.data
    places = [buffer.ctypes.data - start for buffer in buffers if isinstance(buffer, np.ndarray)]
    assert len(places) > 3 and not [place for place in places if place % 16]


def test_bytes_that_lie_behind_the_flatbuffer_are_brought_in(files, tmp_path):
    """As writers of large files lay them, by their place from the file's beginning."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(Path(files["float32"].path).read_bytes(), 0)
    largest = max(model.buffers, key=lambda buffer: 0 if buffer.data is None else len(buffer.data))
    model.metadata, largest.data, data = None, None, bytes(largest.data)
    content = b""
    for _ in range(2):  # the offset is known once the flatbuffer's length is, which does not depend on it then
        largest.offset, largest.size = -(-max(len(content), 2) // 16) * 16, len(data)
        builder = flatbuffers.Builder()
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        content = bytes(builder.Output())
    path = tmp_path / "m.tflite"
    path.write_bytes(content.ljust(largest.offset, b"\0") + data)
    assert export.verify(network(PER_CHANNEL), path, PIXELS).passed
    metadata.pack(path, ABOUT, Normalisation.of(PER_CHANNEL), probabilities=True)
    assert export.verify(network(PER_CHANNEL), path, PIXELS).passed


def test_what_mediapipe_cannot_feed_says_so(files, tmp_path):
    files = {name: report.path for name, report in files.items()}
    for name, preprocess in (("per channel", PER_CHANNEL), ("alike", UNIFORM)):
        files[name] = write(tmp_path / f"{name}.tflite", preprocess).path
    said = {name: b"MediaPipe" in read(path)[0].description for name, path in files.items()}
    assert {name for name, caveat in said.items() if caveat} == {"float32", "int8", "per channel"}


def test_a_file_without_labels_carries_no_zip(tmp_path):
    path = write(tmp_path / "m.tflite", PER_CHANNEL, about=None).path
    assert not zipfile.is_zipfile(path)
    found, _ = read(path)
    assert found.name == b"small" and found.author is None
    assert not found.subgraphMetadata[0].outputTensorMetadata[0].associatedFiles


def test_logits_are_not_called_probabilities(tmp_path):
    model = network(PER_CHANNEL, classifier_activation=None)
    report = export.tflite(model, tmp_path / "m.tflite", images=PIXELS)
    answer = read(report.path)[0].subgraphMetadata[0].outputTensorMetadata[0]
    assert answer.name == b"output" and answer.stats is None
    assert beside(report)["outputs"][0]["meaning"] == "values"


def test_the_same_model_gives_the_same_bytes(files, tmp_path):
    write(tmp_path / "again.tflite", PER_CHANNEL, **WRITES["uint8"])
    assert (tmp_path / "again.tflite").read_bytes() == Path(files["uint8"].path).read_bytes()


@pytest.mark.parametrize("cut", [1, 40, 100])
def test_a_file_that_lost_its_labels_is_refused(files, tmp_path, cut):
    (tmp_path / "cut.tflite").write_bytes(Path(files["uint8"].path).read_bytes()[:-cut])
    with pytest.raises(export.ArtifactError, match="damaged"):
        export.verify(network(PER_CHANNEL), tmp_path / "cut.tflite", PIXELS)


def test_files_of_others_take_normalised_input(tmp_path):
    """One without metadata, and one whose metadata name another mean."""
    from kres.export.conversion.converter import convert, tflite_converter

    path = tmp_path / "m.tflite"
    path.write_bytes(convert(tflite_converter(network(PER_CHANNEL))))
    assert not takes_pixels(path) and metadata.labels(path) is None
    assert export.verify(network(PER_CHANNEL), path, PIXELS).passed
    metadata.pack(path, ABOUT, Normalisation.of(UNIFORM), probabilities=True)
    assert not takes_pixels(path)
    assert export.verify(network(PER_CHANNEL), path, PIXELS).passed


def beside(report):
    return json.loads(Path(f"{report.path}.json").read_text())


@pytest.mark.parametrize("name", WRITES)
def test_the_sidecar_tells_what_the_interpreter_tells(files, name):
    from ai_edge_litert.interpreter import Interpreter

    report = files[name]
    found = beside(report)
    assert hashlib.sha256(Path(report.path).read_bytes()).hexdigest() == found["sha256"]
    assert (found["artifact"], found["size_bytes"]) == (os.path.basename(report.path), os.path.getsize(report.path))
    interpreter = Interpreter(model_path=report.path)
    details = {"inputs": interpreter.get_input_details(), "outputs": interpreter.get_output_details()}
    for key, (expected,) in details.items():
        (tensor,) = found[key]
        assert tensor["name"] == expected["name"] and tensor["shape"] == expected["shape"].tolist()
        assert tensor["dtype"] == np.dtype(expected["dtype"]).name
        scale, zero_point = expected["quantization"]
        quantized = scale != 0
        assert (tensor["scale"], tensor["zero_point"]) == ((scale, zero_point) if quantized else (None, None))
    assert found["labels"] == list(NAMES) and found["licence"] == "mit" and found["author"] == "A. Author"
    assert found["verification"]["passed"] and found["verification"]["n"] == len(PIXELS)
    assert found["versions"]["kres"] == kres.__version__
    raw = WRITES[name].get("pixels", True)
    assert found["inputs"][0]["raw_pixels"] is raw and found["inputs"][0]["layout"] == "NHWC"
    assert found["inputs"][0]["value_range"] == pytest.approx((0, 255) if raw else (-0.7 / 0.4, 0.7 / 0.2))
    assert Preprocess(**found["preprocess"]) == PER_CHANNEL
    assert found["schema"] == 1 and found["passed"] is True and found["reason"] == ""


def test_a_sidecar_has_one_schema_whether_the_file_passed_or_not_or_is_none(files, tmp_path):
    accepted = beside(files["float32"])
    path = Path(files["float32"].path)
    (tmp_path / "broken.tflite").write_bytes(path.read_bytes()[:900])
    given = {"preprocess": PER_CHANNEL, "pixels": False, "probabilities": True}
    bad = dataclasses.replace(files["float32"], passed=False, reason="why not", path=f"{path}.rejected")
    rejected = sidecar.describe(bad, ABOUT, artifact=path, **given)
    damaged = sidecar.describe(bad, ABOUT, artifact=tmp_path / "broken.tflite", **given)
    unmade = sidecar.describe(dataclasses.replace(bad, path=None, size_bytes=None), ABOUT, artifact=None, **given)
    for found in (rejected, damaged, unmade):
        assert list(found) == list(accepted) and json.loads(json.dumps(found))["preprocess"] == accepted["preprocess"]
        assert found["passed"] is False and found["reason"] == "why not"
    assert json.loads(json.dumps(rejected["inputs"])) == accepted["inputs"]
    assert rejected["artifact"] == f"{path.name}.rejected" and rejected["sha256"] == accepted["sha256"]
    assert damaged["inputs"] is None and damaged["sha256"] != accepted["sha256"]
    assert [unmade[key] for key in ("artifact", "size_bytes", "sha256", "inputs", "outputs")] == [None] * 5
    with pytest.raises(export.ArtifactError):  # what passed cannot be unreadable
        sidecar.describe(files["float32"], ABOUT, artifact=tmp_path / "broken.tflite", **given)


def test_the_sidecar_of_a_saved_model(tmp_path):
    report = export.saved_model(network(PER_CHANNEL), tmp_path / "m", images=PIXELS, pixels=True)
    found = beside(report)
    assert found["inputs"][0]["shape"] == [-1, 16, 12, 3] and found["inputs"][0]["value_range"] == [0, 255]
    before = found["sha256"]
    assert sha256(tmp_path / "m") == before
    with open(tmp_path / "m" / "saved_model.pb", "ab") as file:
        file.write(b"x")
    assert sha256(tmp_path / "m") != before


def test_what_an_earlier_export_left_is_kept_aside_when_a_later_one_is_rejected(tmp_path, monkeypatch):
    from kres.export import formats

    path = tmp_path / "m.tflite"
    report = write(path, PER_CHANNEL)
    content, facts = path.read_bytes(), beside(report)
    strict = formats.Format(write=formats.float32, suffix="", tolerance=formats.Tolerance(relative=0.0))
    monkeypatch.setitem(formats.FORMATS, "float32", strict)
    with pytest.raises(export.RejectedError):
        write(path, UNIFORM)
    kept = tmp_path / "m.tflite.previous"
    assert kept.read_bytes() == content and json.loads(Path(f"{kept}.json").read_text()) == facts
    assert facts["sha256"] == hashlib.sha256(content).hexdigest()
    pairs = [f"m.tflite.{which}{ending}" for which in ("previous", "rejected") for ending in ("", ".json")]
    assert sorted(os.listdir(tmp_path)) == pairs


def test_an_export_that_breaks_off_leaves_no_sidecar_of_another_file(tmp_path, monkeypatch):
    """The disk is full, or the power is gone, as the new file gets its name."""
    from kres.export import placing

    path = tmp_path / "m.tflite"
    write(path, PER_CHANNEL)

    def broken(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(placing, "move", broken)
    with pytest.raises(OSError, match="No space"):
        write(path, UNIFORM)
    assert sorted(os.listdir(tmp_path)) == ["m.tflite", "m.tflite.json"]
    told = json.loads((tmp_path / "m.tflite.json").read_text())
    assert told["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_labels_that_cannot_be(tmp_path):
    for names, words in ((("a", "b"), "2 names for 5 classes"), (("a", "", "c", "d", "e"), "for class 1")):
        with pytest.raises(ValueError, match=words):
            write(tmp_path / "m.tflite", PER_CHANNEL, about=export.About(class_names=names))
    with pytest.raises(ValueError, match="one line"):
        export.About(class_names=("a\nb",))
    assert not os.listdir(tmp_path)


def test_published_weights_keep_their_licence():
    model = network(PER_CHANNEL)
    assert export.About().of(model).licence == ""
    model.weights_tag = next(f"x/{name}" for name, row in kres.weights.PUBLISHED.items() if row.non_commercial)
    found = export.About().of(model)
    assert found.weights == model.weights_tag and "nc" in found.licence
    with pytest.raises(ValueError, match="forbids commercial use"):
        export.About(licence="mit").of(model)
