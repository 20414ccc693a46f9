"""Files of every format, whole and damaged: what is read as data, and what each fault is called."""

import contextlib
import io
import pickle
import sys
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

import kres
from kres.weights.saving import state_dict
from tests.weights.small import SPEC, assert_refused, assert_same, network, values, write

# Keras's own saving code under NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01" + bytes(range(256)) * 40


@pytest.mark.parametrize("name", ["w.safetensors", "w.weights.h5", "w.keras", "w.WEIGHTS.H5"])
def test_whole_files_load(name: str, tmp_path: Path) -> None:
    write(tmp_path / name.lower())
    (tmp_path / name.lower()).rename(tmp_path / name)
    model = kres.build(SPEC)
    kres.load_weights(model, str(tmp_path / name))
    for ours, theirs in zip(model.weights, network().weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy(), err_msg=ours.path)


@pytest.mark.parametrize("name", ["w.safetensors", "w.weights.h5", "w.keras", "w.npz"])
@pytest.mark.parametrize("kept", [0, 5, 0.5, 0.999])
def test_files_cut_short_are_refused(name: str, kept: float, tmp_path: Path) -> None:
    path = tmp_path / name
    write(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept if kept >= 1 else kept * len(content))])
    assert_refused(path, f"damaged or cut short.*{name}")


@pytest.mark.parametrize("name", ["w.safetensors", "w.h5", "w.weights.h5", "w.keras", "w.npz"])
def test_a_picture_under_a_weights_name_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(JPEG)
    assert_refused(tmp_path / name, f"The file is not a.*Received: .*{name}")


def test_missing_files_directories_and_unknown_formats_are_told_apart(tmp_path: Path) -> None:
    assert_refused(tmp_path / "none.safetensors", r"no weights file.*none\.safetensors", FileNotFoundError)
    (tmp_path / "folder.h5").mkdir()
    for folder in (tmp_path / "folder.h5", tmp_path):
        assert_refused(folder, r"lacks config\.json and model\.safetensors", FileNotFoundError)
    (tmp_path / "weights.bin").write_bytes(b"x")
    assert_refused(tmp_path / "weights.bin", r"ends in one of \.safetensors, \.pth")


def test_hdf5_that_keras_never_wrote_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.weights.h5"
    write(path)
    with h5py.File(path, "a") as file:
        file["layers/loose"] = np.zeros(3)
        file["layers/plain/vars/notes"] = "hello"
        variables = file["layers/dense/vars"]
        del variables["0"], variables["1"]
        variables["0"] = h5py.Empty("float32")
        variables.create_group("1")
    assert_refused(path, "plain/notes, predictions/gamma")


@pytest.mark.parametrize(
    ("fault", "match"),
    [
        ("missing", "1 missing from the file: predictions/bias"),
        ("more", "1 in the file, but not in the model: lone/kernel"),
        ("shape", r"predictions/bias \(6,\) \(for predictions/bias, which is \(5,\)\)"),
        ("nan", "predictions/bias with 1 of 5 values not finite"),
        ("type", "predictions/bias of int32"),
    ],
)
@pytest.mark.parametrize("ending", [".weights.h5", ".keras"])
def test_each_fault_in_hdf5_is_one_error_and_changes_nothing(
    fault: str, match: str, ending: str, tmp_path: Path
) -> None:
    path = tmp_path / "w.weights.h5"
    write(path)
    with h5py.File(path, "a") as file:
        head = file["layers/dense/vars"]
        bias = head["1"][()]
        del head["1"]
        if fault == "nan":
            bias[2] = np.nan
        elif fault == "more":
            file["layers/lone/vars/0"] = np.zeros((2, 2), "float32")
        elif fault == "shape":
            bias = np.zeros(6, "float32")
        elif fault == "type":
            bias = bias.astype("int32")
        if fault != "missing":
            head["1"] = bias
    if ending == ".keras":
        with zipfile.ZipFile(tmp_path / "w.keras", "w") as archive:
            archive.write(path, "model.weights.h5")
    assert_refused(path.with_name(f"w{ending}"), match)


def test_text_is_no_weights(tmp_path: Path) -> None:
    path = tmp_path / "w.weights.h5"
    write(path)
    with h5py.File(path, "a") as file:
        del file["layers/dense/vars/1"]
        file["layers/dense/vars/1"] = [b"a"] * SPEC.classes
    assert_refused(path, "floating-point numbers")


@pytest.mark.parametrize("kind", ["external link", "external storage", "virtual"])
def test_a_file_that_points_at_other_files_is_refused(kind: str, tmp_path: Path) -> None:
    """Else a downloaded file could put a local file's content into a model that its user publishes."""
    path, other = tmp_path / "w.weights.h5", tmp_path / "other.h5"
    write(path)
    write(other.with_name("other.weights.h5"))
    with h5py.File(path, "a") as file:
        variables = file["layers"]["dense"]["vars"]
        shape = variables["1"].shape
        del variables["1"]
        if kind == "external link":
            variables["1"] = h5py.ExternalLink("other.weights.h5", "layers/dense/vars/1")
        elif kind == "external storage":
            variables.create_dataset("1", shape, "float32", external=[(str(other), 0, 4 * shape[0])])
        else:
            layout = h5py.VirtualLayout(shape, "float32")
            layout[:] = h5py.VirtualSource("other.weights.h5", "layers/dense/vars/1", shape)
            variables.create_virtual_dataset("1", layout)
    assert_refused(path, "points at other files.*predictions/bias")


