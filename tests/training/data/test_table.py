import numpy as np
import pytest

from kres.training.data import load
from tests.training.data.images import png


def _write(path, lines, *, images=12, encoding="utf-8"):
    """A CSV file beside `images` files a0.png, b1.png, c2.png, a3.png, ..., filled with their numbers."""
    for i in range(images):
        file = path / "images" / f"{'abc'[i % 3]}{i}.png"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(png(i))
    table = path / "labels.csv"
    table.write_text("\n".join(lines) + "\n", encoding=encoding)
    return table


def _lines(labels, splits=None, images=12):
    rows = [f"images/{'abc'[i % 3]}{i}.png,{labels[i % 3]}" for i in range(images)]
    if splits is None:
        return ["path,label", *rows]
    return ["path,label,split", *(f"{row},{splits(i)}" for i, row in enumerate(rows))]


def _numbers(split):
    return [int(split.read(i)[0, 0, 0]) for i in range(len(split))]


def test_paths_labels_and_splits_are_taken_as_they_stand(tmp_path):
    source = load(_write(tmp_path, _lines(("cat", "dog", "ant"), lambda i: "test" if i > 8 else "Train")))
    assert source.class_names == ("ant", "cat", "dog") and not source.held_out
    assert _numbers(source.train) == list(range(9)) and _numbers(source.test) == [9, 10, 11]
    assert source.train.labels.tolist() == [1, 2, 0] * 3 and source.test.labels.tolist() == [1, 2, 0]
    assert source.train.names[1] == "images/b1.png"


@pytest.mark.parametrize(("labels", "names"), [((0, 1, 2), ("0", "1", "2")), ((9, 10, 100), ("9", "10", "100"))])
def test_integers_are_classes_in_the_order_of_their_values(tmp_path, labels, names):
    source = load(str(_write(tmp_path, _lines(labels, lambda i: "val" if i > 8 else "train"))))
    assert source.class_names == names
    assert source.test.labels.tolist() == [0, 1, 2]


def test_without_splits_a_stratified_part_is_held_out_by_name(tmp_path):
    table = _write(tmp_path, _lines("xyz", images=30), images=30)
    source = load(table)
    assert source.held_out and np.bincount(source.test.labels).tolist() == [2, 2, 2]
    again = load(_write(tmp_path, ["path,label", *reversed(_lines("xyz", images=30)[1:])], images=30))
    assert sorted(again.test.names) == sorted(source.test.names)


def test_columns_in_any_order_blank_lines_quotes_and_a_byte_order_mark(tmp_path):
    lines = [
        'label,"path",seen',
        'a,"images/a0.png",yes',
        "",
        "b,images/b1.png,no",
        "a, images/a3.png ,",
        "b,images/b4.png,",
    ]
    source = load(_write(tmp_path, lines, encoding="utf-8-sig"))
    assert len(source.train) + len(source.test) == 4


def test_the_first_of_test_and_validation_counts(tmp_path):
    lines = _lines("xyz", lambda i: ("train", "train", "val", "test")[i // 3])
    assert _numbers(load(_write(tmp_path, lines)).test) == [9, 10, 11]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({0: "file,label"}, r"one column 'path' and one 'label'.*with file, label$"),
        ({0: "path;label"}, r"separated by commas. Received: .* with path;label$"),
        ({3: "images/none.png,a"}, r"row 4 of .*labels.csv: path must be a file, .*Received: 'images/none.png'"),
        ({3: "images,a"}, r"row 4 .*path must be a file"),
        ({3: ",a"}, r"row 4 .*path must not be empty. Received: ''"),
        ({5: "images/c5.png, "}, r"row 6 .*label must not be empty. Received: ''"),
        ({5: "images/c5.png"}, r"row 6 .*a row has 2 values, as the header. Received: \['images/c5.png'\]"),
        ({5: "images/a0.png,b"}, r"row 6 .*each image is listed once, and row 2 has it. Received: 'images/a0.png'"),
        ({5: 'images/c5.png,"b'}, r"must be well formed"),
    ],
)
def test_what_is_wrong_is_told_with_its_row(tmp_path, change, words):
    lines = _lines("abc")
    for row, line in change.items():
        lines[row] = line
    with pytest.raises(ValueError, match=words):
        load(_write(tmp_path, lines))


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["path,label,split", "images/a0.png,a,rest"], r"row 2 .*train, test, val, .*eval or dev. Received: 'rest'"),
        (
            _lines("abc", lambda i: "train"),
            r"must give some rows to test, val, validation, valid, testing, eval or dev",
        ),
        (_lines("abc", lambda i: "test" if i % 3 == 2 else "train"), r"row 4 .*class that training has. Received: 'c'"),
        (_lines("aaa"), r"at least two classes to train on. Received: .* with 1"),
        (["path,label"], r"at least two classes .* with 0"),
        ([], r"needs a header.* with nothing"),
    ],
)
def test_splits_and_classes_that_cannot_be_are_errors(tmp_path, lines, words):
    with pytest.raises(ValueError, match=words):
        load(_write(tmp_path, lines))


def test_another_encoding_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"must be UTF-8: save it as such. Received: .*labels.csv"):
        load(_write(tmp_path, [*_lines("abc"), "images/übung.png,a"], encoding="latin-1"))


def test_a_damaged_image_is_named(tmp_path):
    table = _write(tmp_path, _lines("abc"))
    (tmp_path / "images" / "b4.png").write_bytes(png(4)[:40])
    with pytest.raises(ValueError, match=r"cannot be decoded: images/b4\.png"):
        load(table)
    assert load(table, on_corrupt="skip").corrupt == ("images/b4.png",)
