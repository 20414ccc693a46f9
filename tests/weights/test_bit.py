"""BiT's .npz files: the published names into our network, and archives that are not what they say."""

import io
import re
import struct
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import kres
from tests import golden_weights
from tests.weights.small import assert_same, network, values

SPEC = replace(kres.spec("resnetv2_50x1_bit"), depths=(1, 2), widths=(32, 64), classes=5, input_size=32)
CONV, NORM = "standardized_conv2d", "group_norm"


def published_name(timm: str) -> str:
    """A timm name as BiT has it: https://github.com/google-research/big_transfer, bit_pytorch/models.py."""
    layer, _, leaf = timm.rpartition(".")
    block = re.fullmatch(r"stages\.(\d)\.blocks\.(\d+)\.(conv|norm|downsample\.conv)(\d?)", layer)
    if block:
        kind, number = block[3], int(block[4] or 1)
        place = {"conv": CONV, "norm": NORM, "downsample.conv": f"proj/{CONV}"}[kind]
        layer = f"block{int(block[1]) + 1}/unit{int(block[2]) + 1:02d}/{'abc'[number - 1]}/{place}"
    else:
        layer = {"stem.conv": f"root_block/{CONV}", "norm": NORM, "head.fc": "head/conv2d"}[layer]
    if "norm" in layer:
        leaf = {"weight": "gamma", "bias": "beta"}[leaf]
    return f"resnet/{layer}/{'kernel' if leaf == 'weight' else leaf}"


def published(timm: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A timm state dict in BiT's names and axis order."""
    return {published_name(name): x.transpose(2, 3, 1, 0) if x.ndim == 4 else x for name, x in timm.items()}


def small() -> dict[str, np.ndarray]:
    """The small network's weights as BiT would publish them."""
    model = network(SPEC)
    found: dict[str, np.ndarray] = {}
    places = {"conv": CONV, "norm": NORM, "shortcut_conv": f"proj/{CONV}"}
    for variable in model.weights:
        layer, leaf = variable.path.split("/")[-2:]
        block = re.fullmatch(r"stage(\d)_block(\d+)_(shortcut_conv|conv|norm)(\d?)", layer)
        if block:
            unit = f"block{block[1]}/unit{int(block[2]):02d}/{'abc'[int(block[4] or 1) - 1]}"
            layer = f"{unit}/{places[block[3]]}"
        else:
            layer = {"stem_conv1": f"root_block/{CONV}", "final_norm": NORM, "predictions": "head/conv2d"}[layer]
        value = variable.numpy()
        found[f"resnet/{layer}/{leaf}"] = value[None, None] if value.ndim == 2 else value
    return found


def assert_refused(path: Path, match: str) -> None:
    model = network(SPEC)
    before = values(model)
    with pytest.raises(ValueError, match=match) as caught:
        kres.load_weights(model, path)
    assert str(path) in str(caught.value)
    assert_same(before, model)


def test_outputs_equal_the_reference(tmp_path: Path) -> None:
    golden = golden_weights.load("resnetv2_50x1_bit")
    np.savez(tmp_path / "bit.npz", **published(golden_weights.state_dict(golden)))  # type: ignore[arg-type]
    size = golden["input_size"]
    model = kres.build("resnetv2_50x1_bit", input_shape=(size, size, 3), classifier_activation=None)
    kres.load_weights(model, tmp_path / "bit.npz")
    expected = np.array(golden["logits"]).reshape(1, -1)
    logits = np.array(model(golden_weights.image(size), training=False))
    # Each kernel is divided by its own deviation, which float32 arithmetic feels: as in test_goldens.py.
    assert np.abs(logits - expected).max() <= 2e-4 * np.abs(expected).max()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_every_bit_arrives(save: Any, tmp_path: Path) -> None:
    save(tmp_path / "w.npz", **small())
    model = kres.build(SPEC)
    kres.load_weights(model, tmp_path / "w.npz")
    for ours, theirs in zip(model.weights, network(SPEC).weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy(), err_msg=ours.path)


@pytest.mark.parametrize("classes", [21843, 3])
def test_a_head_for_other_classes_is_left(classes: int, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """BiT-M's are for ImageNet-21k."""
    arrays = small()
    arrays["resnet/head/conv2d/kernel"] = np.zeros((1, 1, 256, classes), "float32")
    arrays["resnet/head/conv2d/bias"] = np.zeros(classes, "float32")
    np.savez(tmp_path / "w.npz", **arrays)  # type: ignore[arg-type]
    model = kres.build(SPEC)
    head = model.get_layer("predictions").kernel.numpy()
    kres.load_weights(model, tmp_path / "w.npz")
    np.testing.assert_array_equal(model.get_layer("predictions").kernel.numpy(), head)
    assert f"{classes} classes in the file and 5 in" in caplog.text


ROOT = f"resnet/root_block/{CONV}/kernel"
UNIT = f"resnet/block2/unit02/b/{CONV}/kernel"


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({UNIT: None}, f"1 missing from the file: {UNIT}"),
        ({"resnet/block9/x": np.zeros(3)}, "1 in the file, but not in the model: resnet/block9/x"),
        ({UNIT: np.zeros((5, 5, 64, 64), "float32")}, rf"{UNIT} \(5, 5, 64, 64\) .*\(3, 3, 64, 64\)"),
        (
            {ROOT: np.full((7, 7, 3, 32), np.nan), UNIT: np.full((3, 3, 64, 64), np.inf)},
            f"2 of the file's .*: {ROOT} with 4704 of 4704 values not finite in float32, {UNIT} with",
        ),
        (
            {ROOT: np.zeros((7, 7, 3, 32), "int8"), UNIT: np.zeros((3, 3, 64, 64), "?")},
            f"{ROOT} of int8, {UNIT} of bool",
        ),
        ({UNIT: np.zeros((3, 3, 64, 64), "complex64")}, f"{UNIT} of complex64"),
        ({UNIT: np.full((3, 3, 64, 64), "a")}, f"{UNIT} of str32"),
        ({UNIT: np.zeros((3, 3, 64, 64), "f4,f4")}, f"{UNIT} of void64"),
    ],
)
def test_each_fault_is_one_error_and_changes_nothing(changes: dict[str, Any], match: str, tmp_path: Path) -> None:
    arrays: dict[str, Any] = {name: x for name, x in {**small(), **changes}.items() if x is not None}
    np.savez(tmp_path / "w.npz", **arrays)
    assert_refused(tmp_path / "w.npz", match)


