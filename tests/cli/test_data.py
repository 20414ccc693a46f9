"""`kres data`: a source as a person looks at it before a run."""

import json

from typer.testing import CliRunner

from kres.cli.app import app


def invoke(*arguments: str):
    return CliRunner().invoke(app, ["data", *arguments])


def test_inspect_counts_the_images_of_every_class():
    found = json.loads(invoke("inspect", "digits", "--json").stdout)
    assert sum(found["counts"]["train"]) == 1198
    assert found["counts"]["test"] == [59, 61, 59, 61, 60, 61, 60, 60, 58, 60]