def test_a_keras_archive_is_read_as_data(tmp_path: Path) -> None:
    """A config that runs code as Keras builds its model from it is not even looked at."""
    good, evil, marker = tmp_path / "good.keras", tmp_path / "evil.keras", tmp_path / "ran"
    write(good)
    name = str(marker)
    trap = keras.layers.Lambda(lambda x: __import__("pathlib").Path(name).touch() or x)
    keras.Sequential([keras.Input((2,)), trap]).save(tmp_path / "trap.keras")
    with (
        zipfile.ZipFile(good) as weights,
        zipfile.ZipFile(tmp_path / "trap.keras") as code,
        zipfile.ZipFile(evil, "w") as archive,
    ):
        archive.writestr("model.weights.h5", weights.read("model.weights.h5"))
        for member in ("config.json", "metadata.json"):
            archive.writestr(member, code.read(member))
    marker.unlink()

    model = kres.build(SPEC)
    kres.load_weights(model, evil)
    np.testing.assert_array_equal(model.weights[0].numpy(), network().weights[0].numpy())
    with pytest.raises(ValueError, match="safe_mode"):
        kres.training.load_model(evil)
    assert not marker.exists()
    with contextlib.suppress(ValueError):  # its weights do not fit, but by then the code has run
        keras.saving.load_model(evil, safe_mode=False)
    assert marker.exists(), "the trap is none"


def test_an_archive_without_weights_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "w.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    assert_refused(tmp_path / "w.keras", r"not a \.keras archive.*model\.weights\.h5")


def test_damage_inside_a_dataset_is_found(tmp_path: Path) -> None:
    """One flipped byte under HDF5's own checksum, far behind everything that opening looks at."""
    path = tmp_path / "w.weights.h5"
    write(path)
    with h5py.File(path, "a") as file:
        variables = file["layers"]["dense"]["vars"]
        value = variables["0"][()]
        del variables["0"]
        checked = variables.create_dataset("0", data=value, chunks=value.shape, fletcher32=True)
        offset = checked.id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[offset + 17] ^= 0x40
    path.write_bytes(content)
    assert_refused(path, "damaged or cut short")


# Not HDF5: on some flips its library never returns.
@pytest.mark.parametrize("name", ["w.safetensors", "w.pth", "w.npz"])
def test_flipped_bytes_are_one_kind_of_error(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Whatever a format's library raises on them; what no checksum guards may also load."""
    if name.endswith(".pth"):
        request.getfixturevalue("torch_module")
    path, rng, refused = tmp_path / name, np.random.default_rng(0), 0
    write(path)
    whole, model = path.read_bytes(), network()
    before = values(model)
    for turn in range(60):
        content = bytearray(whole)
        for _ in range(8):  # anywhere, in the first or in the last bytes, where formats keep their tables
            where = int(rng.integers(0, len(content) if turn % 3 == 0 else 3000))
            content[where if turn % 3 < 2 else -1 - where] = rng.integers(256)
        path.write_bytes(content)
        error = None
        try:
            kres.load_weights(model, path)
        except ValueError as caught:
            error = str(caught)
        if error is None:
            before = values(model)
            continue
        assert f"Received: source={str(path)!r}" in error
        assert_same(before, model)
        refused += 1
    assert refused > 20


def test_keras_bfloat16_files_load(tmp_path: Path) -> None:
    source = network(dtype="bfloat16")
    assert source.weights[0].dtype == "bfloat16"
    source.save_weights(tmp_path / "w.weights.h5")
    model = kres.build(SPEC)
    kres.load_weights(model, tmp_path / "w.weights.h5")
    for ours, theirs in zip(model.weights, source.weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy().astype("float32"), err_msg=ours.path)


@pytest.mark.parametrize("key", [None, "state_dict", "model"])
def test_torch_files_load(key: str | None, torch_module: Any, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    state = {name: torch_module.from_numpy(x) for name, x in state_dict(network()).items()}
    torch_module.save({key: state, "epoch": 3} if key else state, path)
    model = kres.build(SPEC)
    kres.load_weights(model, path)
    for ours, theirs in zip(model.weights, network().weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy(), err_msg=ours.path)


def test_damaged_torch_files_are_refused(torch_module: Any, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    write(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert_refused(path, "PyTorch state dict")
    path.write_bytes(JPEG)
    assert_refused(path, "PyTorch state dict")
    torch_module.save([1, 2], path)
    assert_refused(path, "no state dict of tensors")


class Payload:
    """Unpickling this creates a file: code that a weights file must not get to run."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.marker,)


def test_no_code_runs_from_a_torch_file(torch_module: Any, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    torch_module.save({"conv1.weight": Payload(marker)}, tmp_path / "zip.pth")
    buffer = io.BytesIO()
    pickle.dump(Payload(marker), buffer, protocol=2)  # the one that PyTorch writes
    (tmp_path / "pickle.pth").write_bytes(buffer.getvalue())
    for name in ("zip.pth", "pickle.pth"):
        assert_refused(tmp_path / name, "could run code")
        assert not marker.exists()


def test_without_torch_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    (tmp_path / "w.pth").write_bytes(b"x")
    assert_refused(tmp_path / "w.pth", r"pip install 'kres\[torch\]'", ImportError)
