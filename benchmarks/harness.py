"""What every benchmark shares: two contestants timed in turns, the machine described, one table or JSON at the end.

Timings differ from machine to machine and from minute to minute, so a benchmark compares within one run only and
gives a ratio. Run as a program, this file describes the machine.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

# Before TensorFlow is imported, as the `kres` command does; a variable that is set already wins.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

FLAGS = ("avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
BFLOAT16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})


@dataclass(frozen=True, kw_only=True)
class Row:
    """One comparison: seconds of both contestants, every repetition, and the bound on stock / kres (or its inverse)."""

    name: str
    kres: list[float]
    stock: list[float]
    target: float | None = None
    """None where nobody has set one."""
    at_most: bool = False
    """Whether `target` bounds kres / stock from above; else it bounds stock / kres from below."""
    not_measurable: str = ""
    """Why this machine cannot show the comparison."""

    @property
    def ratio(self) -> float:
        """Of the medians: kres / stock where `at_most`, else stock / kres."""
        ours, theirs = statistics.median(self.kres), statistics.median(self.stock)
        return ours / theirs if self.at_most else theirs / ours

    @property
    def met(self) -> bool | None:
        """Whether the target is; None without one."""
        if self.target is None:
            return None
        return self.ratio <= self.target if self.at_most else self.ratio >= self.target

    def cells(self) -> list[str]:
        """The row of the table."""
        if self.not_measurable:
            return [self.name, "", "", "", self.bound, f"not measurable here: {self.not_measurable}"]
        verdict = {True: "met", False: "missed", None: ""}[self.met]
        return [self.name, _spread(self.kres), _spread(self.stock), f"{self.ratio:.2f}", self.bound, verdict]

    @property
    def bound(self) -> str:
        """The target in words."""
        if self.target is None:
            return ""
        return f"kres/stock <= {self.target}" if self.at_most else f"stock/kres >= {self.target}"


def _spread(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.4g} ({min(seconds):.4g} to {max(seconds):.4g}, n={len(seconds)})"


def arguments(description: str | None) -> argparse.Namespace:
    """The command line of a benchmark: `--toy`, `--json`, `--rounds N`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--toy", action="store_true", help="one round at a size that shows nothing but that it runs")
    parser.add_argument("--json", action="store_true", help="print JSON, every repetition in it, and no table")
    parser.add_argument("--rounds", type=int, default=3, help="turns that each contestant takes (3)")
    parser.add_argument("--measure", choices=("kres", "stock"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error(f"--rounds must be at least 1. Received: --rounds={options.rounds}")
    if options.toy:
        options.rounds = 1
    return options


def in_turns(contestants: Mapping[str, Callable[[], Sequence[float]]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each contestant; they run one after the other `rounds` times, and who starts alternates."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds):
        for name in sorted(contestants, reverse=bool(turn % 2)):
            seconds[name] += contestants[name]()
    return seconds


def timed(function: Callable[[], Any]) -> float:
    """Seconds that one call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def in_own_process(file: str, contestant: str, *, toy: bool) -> float:
    """Seconds that `file --measure contestant` prints, in a fresh interpreter; CalledProcessError if it fails."""
    command = [sys.executable, file, "--measure", contestant, *(["--toy"] if toy else [])]
    root = str(Path(__file__).resolve().parents[1])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}
    )
    return float(done.stdout.split()[-1])


def cpu_flags() -> list[str]:
    """Those of FLAGS that this CPU has, as Linux reports them; empty elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return []
    flags = set(next((line for line in text.splitlines() if line.startswith("flags")), "").split())
    return [flag for flag in FLAGS if flag in flags]


def lacks_bfloat16() -> str:
    """Why bfloat16 cannot be measured on this CPU, or an empty string."""
    missing = BFLOAT16_FLAGS.isdisjoint(cpu_flags())
    return f"the CPU has neither of {', '.join(sorted(BFLOAT16_FLAGS))}" if missing else ""


def machine() -> dict[str, Any]:
    """What the numbers depend on."""
    return {
        "cpu": " ".join(cpu_flags()) or platform.machine(),
        "cores": os.cpu_count(),
        "TF_ENABLE_ONEDNN_OPTS": os.environ["TF_ENABLE_ONEDNN_OPTS"],
        "python": platform.python_version(),
        **{package: version(package) for package in ("tensorflow", "keras", "numpy")},
    }


def report(rows: list[Row], options: argparse.Namespace) -> None:
    """Print the machine and the rows, as JSON or as a table."""
    if options.json:
        fields = [asdict(row) | ({} if row.not_measurable else {"ratio": row.ratio, "met": row.met}) for row in rows]
        print(json.dumps({"machine": machine(), "toy": options.toy, "rows": fields}))
        return
    from rich.console import Console
    from rich.table import Table

    titles = ("", "kres, s", "stock, s", "ratio", "target", "toy size: says nothing" if options.toy else "")
    table = Table(*titles, caption=", ".join(f"{key} {value}" for key, value in machine().items()))
    for row in rows:
        table.add_row(*row.cells())
    Console().print(table)


if __name__ == "__main__":
    print(json.dumps(machine(), indent=2))
