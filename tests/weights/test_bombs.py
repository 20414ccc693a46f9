"""Small files that would be huge in memory: refused by what they declare, before any of it is read or unpacked."""

import itertools
import json
import resource
import struct
import sys
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np
import pytest

import kres
from tests.weights.small import SPEC, assert_refused, network, write

# Keras's own saving code under NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

HUGE = 1 << 20
BOMB_BYTES = 1 << 29
CHUNK = bytes(1 << 24)
KERNEL = (7, 7, 3, 8)


def zeros() -> Iterator[bytes]:
    """The bomb's content, chunk by chunk."""
    return itertools.repeat(CHUNK, BOMB_BYTES // len(CHUNK))


@contextmanager
def little_memory() -> Iterator[None]:
    """Fail if the process comes to hold half of the bomb more than it ever did."""
    unit = 1 if sys.platform == "darwin" else 1024
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit
    assert grown < BOMB_BYTES / 2, f"{grown / 2**20:.0f} MB"


@contextmanager
def bomb(path: Path, name: str) -> Iterator[IO[bytes]]:
    """A member of a new archive to write zeros to; the archive comes out small."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(name, "w") as member,
    ):
        yield member
    assert path.stat().st_size < BOMB_BYTES / 100


def stem_variables(file: h5py.File) -> h5py.Group:
    return next(g for g in file["layers"].values() if g["vars"].attrs.get("name") == "stem_conv1")["vars"]


def test_a_huge_tensor_is_refused_by_its_header_alone(tmp_path: Path) -> None:
    """Four terabytes on paper: a sparse file, which nothing could read into memory."""
    size = 4 * HUGE * HUGE
    header = json.dumps({"conv1.weight": {"dtype": "F32", "shape": [HUGE, HUGE], "data_offsets": [0, size]}}).encode()
    path = tmp_path / "bomb.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + size)
    assert_refused(path, r"conv1.weight \(1048576, 1048576\)")
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    assert_refused(path, "damaged or cut short")
    path.write_bytes(struct.pack("<Q", 1 << 60) + header)
    assert_refused(path, "damaged or cut short")


@pytest.mark.parametrize("name", ["bomb.weights.h5", "bomb.keras"])
def test_a_huge_dataset_is_refused_by_its_shape_alone(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.weights.h5"
    write(path)
    with h5py.File(path, "a") as file:
        variables = stem_variables(file)
        del variables["0"]
        variables.create_dataset("0", shape=(HUGE, HUGE, 3, 64), dtype="float32", chunks=(1, 1, 3, 64))
    if name == "bomb.keras":
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.write(path, "model.weights.h5")
    with little_memory():
        assert_refused(tmp_path / name, r"stem_conv1/kernel \(1048576, 1048576, 3, 64\)")


def test_a_dataset_without_numbers_is_refused(tmp_path: Path) -> None:
    """HDF5 would make up zeros, of any size."""
    path = tmp_path / "w.weights.h5"
    write(path)
    with h5py.File(path, "a") as file:
        variables = stem_variables(file)
        del variables["0"]
        variables.create_dataset("0", shape=KERNEL, dtype="float32")
    assert_refused(path, "has 4704 bytes, and 0 of them are stored")


def test_a_packed_dataset_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    """A chunk of the right shape that unpacks to half a gigabyte: HDF5 makes room for all of it."""
    packer = zlib.compressobj(1)
    packed = b"".join(packer.compress(chunk) for chunk in zeros()) + packer.flush()
    path = tmp_path / "w.weights.h5"
    write(path)
    with h5py.File(path, "a") as file:
        variables = stem_variables(file)
        del variables["0"]
        dataset = variables.create_dataset("0", shape=KERNEL, dtype="float32", chunks=KERNEL, compression="gzip")
        dataset.id.write_direct_chunk((0, 0, 0, 0), packed)
    with little_memory():
        assert_refused(path, "compressed, which Keras does not do")


def test_groups_that_hold_each_other_are_read_once(tmp_path: Path) -> None:
    """Forty groups in one another by two links each: a million million paths."""
    path = tmp_path / "w.weights.h5"
    write(path)
    with h5py.File(path, "a") as file:
        group = file["layers"]
        for _ in range(40):
            inner = group.create_group("a/layers")
            group["b"] = group["a"]
            group = inner
        group["again"] = file["layers"]
    model = kres.build(SPEC)
    kres.load_weights(model, path)
    np.testing.assert_array_equal(model.weights[0].numpy(), network().weights[0].numpy())


def test_a_huge_type_is_refused(tmp_path: Path) -> None:
    """Strings of half a gigabyte each, none of them stored, in the right shape."""
    path = tmp_path / "w.weights.h5"
    write(path)
    with h5py.File(path, "a") as file:
        variables = stem_variables(file)
        del variables["0"]
        variables.create_dataset("0", shape=KERNEL, dtype=f"S{BOMB_BYTES}")
    with little_memory():
        assert_refused(path, "floating-point numbers.*conv1/kernel of bytes")


def test_a_huge_torch_tensor_is_refused_by_its_shape_alone(torch_module: Any, tmp_path: Path) -> None:
    torch_module.save({"conv1.weight": torch_module.zeros(1).expand(HUGE, HUGE)}, tmp_path / "bomb.pth")
    assert (tmp_path / "bomb.pth").stat().st_size < HUGE
    assert_refused(tmp_path / "bomb.pth", r"conv1.weight \(1048576, 1048576\)")


@pytest.mark.parametrize(("name", "member"), [("bomb.pth", "archive/data/0"), ("bomb.keras", "model.weights.h5")])
def test_a_packed_archive_is_refused_before_it_is_unpacked(
    name: str, member: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """HDF5 goes to and fro in a file, and a packed member is unpacked from its beginning each time."""
    if name.endswith(".pth"):
        request.getfixturevalue("torch_module")
    with bomb(tmp_path / name, member) as content:
        content.writelines(zeros())
    started = time.process_time()
    with little_memory():
        assert_refused(tmp_path / name, "others are not unpacked")
    assert time.process_time() - started < 5  # with two small networks built; a minute where it was unpacked


def test_an_npz_header_is_not_unpacked_beyond_its_beginning(tmp_path: Path) -> None:
    """The length of a header is the file's word, up to four gigabytes."""
    with bomb(tmp_path / "bomb.npz", "x.npy") as member:
        member.write(b"\x93NUMPY\x02\x00" + struct.pack("<I", BOMB_BYTES))
        member.writelines(zeros())
    with little_memory():
        assert_refused(tmp_path / "bomb.npz", "damaged or cut short")


@pytest.mark.parametrize("dtype", ["float32", f"S{BOMB_BYTES}"])
def test_a_huge_npz_array_is_refused_by_its_header_alone(dtype: str, tmp_path: Path) -> None:
    """That the right shape with another type is refused unread too is shown with BiT's names, in test_bit.py."""
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w") as archive, archive.open("x.npy", "w") as member:
        header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": (HUGE, HUGE)}
        np.lib.format.write_array_header_2_0(member, header)
    with little_memory():
        assert_refused(tmp_path / "bomb.npz", "1 in the file, but not in the model: x")
