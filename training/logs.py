"""What a run says while it goes: `log.csv`, TensorBoard, and a bar (or, without a terminal, a few lines)."""

import csv
import logging
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import TracebackType

import tensorflow as tf
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from kres.writing import write_atomically

logger = logging.getLogger(__name__)

QUIET_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class LogRow:
    """One readout: means over the training steps since the row before, and the test accuracy where it was measured."""

    step: int
    epoch: float
    learning_rate: float
    loss: float
    accuracy: float
    images_per_second: float
    test_accuracy: float | None = None


class RunLog:
    """`log.csv` and `tensorboard/` of a workdir; rows after `step` (from beyond the checkpoint) are dropped."""

    def __init__(self, workdir: Path, *, step: int) -> None:
        self._path = workdir / "log.csv"
        self.history = [row for row in read_history(workdir) if row.step <= step]
        write_atomically(self._path, self._write_all)
        self._board = tf.summary.create_file_writer(str(workdir / "tensorboard"))

    def add(self, row: LogRow) -> None:
        """Append `row` to both."""
        self.history.append(row)
        with self._path.open("a", newline="") as file:
            csv.DictWriter(file, _COLUMNS).writerow(asdict(row))
        with self._board.as_default(row.step):
            for name, value in asdict(row).items():
                if name != "step" and value is not None:
                    tf.summary.scalar(name, value)
        self._board.flush()

    def close(self) -> None:
        """Close the TensorBoard file."""
        self._board.close()

    def _write_all(self, path: Path) -> None:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, _COLUMNS)
            writer.writeheader()
            writer.writerows(asdict(row) for row in self.history)


def read_history(workdir: Path) -> list[LogRow]:
    """The rows of a workdir's `log.csv`, none when there is no such file; a last line that was cut off is left out."""
    path = workdir / "log.csv"
    if not path.exists():
        return []
    with path.open(newline="") as file:
        whole = [row for row in csv.DictReader(file) if None not in row.values()]
    return [_parse(row) for row in whole]


def _parse(row: dict[str, str]) -> LogRow:
    numbers = {name: float(text) for name, text in row.items() if text and name != "step"}
    return LogRow(step=int(row["step"]), **numbers)


_COLUMNS = [field.name for field in fields(LogRow)]


class Display:
    """Progress on standard error: a bar on a terminal, else a log line every half a minute."""

    def __init__(self, total: int, *, done: int) -> None:
        self._console = Console(stderr=True)
        self._total = total
        self._spoke = time.monotonic()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("first step (the graph is being built)", total=total, completed=done)

    def __enter__(self) -> "Display":
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.stop()

    def show(self, row: LogRow) -> None:
        """Show the newest readout."""
        text = f"loss {row.loss:.4f}  accuracy {row.accuracy:.2%}  {row.images_per_second:.0f} images/s"
        if row.test_accuracy is not None:
            text += f"  test {row.test_accuracy:.2%}"
        self._bar.update(self._task, completed=row.step, description=text)
        late = time.monotonic() - self._spoke > QUIET_SECONDS
        if not self._console.is_terminal and (late or row.step == self._total):
            self._spoke = time.monotonic()
            logger.info("step %d of %d: %s", row.step, self._total, text)
