"""The words for what is allowed."""

import pytest

from kres.choices import check_choice, closest, listed, one_of


def test_names_read_as_words():
    assert [listed(names) for names in (["a"], ["a", "b"], ["a", "b", 3])] == ["a", "a or b", "a, b or 3"]
    assert listed(["a", "b", "c"], "and") == "a, b and c"
    assert one_of({"a": 1}) == "a" and one_of(("a", None)) == "one of a or None"


def test_a_misspelled_choice_is_offered_the_closest():
    assert closest("unit8", ["int8", "uint8"]) == " Did you mean 'uint8'?" and closest("x", ["int8"]) == ""
    assert check_choice("int8", "io", ["int8", "uint8"]) == "int8"
    told = r"io must be one of int8 or uint8 for x\. Did you mean 'uint8'\? Received: io='unit8'"
    with pytest.raises(ValueError, match=told):
        check_choice("unit8", "io", ["int8", "uint8"], of=" for x")
    with pytest.raises(ValueError, match=r"bits must be 4\. Received: bits=5"):
        check_choice(5, "bits", [4])
