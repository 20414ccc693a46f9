"""What `kres compare` measures: costs, and CPU latency as a TensorFlow graph and as TFLite float32."""

import csv
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import kres
from kres.writing import write_atomically

if TYPE_CHECKING:
    import keras

    from kres.cli.rivals import Rival

ROUNDS = 3
# The Keras model as the graph that TensorFlow runs, and its TFLite file.
TIMED = {"keras": "saved_model", "tflite": "float32"}


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Milliseconds of one image: the median of the rounds' medians, and the fastest and slowest round's."""

    median_ms: float
    low_ms: float
    high_ms: float


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One network's row: costs for one image, latency where it was measured, published accuracy in percent."""

    name: str
    input_size: int
    params: int
    macs: int
    unknown: tuple[str, ...]
    """Layers that `macs` leaves out because their costs are not known."""
    activations: int
    """Values that convolutions and matrix products write."""
    peak_bytes: int
    top1: float | None
    keras: Latency | None = None
    tflite: Latency | None = None
    failures: tuple[str, ...] = ()
    """Why a latency is missing that was asked for."""


def compare(
    rivals: Sequence["Rival"],
    *,
    image_size: int | None,
    latency: bool,
    threads: int,
    runs: int,
    rounds: int = ROUNDS,
    progress: Callable[[str], None] = lambda message: None,
) -> list[Compared]:
    """Build each network with random weights, count its costs and, if wanted, time it, the networks taking turns."""
    import keras

    rows: list[Compared] = []
    artifacts: list[dict[str, Path]] = []
    with tempfile.TemporaryDirectory() as folder:
        for number, rival in enumerate(rivals):
            progress(f"building {rival.name}")
            keras.utils.set_random_seed(0)
            model = rival.build(image_size)
            row = _costs(rival, model)
            if latency:
                progress(f"exporting {rival.name}")
                written, failures = _artifacts(model, Path(folder, str(number)))
                artifacts.append(written)
                row = replace(row, failures=failures)
            rows.append(row)
        times = _times(artifacts, threads=threads, runs=runs, rounds=rounds, progress=progress)
    if not latency:
        return rows
    pairs = zip(rows, times, strict=True)
    return [replace(row, keras=timed.get("keras"), tflite=timed.get("tflite")) for row, timed in pairs]


def _costs(rival: "Rival", model: "keras.Model") -> Compared:
    found = kres.profile(model)
    return Compared(
        name=rival.name,
        input_size=found.input_shape[0],
        params=found.params,
        macs=found.macs,
        unknown=found.unknown,
        activations=found.conv_activations,
        peak_bytes=found.peak_bytes,
        top1=rival.top1,
    )


def _artifacts(model: "keras.Model", stem: Path) -> tuple[dict[str, Path], tuple[str, ...]]:
    """Write what is timed, and say which formats the network cannot be written in, and why."""
    from kres.export.formats import FORMATS, Options

    paths, failures = {}, []
    for kind, name in TIMED.items():
        path = stem.with_name(stem.name + FORMATS[name].suffix)
        try:
            FORMATS[name].write(model, path, Options())
            paths[kind] = path
        except ValueError as error:
            failures.append(f"{name}: {error}")
    return paths, tuple(failures)


def _times(
    artifacts: Sequence[dict[str, Path]],
    *,
    threads: int,
    runs: int,
    rounds: int,
    progress: Callable[[str], None],
) -> list[dict[str, Latency]]:
    """Time every artifact once a round, so that a slow minute of the machine's strikes all alike."""
    from kres.export import benchmark

    medians: list[dict[str, list[float]]] = [{kind: [] for kind in paths} for paths in artifacts]
    for turn in range(rounds):
        for paths, found in zip(artifacts, medians, strict=True):
            for kind, path in paths.items():
                progress(f"timing, round {turn + 1} of {rounds}")
                found[kind].append(benchmark(path, threads, runs=runs).median_ms)
    return [
        {kind: Latency(median_ms=median(each), low_ms=min(each), high_ms=max(each)) for kind, each in found.items()}
        for found in medians
    ]


def write_csv(path: Path, rows: Sequence[Compared]) -> None:
    """Write a line a network, empty where nothing is known, under a temporary name first."""
    lines = [_flat(row) for row in rows]

    def write(aside: Path) -> None:
        with aside.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(lines)

    write_atomically(path, write)


_TIMES = [f"{kind}_{field.name}" for kind in TIMED for field in fields(Latency)]
COLUMNS = [field.name for field in fields(Compared) if field.name not in (*TIMED, "unknown", "failures")]
COLUMNS += [*_TIMES, "unknown", "failures"]


def _flat(row: Compared) -> dict[str, Any]:
    values = asdict(row)
    for kind in TIMED:
        timed = values.pop(kind) or {}
        values |= {f"{kind}_{field.name}": timed.get(field.name) for field in fields(Latency)}
    return {**values, "unknown": " ".join(row.unknown), "failures": "; ".join(row.failures)}
