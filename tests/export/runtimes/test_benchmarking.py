"""A benchmark opens the artifact in another process and reports positive, ordered figures."""

import dataclasses
import json
from collections import Counter

import pytest

from kres import export
from kres.export import runner
from kres.export.files.inspection import inspect
from kres.export.runtimes import benchmarking


@pytest.mark.parametrize("name", ["float32", "saved_model"])
def test_benchmark(model, images, tmp_path, name):
    path = tmp_path / "artifact"
    (export.tflite if name == "float32" else export.saved_model)(model, path, images=images)
    timing = export.benchmark(path, threads=1, runs=5, operators=name == "saved_model")
    assert timing.format == name and timing.runs == 5 and timing.threads == 1
    assert 0 < timing.low_ms <= timing.median_ms <= timing.high_ms
    assert timing.size_bytes > 1000
    # A SavedModel has no delegate, and its operators are not timed.
    assert (timing.delegation is None) == (name == "saved_model") and timing.operators == ()


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


def test_delegation_and_operators(model, images, tmp_path):
    path = tmp_path / "artifact"
    export.tflite(model, path, images=images)
    timing = export.benchmark(path, threads=1, runs=3, operators=True)
    nodes = inspect(path).operators
    assert timing.delegation == benchmarking.Delegation(nodes=nodes.total(), taken=nodes.total(), partitions=1)
    assert timing.delegation.share == 1
    # The one convolution that strides pads by itself, so that every node stands alone.
    assert Counter(operator.name for operator in timing.operators) == nodes
    assert "block1_1_conv" in [operator.layer for operator in timing.operators]
    assert all(operator.ms > 0 for operator in timing.operators)
    assert sum(operator.share for operator in timing.operators) == pytest.approx(1)
    slowest = timing.slowest(2)
    assert len(slowest) == 2 and slowest[0].ms == max(operator.ms for operator in timing.operators)
    json.dumps(dataclasses.asdict(timing))


def test_delegation_counts_what_lies_between_a_partitions_outputs_and_inputs():
    def node(index, name, inputs, outputs):
        return {"index": index, "op_name": name, "inputs": inputs, "outputs": outputs}

    # Two partitions around a node that was not taken; tensor 9 is a constant, which a delegate lists as its input.
    own = [
        node(0, "CONV_2D", [0, 9], [1]),
        node(1, "ADD", [1, 0], [2]),
        node(2, "MAX_POOL_2D", [2], [3]),
        node(3, "SOFTMAX", [3], [4]),
    ]
    delegates = [node(4, "DELEGATE", [0, 9], [2]), node(5, "DELEGATE", [3], [4])]
    assert runner.delegation([*own, *delegates]) == {"nodes": 4, "taken": 3, "partitions": 2}
    assert runner.delegation(own) == {"nodes": 4, "taken": 0, "partitions": 0}
