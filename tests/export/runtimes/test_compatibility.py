"""What tflite-runtime 2.14 lacks is told from a table, and the table is what that runtime itself says."""

import base64
import json
import subprocess

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from kres import export
from kres.export.conversion.converter import convert, tflite_converter
from kres.export.files.inspection import inspect
from kres.export.runtimes.compatibility import Platforms, lacking, operators
from kres.export.runtimes.session import opened

MOST_VERSIONS = 25
# Prints the highest version of each operator that the runtime opens, given files that ask for one each.
ASK = """
import base64, json, sys
from tflite_runtime.interpreter import Interpreter

def opens(content):
    try:
        Interpreter(model_content=base64.b64decode(content))
    except ValueError:
        return False
    return True

files = json.load(sys.stdin)
print(json.dumps({name: sum(map(opens, versions)) for name, versions in files.items()}))
"""


def empty_file(code: int, version: int) -> bytes:
    """Give a TFLite file without a node, that asks for one operator."""
    model = schema.ModelT()
    model.version = 3
    operator = schema.OperatorCodeT()
    operator.builtinCode, operator.deprecatedBuiltinCode, operator.version = code, min(code, 127), version
    graph = schema.SubGraphT()
    graph.tensors, graph.inputs, graph.outputs, graph.operators = [], [], [], []
    model.operatorCodes, model.subgraphs, model.buffers = [operator], [graph], [schema.BufferT()]
    return packed(model)


def packed(model: schema.ModelT) -> bytes:
    """Give the bytes of a TFLite file."""
    from tensorflow.lite.tools import flatbuffer_utils

    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


@pytest.mark.slow
def test_the_table_is_what_the_runtime_says(old_python):
    codes = {name: code for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
    files = {
        # The runtime opens BROADCAST_TO from version 2 on.
        name: [
            base64.b64encode(empty_file(code, version)).decode()
            for version in range(2 if name == "BROADCAST_TO" else 1, MOST_VERSIONS)
        ]
        for name, code in codes.items()
        if name != "CUSTOM"
    }
    done = subprocess.run([old_python, "-c", ASK], input=json.dumps(files), capture_output=True, text=True, check=True)
    found = {name: count for name, count in json.loads(done.stdout).items() if count}
    found["BROADCAST_TO"] += 1
    assert found == operators("2.14")


@pytest.fixture(scope="module")
def dense():
    """A network whose dense layer is large enough for the converter to quantize it: from 1,024 weights on."""
    image = keras.Input((16, 16, 3))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(64, 3, strides=2)(image))
    keras.utils.set_random_seed(0)
    return keras.Model(image, keras.layers.Dense(32, activation="softmax")(x))


@pytest.fixture(scope="module")
def stock(dense, tmp_path_factory):
    """A dynamic-range file by the converter's default, which quantizes dense layers a channel."""
    import tensorflow as tf

    converter = tflite_converter(dense)
    converter._experimental_disable_per_channel_quantization_for_dense_layers = False
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    path = tmp_path_factory.mktemp("stock") / "stock.tflite"
    path.write_bytes(convert(converter))
    return path


def test_a_newer_operator_is_named_with_its_version(dense, images, stock):
    version = inspect(stock).versions["FULLY_CONNECTED"]
    words = f"FULLY_CONNECTED version {version} (at most {operators('2.14')['FULLY_CONNECTED']})"
    assert words in lacking(stock, "2.14")
    report = export.verify(dense, stock, images, target_runtime="2.14")
    assert not report.passed and words in report.reason and report.agreement > 0.9
    assert words not in export.verify(dense, stock, images).reason


@pytest.mark.slow
def test_the_runtime_refuses_what_the_table_refuses(old_python, stock):
    with (
        pytest.raises(export.ArtifactError, match="FULLY_CONNECTED"),
        opened(stock, runtime="tflite_runtime", python=old_python),
    ):
        pass


def test_an_operator_that_the_runtime_has_not_at_all(tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(empty_file(schema.BuiltinOperator.STABLEHLO_ADD, 1))
    assert "STABLEHLO_ADD version 1 (it has none)" in lacking(path, "2.14")


def test_the_highest_version_of_an_operator_decides(tmp_path):
    model = schema.ModelT.InitFromPackedBuf(empty_file(schema.BuiltinOperator.CONV_2D, 99), 0)
    older = schema.OperatorCodeT()
    older.builtinCode = older.deprecatedBuiltinCode = schema.BuiltinOperator.CONV_2D
    older.version = 1
    model.operatorCodes.append(older)
    path = tmp_path / "m.tflite"
    path.write_bytes(packed(model))
    assert inspect(path).versions == {"CONV_2D": 99}


def test_an_export_for_the_runtime_is_rejected_where_it_lacks_something(model, images, tmp_path, monkeypatch):
    has = {**operators("2.14"), "CONV_2D": 0}
    monkeypatch.setattr("kres.export.runtimes.compatibility.operators", lambda target: has)
    with pytest.raises(export.RejectedError, match="lacks CONV_2D version"):
        export.tflite(model, tmp_path / "m.tflite", images=images, target_runtime="2.14")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.tflite.rejected", "m.tflite.rejected.json"]


def written(dense, images, directory, name):
    """The report of a TFLite format for tflite-runtime 2.14."""
    row = export.FORMATS[name]
    (report,) = export.export_all(
        dense,
        directory,
        [name],
        expected=export.reference(dense, images),
        calibration=images if row.calibrated else None,
        request=export.Request(platforms=Platforms(target="2.14")),
    )
    return report


@pytest.mark.parametrize("name", ["float32", "float16", "dynamic", "int8", "int16x8", "weight_int8"])
def test_formats_do_without_newer_operators(dense, images, tmp_path, name):
    report = written(dense, images, tmp_path, name)
    assert "lacks" not in report.reason and lacking(report.path, "2.14") == ""


def test_int4_is_for_newer_runtimes(dense, images, tmp_path):
    report = written(dense, images, tmp_path, "weight_int4")
    assert not report.passed and "newer runtimes than tflite-runtime 2.14, which lacks int4 weights" in report.reason


def test_targets_that_there_are_not(model, images, tmp_path):
    with pytest.raises(ValueError, match=r"target_runtime must be 2\.14\. Received: target_runtime='2\.13'"):
        export.tflite(model, tmp_path / "m.tflite", images=np.asarray(images), target_runtime="2.13")
    assert not list(tmp_path.iterdir())
