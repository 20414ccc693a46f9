"""NumPy's `.npz` archives, read member by member, without pickle."""

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from kres.weights.files.tensors import Shape, TensorFile, reading

_EXPECTED = "a NumPy .npz archive"
_ENDING = ".npy"
_HEADER_BYTES = 16384
"""More than the longest header that NumPy itself takes; a member may announce, and unpack, gigabytes of it."""


@contextmanager
def open_npz(path: Path) -> Iterator[TensorFile]:
    """Open an archive; each member's header is read and no array."""
    with reading(path, _EXPECTED):
        archive = zipfile.ZipFile(path)

    def read(name: str) -> np.ndarray:
        with reading(path, _EXPECTED), archive.open(name + _ENDING) as member:
            array = np.lib.format.read_array(member, allow_pickle=False)
            if member.read(1):  # the archive's checksum is compared at a member's very end
                raise ValueError(f"{name} goes on behind its array")
            return array

    with archive:
        with reading(path, _EXPECTED):
            names = [info.filename for info in archive.infolist()]
            if foreign := [name for name in names if not name.endswith(_ENDING)]:
                raise ValueError(f"{foreign[0]} is no array")
            headers = {name.removesuffix(_ENDING): _header(archive, name) for name in names}
        yield TensorFile(
            path=path,
            format="npz",
            shapes={name: shape for name, (shape, _) in headers.items()},
            dtypes={name: dtype for name, (_, dtype) in headers.items()},
            read=read,
        )


def _header(archive: zipfile.ZipFile, name: str) -> tuple[Shape, str]:
    """Shape and type of an array."""
    with archive.open(name) as member:
        start = io.BytesIO(member.read(_HEADER_BYTES))
    version = np.lib.format.read_magic(start)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(start)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(start)
    else:
        raise ValueError(f"{name} is an array of the unknown version {version}")
    return shape, dtype.name
