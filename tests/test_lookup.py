"""Names and the errors for wrong ones."""

import pytest

import kres
from kres.lookup import look_up


@pytest.mark.parametrize(
    ("wrong", "closest"), [("resnet51", "resnet50"), ("ResNet50", "resnet50"), ("plain20", "plain")]
)
def test_an_unknown_name_gets_the_closest(wrong, closest):
    with pytest.raises(ValueError, match=closest) as error:
        kres.build(wrong)
    assert repr(wrong) in str(error.value)


def test_a_name_like_none_gets_the_known_ones():
    with pytest.raises(ValueError, match="Known: a, b"):
        look_up({"a": 1, "b": 2}, "zzzzzz", what="letter")


def test_a_name_like_none_of_many_gets_the_nearest_and_what_lists_them_all():
    with pytest.raises(
        ValueError, match=r"Closest: \w+, \w+, \w+\. `kres list --recipes` shows all \d+\. Received: 'zz'"
    ):
        kres.training.recipe("zz")
    with pytest.raises(ValueError, match=r"`kres list` shows all \d+\."):
        kres.spec("zz")


def test_a_name_of_another_type_is_refused():
    with pytest.raises(ValueError, match="Received: 50"):
        kres.spec(50)
