from kres.training.nesting import flatten


def test_an_entry_has_the_names_of_all_that_hold_it():
    assert flatten({"a": {"b": 1, "c": {}}, "d": [1, None]}) == {"a.b": 1, "a.c": {}, "d": [1, None]}
