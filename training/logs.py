"""What a run leaves of its course: `log.csv`, `gradients.csv` and TensorBoard's files, all cut back when it resumes."""

import csv
import io
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorboard.compat.proto.event_pb2 import Event

from kres.writing import write_atomically

logger = logging.getLogger(__name__)

LOG, GRADIENTS, BOARD = "log.csv", "gradients.csv", "tensorboard"


@dataclass(frozen=True, kw_only=True)
class LogRow:
    """One readout: means over the training steps since the row before, and the test's figures where it was evaluated.

    None stands for what was not measured, or not by the version that wrote the row.
    """

    step: int
    epoch: float
    learning_rate: float
    loss: float
    accuracy: float
    images_per_second: float
    test_accuracy: float | None = None
    test_loss: float | None = None
    input_wait: float | None = None
    """Share of the wall time since the row before, 0..1, that the loop waited for the input pipeline."""
    seconds: float | None = None
    """Time in training steps since the run began, over all processes that worked on it."""


class LogError(OSError):
    """The log of a run could not be written; the message names the last good checkpoint."""


class RunLog:
    """The tables and TensorBoard files of a workdir; what they hold of steps after the checkpoint's `step` is dropped.

    A worker that is not the `chief` keeps its history and writes nothing.
    """

    def __init__(self, workdir: Path, *, step: int, chief: bool = True) -> None:
        self.history = [row for row in read_history(workdir) if row.step <= step]
        self._workdir = workdir
        self._chief = chief
        self._gradients: _Table | None = None
        if not chief:
            return
        self._rows = _Table(workdir / LOG, _COLUMNS, map(asdict, self.history))
        norms = [row for row in read_gradient_norms(workdir) if row["step"] <= step]
        if norms:
            self._gradients = _Table(workdir / GRADIENTS, list(norms[0]), norms)
        else:
            (workdir / GRADIENTS).unlink(missing_ok=True)
        drop_events(workdir / BOARD, after_step=step)
        self._board = tf.summary.create_file_writer(str(workdir / BOARD))

    def add(self, row: LogRow, gradient_norms: Mapping[str, float] | None = None) -> None:
        """Append a row to `log.csv` and TensorBoard, and to `gradients.csv` the norm of each stage's gradient.

        Stages are the same in every call; ValueError when they are not.
        """
        self.history.append(row)
        if not self._chief:
            return
        values = asdict(row)
        self._rows.append(values)
        if gradient_norms is not None:
            self._gradients = self._gradients or _Table(self._workdir / GRADIENTS, ["step", *gradient_norms], ())
            self._gradients.append({"step": row.step, **gradient_norms})
        curves = {name: value for name, value in values.items() if name != "step"}
        curves |= {f"gradient_norm/{stage}": norm for stage, norm in (gradient_norms or {}).items()}
        with self._board.as_default(row.step):
            for name, value in curves.items():
                if value is not None:
                    tf.summary.scalar(name, value)
        self._board.flush()

    def images(self, step: int, images: np.ndarray) -> None:
        """Show images (n, h, w, c), uint8 of 1 or 3 channels, in TensorBoard: training images as the network gets them.

        Raises ValueError for others.
        """
        images = np.asarray(images)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3) or not images.size:
            raise ValueError(
                "sample images are uint8 of shape (n, h, w, 1 or 3). "
                f"Received: images of {images.dtype} and shape {images.shape}"
            )
        if self._chief:
            with self._board.as_default(step):
                tf.summary.image("training_images", images, max_outputs=len(images))
            self._board.flush()

    def close(self) -> None:
        """Close the TensorBoard file."""
        if not self._chief:
            return
        try:
            self._board.close()
        except tf.errors.OpError as error:  # what is left was refused before, and told
            logger.debug("TensorBoard's file could not be closed: %s", error)


def read_history(workdir: Path) -> list[LogRow]:
    """The rows of a workdir's `log.csv`, none when there is no such file; a last line that was cut off is left out.

    Columns that an older version did not write are None, those of a newer one are left out. ValueError for what is no
    such table.
    """
    found = _read_table(workdir / LOG)
    if found and (missing := _REQUIRED - found[0].keys()):
        raise ValueError(f"{workdir / LOG} is not readable: it lacks {', '.join(sorted(missing))}")
    return [LogRow(**{name: value for name, value in row.items() if name in _COLUMNS}) for row in found]


def read_gradient_norms(workdir: Path) -> list[dict[str, float]]:
    """The rows of a workdir's `gradients.csv`, `step` and one norm a stage; none when there is no such file."""
    return _read_table(workdir / GRADIENTS)


_COLUMNS = [field.name for field in fields(LogRow)]
_REQUIRED = {field.name for field in fields(LogRow) if field.default is MISSING}


class _Table:
    """A CSV file with a row a readout, begun with the `rows` that it keeps."""

    def __init__(self, path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
        self._path = path
        self._columns = columns
        self._kept = rows
        write_atomically(path, self._begin)

    def append(self, row: Mapping[str, Any]) -> None:
        """Write one more row; ValueError when its columns are others."""
        if set(row) != set(self._columns):
            raise ValueError(
                f"{self._path.name} has the columns {', '.join(self._columns)}. Received: {', '.join(row)}"
            )
        with self._path.open("a", newline="") as file:
            csv.DictWriter(file, self._columns).writerow(row)

    def _begin(self, path: Path) -> None:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, self._columns)
            writer.writeheader()
            writer.writerows(self._kept)


def _read_table(path: Path) -> list[dict[str, Any]]:
    """Whole lines of a CSV file of numbers, None where a cell is empty; the last may be on its way to the disk."""
    if not path.exists():
        return []
    text = path.read_bytes().decode(errors="replace")
    lines = csv.DictReader(io.StringIO(text[: text.rfind("\n") + 1], newline=""))
    try:
        return [_numbers(line) for line in lines]
    except (ValueError, TypeError, KeyError, csv.Error) as error:
        raise ValueError(f"{path} is not readable: line {lines.line_num}: {error}") from error


def _numbers(line: dict[str, str]) -> dict[str, Any]:
    if None in line or None in line.values():  # as the csv module tells of cells too many and too few
        raise ValueError("it has other cells than the first line names")
    numbers = {name: float(text) if text else None for name, text in line.items() if name != "step"}
    return {"step": int(line["step"]), **numbers}


def drop_events(folder: Path, *, after_step: int) -> None:
    """Take the events of later steps out of TensorBoard's files, as well as a last one that a killed process cut off.

    A file is a TFRecord of Event messages. One whose events all stay is not touched.
    """
    for path in sorted(folder.glob("events.out.tfevents.*")):
        records, whole = _records(path)
        kept = [record for record in records if Event.FromString(record).step <= after_step]
        if not whole or len(kept) < len(records):
            write_atomically(path, lambda aside, kept=kept: _write_records(aside, kept))  # type: ignore[misc]


def _records(path: Path) -> tuple[list[bytes], bool]:
    """The readable records of a TFRecord file, and whether they are all of it."""
    found: list[bytes] = []
    try:
        found.extend(record.numpy() for record in tf.data.TFRecordDataset(str(path)))
    except tf.errors.DataLossError:
        return found, False
    return found, True


def _write_records(path: Path, records: Sequence[bytes]) -> None:
    with tf.io.TFRecordWriter(str(path)) as file:
        for record in records:
            file.write(record)
