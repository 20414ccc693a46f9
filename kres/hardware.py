"""The computer that a figure was measured on, as far as the system tells; nothing by which to know whose it is."""

import os
import platform
from pathlib import Path
from typing import Any

# What decides whether int8 and bfloat16 are fast, as Linux names it.
CPU_FLAGS = frozenset("avx2 avx_vnni avx512f avx512_vnni avx512_bf16 amx_bf16 amx_int8 asimd asimddp i8mm".split())


def computer() -> dict[str, Any]:
    """Processor, cores that this process may use, instruction sets that decide about speed, bytes of memory or None."""
    return {
        "processor": processor(),
        "cores": cores(),
        "instructions": cpu_flags(),
        "memory_bytes": memory_bytes(),
    }


def processor() -> str:
    """The processor's name, or at least its architecture."""
    for line in _cpuinfo().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name" and value.strip():
            return value.strip()
    return platform.processor() or platform.machine()


def cores() -> int:
    """How many logical cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_flags() -> list[str]:
    """Those of the CPU's instruction sets that decide about speed; none where the system does not say."""
    return sorted(CPU_FLAGS & set(_cpuinfo().split()))


def memory_bytes() -> int | None:
    """The physical memory; None where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
