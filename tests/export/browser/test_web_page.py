"""What a page is made of, what it refuses before anything is written, and how it is served."""

import http.client
import json
import socket
import threading
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

import kres
from kres import export
from kres.export import ArtifactError, formats
from kres.export.beside import path_of
from kres.export.browser import hosting, litert_js
from kres.export.browser.site import describe
from kres.export.files import flatbuffer, metadata
from kres.export.files.normalisation import Normalisation
from kres.preprocessing import Preprocess
from tests.support import closed_directory

SIZE, CLASSES = 16, 4
PREPROCESS = Preprocess(size=SIZE, mean=(0.5,) * 3, std=(0.25,) * 3)
UNLIKE = Normalisation(mean=(103.0, 116.0, 123.0), std=(1.0, 1.0, 1.0))
SPEC = kres.Spec(block="basic", depths=(1,), widths=(8,), stem="cifar")


def network(*, seed: int = 0, size: int = SIZE) -> keras.Model:
    keras.utils.set_random_seed(seed)
    preprocess = Preprocess(size=size, mean=(0.5,) * 3, std=(0.25,) * 3)
    model = kres.build(SPEC, classes=CLASSES, input_shape=(size, size, 3), preprocess=preprocess, name="small")
    kernel = model.get_layer("predictions").kernel
    kernel.assign(np.random.default_rng(seed).normal(0, 2, kernel.shape))
    return model


@pytest.fixture(scope="module")
def net() -> keras.Model:
    return network()


@pytest.fixture(scope="module")
def exported(net, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "small.float32.tflite"
    export.tflite(net, path)
    return path


@pytest.fixture(scope="module")
def litert(tmp_path_factory) -> Path:
    """Files under LiteRT.js's names: what is in them matters in a browser alone."""
    folder = tmp_path_factory.mktemp("node_modules")
    for name in litert_js.needed_files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps({"version": litert_js.pinned()["version"]}))
    return folder


def test_a_page_is_whole_and_replaces_a_page(net, exported, litert, tmp_path):
    output = tmp_path / "page"
    output.mkdir()  # an empty folder is nobody's
    for labels in (None, ["a b", "c\nd", "é", "<i>"]):
        assert export.web_page(net, exported, output, labels=labels, litert=litert) == output
    assert (output / "labels.txt").read_text(encoding="utf-8").split("\n") == ["a b", "c d", "é", "<i>"]
    assert (output / "model.tflite").read_bytes() == exported.read_bytes()
    facts = json.loads((output / "page.json").read_text())
    assert facts["title"] == "small.float32" and facts["bytes"] == exported.stat().st_size
    assert facts["input"]["shape"] == [1, SIZE, SIZE, 3] and facts["preprocess"]["shorter"] == SIZE
    assert {f"litert/{name}" for name in litert_js.needed_files()} <= {
        path.relative_to(output).as_posix() for path in output.rglob("*")
    }
    assert [path.name for path in tmp_path.iterdir()] == ["page"]


def stock(path: Path, *, outputs: int = 1) -> None:
    """What Keras's users convert without kres: any batch."""
    import tensorflow as tf

    images = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.GlobalAveragePooling2D()(images)
    model = keras.Model(images, [keras.layers.Dense(CLASSES)(x) for _ in range(outputs)])
    batch = None if outputs == 1 else 1
    serve = tf.function(model.call, input_signature=[tf.TensorSpec((batch, SIZE, SIZE, 3))])
    path.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([serve.get_concrete_function()], model).convert())


def batched(path: Path) -> None:
    """Two pictures at a time, as one who converts for a server does."""
    import tensorflow as tf

    model = network()
    serve = tf.function(model.call, input_signature=[tf.TensorSpec((2, SIZE, SIZE, 3), name="image")])
    path.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([serve.get_concrete_function()], model).convert())


def repack(good: Path, path: Path, said: Normalisation | None) -> None:
    """The same network, whose metadata say something else, or nothing of the normalisation."""
    path.write_bytes(good.read_bytes())
    model = flatbuffer.unpack(path.read_bytes())
    model.metadata = [entry for entry in model.metadata if entry.name != metadata.NAME.encode()]
    path.write_bytes(flatbuffer.pack(model))
    metadata.pack(path, export.About(), said, probabilities=True)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path, good: path.write_bytes(good.read_bytes()[:3000]), "damaged|does not"),
        (lambda path, good: path.write_bytes(b"\x89PNG" * 100), "a file without TFLite's mark, TFL3"),
        (lambda path, good: stock(path), r"fixed shapes alone: .*\(-1, 16, 16, 3\)"),
        (lambda path, good: stock(path, outputs=2), "one input and one output. Received: 1 and 2"),
        (lambda path, good: export.tflite(network(size=20), path), r"must be \(1, 16, 16, 3\).* Received: \(1, 20, 20"),
        (lambda path, good: export.tflite(network(seed=7), path), "name that model, with its weights"),
        (lambda path, good: repack(good, path, UNLIKE), "metadata say another normalisation .* deviation 1 1 1"),
        (lambda path, good: batched(path), r"must be \(1, 16, 16, 3\).* Received: \(2, 16, 16, 3\) of float32"),
    ],
)
def test_files_that_no_page_can_use(make, words, net, exported, litert, tmp_path):
    path = tmp_path / "file.tflite"
    make(path, exported)
    before = sorted(tmp_path.iterdir())
    with pytest.raises((ArtifactError, ValueError), match=words):
        export.web_page(net, path, tmp_path / "page", litert=litert)
    assert sorted(tmp_path.iterdir()) == before


