"""Names for scores, held against what keras.applications does with the same file of names."""

import hashlib
import json

import keras
import numpy as np
import pytest
from keras.src.applications import imagenet_utils

import kres
from kres.decoding import imagenet_classes

SCORES = np.random.default_rng(0).dirichlet(np.ones(1000), 3).astype("float32")


def their_class_index() -> dict[str, list[str]]:
    return {str(index): list(entry) for index, entry in enumerate(imagenet_classes())}


def test_the_names_are_byte_for_byte_keras_applications():
    """The hash under which keras.applications downloads its imagenet_class_index.json."""
    content = json.dumps(their_class_index()).encode()
    assert hashlib.md5(content).hexdigest() == "c2c37ea517e94d9795004a39431a14cb"
    assert imagenet_classes()[0] == ("n01440764", "tench")
    assert [wnid for wnid, _ in imagenet_classes()] == sorted(wnid for wnid, _ in imagenet_classes())


@pytest.mark.parametrize("top", [1, 5, 1000])
def test_answers_equal_keras_applications(top, monkeypatch):
    monkeypatch.setattr(imagenet_utils, "CLASS_INDEX", their_class_index())
    theirs = keras.applications.imagenet_utils.decode_predictions(SCORES, top=top)
    assert kres.decode_predictions(SCORES, top) == theirs


def test_tensors_and_half_precision_decode_too():
    expected = kres.decode_predictions(SCORES)
    assert kres.decode_predictions(keras.ops.convert_to_tensor(SCORES)) == expected
    ((best, *_), *_) = kres.decode_predictions(keras.ops.cast(SCORES, "bfloat16"), top=1)
    assert best[2] == pytest.approx(SCORES[0].max(), rel=2**-8)  # bfloat16 has 8 bits


def test_equal_scores_stand_in_the_order_of_classes():
    (first,) = kres.decode_predictions(np.zeros((1, 4)), top=4, labels=list("abcd"))
    assert first == [("a", "a", 0.0), ("b", "b", 0.0), ("c", "c", 0.0), ("d", "d", 0.0)]


def test_own_labels_name_own_classes():
    assert kres.decode_predictions([[0.25, 0.75]], top=1, labels=("cat", "dog")) == [[("dog", "dog", 0.75)]]


def test_no_image_gives_no_answer():
    assert kres.decode_predictions(np.zeros((0, 1000))) == []


@pytest.mark.parametrize(
    ("predictions", "options", "message"),
    [
        (SCORES[0], {}, r"predictions\[None\].*shape \(1000,\)"),
        (SCORES[None], {}, r"\(n, classes\).*shape \(1, 3, 1000\)"),
        (SCORES[:, :10], {}, r"ImageNet-1k's 1000.*`labels`.*shape \(3, 10\)"),
        (SCORES[:, :10], {"labels": list("abc")}, r"names 3 classes.*shape \(3, 10\)"),
        (SCORES, {"top": 0}, r"1\.\.1000.*top=0"),
        (SCORES, {"top": 1001}, r"1\.\.1000.*top=1001"),
        (SCORES[:, :3], {"top": 4, "labels": list("abc")}, r"1\.\.3.*top=4"),
        (SCORES, {"top": 2.0}, "top=2.0"),
        (SCORES, {"top": True}, "top=True"),
        (np.where(np.arange(1000) == 7, np.nan, SCORES), {}, r"finite.*predictions\[0\]"),
        (np.full((2, 1000), np.inf), {}, "finite"),
        ([["a"] * 1000], {}, "array or a tensor of numbers"),
        (None, {}, r"\(n, classes\).*shape \(\)"),
    ],
)
def test_what_is_no_prediction_is_refused(predictions, options, message):
    with pytest.raises(ValueError, match=message):
        kres.decode_predictions(predictions, **options)
