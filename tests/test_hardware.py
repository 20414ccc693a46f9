"""What the system tells of the computer; elsewhere than on Linux it may tell less, and never fails."""

import os
import platform
from pathlib import Path

import pytest

from kres import hardware

CPUINFO = """processor\t: 0
model name\t: Some CPU @ 3.00GHz
flags\t\t: fpu avx2 avx512f avx512f_not_one amx_bf16

processor\t: 1
model name\t: Some CPU @ 3.00GHz
"""


def test_the_computer_is_described() -> None:
    found = hardware.computer()
    assert found["processor"] and 1 <= found["cores"] <= (os.cpu_count() or 1)
    assert set(found["instructions"]) <= hardware.CPU_FLAGS
    assert found["memory_bytes"] is None or found["memory_bytes"] > 2**28
    assert platform.node() not in str(found)


def test_linux_says_name_and_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda path, **options: CPUINFO)
    assert hardware.processor() == "Some CPU @ 3.00GHz"
    assert hardware.cpu_flags() == ["amx_bf16", "avx2", "avx512f"]


def test_where_the_system_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(path: Path, **options: object) -> str:
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_text", absent)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.delattr(os, "sysconf", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    monkeypatch.setattr(platform, "processor", lambda: "")
    expected = {"processor": platform.machine(), "cores": 1, "instructions": [], "memory_bytes": None}
    assert hardware.computer() == expected