class Payload:
    """Unpickling this creates a file: code that a weights file must not get to run."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.marker,)


def test_no_code_runs_from_an_object_array(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    objects = np.empty((3, 3, 64, 64), object)
    objects[:] = Payload(marker)
    np.savez(tmp_path / "w.npz", **{**small(), UNIT: objects})  # type: ignore[arg-type]
    assert_refused(tmp_path / "w.npz", f"{UNIT} of object")
    assert not marker.exists()


def array_bytes(header: str, data: bytes = b"", *, version: int = 1) -> bytes:
    """A .npy file."""
    text = header.encode()
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(text)) + text + data


def write_member(path: Path, content: bytes, *, name: str = f"{UNIT}.npy") -> None:
    """The small network's archive with one member of these bytes, under an honest checksum."""
    np.savez(path, **{key: x for key, x in small().items() if key != UNIT})  # type: ignore[arg-type]
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)


HEADER = "{'descr': '<f4', 'fortran_order': False, 'shape': %s}\n"


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (array_bytes(HEADER % "(1048576, 1048576)"), r"kernel \(1048576, 1048576\)"),
        (array_bytes(HEADER % "(3, 3, 64, 64)"), "damaged or cut short.*EOF"),
        (array_bytes(HEADER % "(3, 3, 64, 64)", bytes(4 * 9 * 64 * 64 + 1)), "goes on behind its array"),
        (array_bytes(HEADER % "(3, 3, 64, 64)", version=9), "unknown version"),
        (array_bytes(HEADER % "(3, 3, -64, -64)"), r"\(3, 3, -64, -64\)"),
        (array_bytes("__import__('os').abort()\n"), "damaged"),
        (array_bytes("(" * 3000), "damaged"),
        (array_bytes(HEADER % "(3, 3, 64, 64"), "damaged"),
        (b"\x93NUMPY", "damaged"),
        (b"", "damaged"),
    ],
    ids=["huge", "short", "long", "version", "negative", "code", "deep", "unbalanced", "no header", "empty"],
)
def test_arrays_that_are_not_what_they_say(content: bytes, match: str, tmp_path: Path) -> None:
    write_member(tmp_path / "w.npz", content)
    assert_refused(tmp_path / "w.npz", match)


def test_other_things_than_arrays_are_refused(tmp_path: Path) -> None:
    write_member(tmp_path / "w.npz", b"hello", name="readme.txt")
    assert_refused(tmp_path / "w.npz", "readme.txt is no array")


def test_a_bare_array_is_no_archive(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    (tmp_path / "w.npz").write_bytes(buffer.getvalue())
    assert_refused(tmp_path / "w.npz", r"not a NumPy \.npz archive")


@pytest.mark.parametrize("on_tensor", [False, True])
@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".weights.h5"])
def test_a_fused_network_is_not_loaded(suffix: str, on_tensor: bool, tmp_path: Path) -> None:
    """Its plain kernels have the names and shapes of those that are standardized, and other values."""
    path, source = tmp_path / f"w{suffix}", network(SPEC)
    if suffix == ".npz":
        np.savez(path, **small())  # type: ignore[arg-type]
    elif suffix == ".safetensors":
        kres.export_weights(source, path)
    else:
        source.save_weights(path)
    built = kres.build(SPEC, input_tensor=keras.Input((32, 32, 3)) if on_tensor else None)
    fused = kres.fuse(built)
    before = values(fused)
    with pytest.raises(ValueError, match=r"then fuse\. Received"):
        kres.load_weights(fused, path, network=SPEC)
    assert_same(before, fused)