def test_the_metadata_say_whether_raw_pixels_go_in(net, exported, tmp_path):
    path = tmp_path / "file.tflite"
    export.tflite(net, path, pixels=True)
    assert describe(net, path).pixels and not describe(net, exported).pixels
    with pytest.raises(ValueError, match=r"the file's metadata say pixels=True\. Received: pixels=False"):
        describe(net, path, pixels=False)
    silent = tmp_path / "silent.tflite"
    repack(path, silent, None)
    assert describe(net, silent, pixels=True).pixels
    with pytest.raises(ValueError, match=r"no metadata that say .* or --pixels or --no-pixels"):
        describe(net, silent)
    formats.float32(net, path, formats.Options())
    assert not describe(net, path, pixels=False).pixels
    with pytest.raises(ValueError, match=r"no metadata that say .* or --pixels or --no-pixels"):
        describe(net, path)


def test_what_the_model_does_not_know_the_json_beside_the_file_says(net, tmp_path):
    foreign = keras.Model(net.inputs[0], net.outputs[0])
    path = tmp_path / "file.tflite"
    export.tflite(foreign, path, preprocess=PREPROCESS)
    found = describe(foreign, path)
    assert found.preprocess == {**PREPROCESS.to_dict(), "shorter": SIZE} and not found.pixels
    moved = tmp_path / "moved.tflite"
    moved.write_bytes(path.read_bytes())
    for beside in (None, "no JSON", "[]", path_of(path).read_text().replace('"sha256": "', '"sha256": "0')):
        if beside is not None:
            path_of(moved).write_text(beside)
        with pytest.raises(ValueError, match=r"pass preprocess=kres.Preprocess\(...\), or --preprocess"):
            describe(foreign, moved)
    assert describe(foreign, moved, PREPROCESS) == replace(found, title="moved")


def test_a_file_may_name_its_classes_itself(net, litert, tmp_path):
    names = ("ant", "bee", "crème brûlée", "dog")
    export.tflite(net, tmp_path / "file.tflite", about=export.About(class_names=names))
    for labels, expected in ((None, names), ("1234", tuple("1234"))):
        page = export.web_page(net, tmp_path / "file.tflite", tmp_path / "page", labels=labels, litert=litert)
        assert tuple((page / "labels.txt").read_text(encoding="utf-8").split("\n")) == expected


def test_labels_of_another_number(net, exported, litert, tmp_path):
    with pytest.raises(ValueError, match=r"must name 4 classes, one each\. Received: 3 labels"):
        export.web_page(net, exported, tmp_path / "page", labels=["a", "b", "c"], litert=litert)
    assert not list(tmp_path.iterdir())


def test_a_folder_with_other_things_stays(net, exported, litert, tmp_path):
    output = tmp_path / "page"
    export.web_page(net, exported, output, litert=litert)
    (output / "thesis.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"a page or an empty folder alone. Received: .*holds thesis.txt"):
        export.web_page(net, exported, output, litert=litert)
    with pytest.raises(FileExistsError, match="empty folder alone"):
        export.web_page(net, exported, output / "thesis.txt", litert=litert)
    assert (output / "thesis.txt").read_text() == "mine"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "labels.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"holds labels.txt"):
        export.web_page(net, exported, tmp_path / "other", litert=litert)


def test_places_where_nothing_can_be_written(net, exported, litert, tmp_path):
    with pytest.raises(NotADirectoryError, match="existing directory"):
        export.web_page(net, exported, tmp_path / "missing" / "page", litert=litert)
    with closed_directory(tmp_path) as closed, pytest.raises(PermissionError, match="can be written"):
        export.web_page(net, exported, closed / "page", litert=litert)


def test_a_full_disk_leaves_nothing(net, exported, litert, tmp_path, monkeypatch):
    import shutil

    copyfile = shutil.copyfile

    def full(source, target):
        if Path(target).suffix == ".wasm":
            raise OSError(28, "No space left on device")
        copyfile(source, target)

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OSError, match="No space left"):
        export.web_page(net, exported, tmp_path / "page", litert=litert)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "kind"), [("a.wasm", "application/wasm"), ("a.js", "text/javascript"), ("a.json", "application/json")]
)
def test_the_server_names_types_and_isolates_the_page(name, kind, tmp_path):
    (tmp_path / name).write_text("{}")
    with hosting.server(tmp_path, 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            connection = http.client.HTTPConnection("127.0.0.1", server.server_port)
            connection.request("GET", f"/{name}")
            answer = connection.getresponse()
            assert answer.status == 200 and answer.read() == b"{}"
            connection.close()
        finally:
            server.shutdown()
            thread.join()
    headers = {key: answer.headers[key] for key in ("Content-Type", "Cross-Origin-Opener-Policy")}
    assert headers == {"Content-Type": kind, "Cross-Origin-Opener-Policy": "same-origin"}
    assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"


def test_a_port_in_use_or_none(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match=r"is in use: choose another. Received: port="):
            hosting.server(tmp_path, taken.getsockname()[1])
    with pytest.raises(ValueError, match="between 0 and 65535"):
        hosting.server(tmp_path, 70000)
