"""A CSV file of paths and labels."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kres.training.data.source import TEST_NAMES, Source, Split, either, hold_out, image_files

TRAIN = "train"
PATH, LABEL, SPLIT = "path", "label", "split"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One image: the row that names it (the header is row 1), its file, and what the row says of it."""

    number: int
    name: str
    file: Path
    label: str
    split: str


def csv_table(path: Path) -> Source:
    """The images that a CSV file lists under `path` and `label`, and maybe `split` (train, or a test split's name).

    Paths are relative to the file's own folder. Labels are words or integers; the classes are the labels of the
    training rows in order, integers by their value, so that 0, 1, ... are classes 0, 1, ... Without a column for the
    split a fifth (stratified, by a hash of the paths) is held out; the test split is called by one of TEST_NAMES, of
    several the first one counts.

    Raises ValueError that names the row for a file that is not there, an empty or an unknown value, a path that comes
    twice; and for a missing column, a file that is not UTF-8, or one that lists no image.
    """
    rows, has_splits = _read(path)
    trained = [row for row in rows if row.split == TRAIN]
    class_names = _in_order({row.label for row in trained})
    if len(class_names) < 2:
        raise ValueError(
            f"a CSV file must list images of at least two classes to train on. Received: {path} with {len(class_names)}"
        )
    if not has_splits:
        train, test = hold_out(_split(trained, class_names))
    else:
        there = {row.split for row in rows}
        part = next((name for name in TEST_NAMES if name in there), None)
        if part is None:
            raise ValueError(
                f"the column {SPLIT!r} must give some rows to {either(TEST_NAMES)}. Received: {path}, "
                f"which gives all to {TRAIN}"
            )
        tested = [row for row in rows if row.split == part]
        for row in tested:
            if row.label not in class_names:
                raise _wrong(path, row.number, f"a {part} image must be of a class that training has", row.label)
        train, test = _split(trained, class_names), _split(tested, class_names)
    return Source(
        name=str(path),
        class_names=class_names,
        train=train,
        test=test,
        flip_keeps_label=True,
        held_out=not has_splits,
    )


def _read(path: Path) -> tuple[list[Row], bool]:
    """The rows of the file, and whether it has a column for the split; without one, all are to train on."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = list(csv.reader(file, strict=True))
    except UnicodeDecodeError as error:
        raise ValueError(f"a CSV file must be UTF-8: save it as such. Received: {path}, where {error}") from error
    except csv.Error as error:
        raise ValueError(f"a CSV file must be well formed. Received: {path}: {error}") from error
    header = [name.strip().lower() for name in lines[0]] if lines else []
    for name in (PATH, LABEL):
        if header.count(name) != 1:
            raise ValueError(
                f"a CSV file needs a header with one column {PATH!r} and one {LABEL!r}, separated by commas. "
                f"Received: {path} with {', '.join(header) or 'nothing'}"
            )
    rows: list[Row] = []
    seen: dict[str, int] = {}
    for number, cells in enumerate(lines[1:], 2):
        if not any(cell.strip() for cell in cells):
            continue
        row = _row(path, number, header, cells)
        if row.name in seen:
            raise _wrong(path, number, f"each image is listed once, and row {seen[row.name]} has it", row.name)
        seen[row.name] = number
        rows.append(row)
    return rows, SPLIT in header


def _row(path: Path, number: int, header: list[str], cells: list[str]) -> Row:
    if len(cells) != len(header):
        raise _wrong(path, number, f"a row has {len(header)} values, as the header", cells)
    values = dict(zip(header, (cell.strip() for cell in cells), strict=True))
    for column in (PATH, LABEL):
        if not values[column]:
            raise _wrong(path, number, f"{column} must not be empty", values[column])
    split = values.get(SPLIT, TRAIN).lower()
    if split not in (TRAIN, *TEST_NAMES):
        raise _wrong(path, number, f"{SPLIT} must be {either((TRAIN, *TEST_NAMES))}", values[SPLIT])
    file = path.parent / Path(values[PATH]).expanduser()
    if not file.is_file():
        raise _wrong(path, number, "path must be a file, relative to the folder of the CSV file", values[PATH])
    return Row(number=number, name=values[PATH], file=file, label=values[LABEL], split=split)


def _in_order(labels: set[str]) -> tuple[str, ...]:
    whole = all(label.isascii() and label.isdecimal() for label in labels)
    return tuple(sorted(labels, key=(lambda label: (int(label), label)) if whole else None))


def _split(rows: list[Row], class_names: tuple[str, ...]) -> Split:
    indices = {name: index for index, name in enumerate(class_names)}
    labels = np.array([indices[row.label] for row in rows], np.int32)
    return image_files([str(row.file) for row in rows], labels, [row.name for row in rows])


def _wrong(path: Path, number: int, rule: str, value: object) -> ValueError:
    return ValueError(f"row {number} of {path}: {rule}. Received: {value!r}")
